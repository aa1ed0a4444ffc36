package metaproxy

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

const (
	magic = "THFT"
	// maxBody bounds what is read for one request in bytes; a query has some dozens.
	maxBody = 16 << 20
)

// query is a request for the configuration of a table.
type query struct {
	table string
	seq   int32
}

// readRequest reads what may be a request, in the steps of the real one (rpc/request_decoder.go): nil
// stands for something that is not served, after which reading goes on where it stopped, in the
// middle of a frame perhaps. The error is that of the connection.
func readRequest(in io.Reader) (*query, error) {
	frame := make([]byte, 8, 128)
	if _, err := io.ReadFull(in, frame[:4]); err != nil || string(frame[:4]) != magic {
		return nil, err
	}
	if _, err := io.ReadFull(in, frame[4:]); err != nil {
		return nil, err
	}
	var rest []byte
	var length uint64
	switch binary.BigEndian.Uint32(frame[4:]) {
	case 0:
		rest = make([]byte, 40)
		if _, err := io.ReadFull(in, rest); err != nil || binary.BigEndian.Uint32(rest) != 48 {
			return nil, err
		}
		length = uint64(binary.BigEndian.Uint32(rest[8:]))
	case 1:
		rest = make([]byte, 8)
		if _, err := io.ReadFull(in, rest); err != nil {
			return nil, err
		}
		length = uint64(binary.BigEndian.Uint32(rest)) + uint64(binary.BigEndian.Uint32(rest[4:]))
	default:
		return nil, nil
	}
	if length > maxBody {
		return nil, io.ErrUnexpectedEOF // a real one tries to allocate it
	}
	body := bytes.NewBuffer(append(frame, rest...))
	if _, err := io.CopyN(body, in, int64(length)); err != nil {
		return nil, err
	}
	return decodeQuery(body.Bytes()), nil
}

// decodeQuery is nil for all but a query that can be read.
func decodeQuery(frame []byte) *query {
	req, err := idl.DecodeRequest(frame)
	if err != nil || req.Name != idl.NameQueryConfig {
		return nil
	}
	var args idl.QueryConfigRequest
	var d idl.Decoder
	if err := req.DecodeArgs(&d, &args); err != nil {
		return nil
	}
	return &query{table: args.AppName, seq: req.Seq}
}
