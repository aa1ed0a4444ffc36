package idl

import (
	"encoding/binary"
	"fmt"
)

// ResponseError is the error in the header of a response: the server did not
// execute the request, or says nothing about it.
type ResponseError struct {
	// Name is the request's RPC name.
	Name string
	// Code is not ErrOK.
	Code ErrorCode
}

// Error names the RPC and the code.
func (e *ResponseError) Error() string { return fmt.Sprintf("%s: %s", e.Name, string(e.Code)) }

// Unwrap makes errors.Is(err, ErrInvalidState) and the like work.
func (e *ResponseError) Unwrap() error { return e.Code }

// ResponseHead is a decoded response frame whose result has not been read yet.
type ResponseHead struct {
	// Code is the error in the header. Unless it is ErrOK there is no result.
	Code ErrorCode
	// Name is the RPC of the request, without the _ACK of the wire.
	Name string
	// RPC is the entry of the RPC table, nil for a name that it does not have.
	RPC *RPC
	// Seq is that of the request. It alone pairs responses with requests, they may
	// come in any order.
	Seq int32
	// Result is the encoded result envelope and aliases the frame. It is empty when
	// Code is not ErrOK.
	Result []byte
}

// AppendResponse appends a whole response frame to b and returns the extended
// slice. When code is not ErrOK resp is ignored and may be nil. name is the
// request's RPC name, without _ACK.
func AppendResponse(b []byte, seq int32, name string, code ErrorCode, resp Message) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = rawString(b, code)
	if code == ErrOK {
		b = appendEnvelope(b, replyMessage, name, ackSuffix, seq, 0, resp)
	} else {
		b = appendEnvelope(b, replyMessage, name, ackSuffix, seq, 0, nil)
		b = b[:len(b)-1] // servers write not even the stop byte
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// ResponseLength is the length in bytes of the whole response frame that starts
// with prefix, which must have at least ResponsePrefix bytes. The error wraps
// ErrMalformed; then the stream cannot be read any further.
func ResponseLength(prefix []byte) (int, error) {
	if len(prefix) < ResponsePrefix {
		return 0, frameError("response of %d bytes is shorter than its length", len(prefix))
	}
	n := be32(prefix)
	if n < ResponsePrefix || n > MaxFrame {
		return 0, frameError("response of %d bytes", n)
	}
	return int(n), nil
}

// DecodeResponseHead reads a whole response frame, its length word included, up to
// the result. It allocates only for RPC names and error codes that it does not
// know. The error wraps ErrMalformed.
func DecodeResponseHead(frame []byte) (ResponseHead, error) {
	n, err := ResponseLength(frame)
	if err != nil {
		return ResponseHead{}, err
	}
	if n != len(frame) {
		return ResponseHead{}, frameError("response frame has %d bytes, its length says %d", len(frame), n)
	}
	d := Decoder{buf: frame, pos: responsePrefix, msg: "response header"}
	h := ResponseHead{Code: d.rawCode()}
	begin := d.messageBegin()
	if d.err != nil {
		return ResponseHead{}, d.err
	}
	if begin.kind != replyMessage && begin.kind != exceptMessage {
		return ResponseHead{}, frameError("response is a thrift message of type %d", begin.kind)
	}
	if begin.kind == exceptMessage && h.Code == ErrOK {
		return ResponseHead{}, frameError("response is a thrift exception with header code %s", string(h.Code))
	}
	name := begin.name
	if len(name) >= len(ackSuffix) && string(name[len(name)-len(ackSuffix):]) == ackSuffix {
		name = name[:len(name)-len(ackSuffix)]
	}
	if h.RPC = lookupBytes(name); h.RPC != nil {
		h.Name = h.RPC.Name
	} else {
		h.Name = string(name)
	}
	h.Seq = begin.seq
	if h.Code == ErrOK {
		h.Result = frame[d.pos:]
	}
	return h, nil
}

// DecodeResult reads the result into m, which aliases the frame. The error is a
// *ResponseError when Code is not ErrOK; otherwise it wraps ErrMalformed. Bytes
// that are left over are an error. d is working space and may be used again.
func (h *ResponseHead) DecodeResult(d *Decoder, m Message) error {
	if h.Code != ErrOK {
		return &ResponseError{Name: h.Name, Code: h.Code}
	}
	d.Reset(h.Result)
	return d.argument(0, m)
}
