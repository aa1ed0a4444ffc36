package idl

import (
	"encoding/binary"
	"fmt"
)

// Layout of the request frame (src/rpc/thrift_message_parser.cpp). All integers
// are big endian; the two checksums of version 0 are written as 0 and not read.
const (
	requestMagic = "THFT"
	// headerV0 is the whole header of version 0; servers close the connection on
	// any other length.
	headerV0 = 48
	// headerV1 is the fixed part of version 1, in front of a thrift struct.
	headerV1 = 16
	// responsePrefix is the length word in front of a response.
	responsePrefix = 4

	// RequestPrefix is how many bytes RequestLength needs. Every frame is longer.
	RequestPrefix = 20
	// ResponsePrefix is how many bytes ResponseLength needs.
	ResponsePrefix = responsePrefix
	// MaxFrame is the longest frame in bytes that this package accepts. It only
	// bounds nonsense: servers cut write requests at 1 MiB, but a scan reply has no
	// bound of its own. Readers of untrusted peers set a lower one.
	MaxFrame = 1 << 30
)

// Message types of thrift and the strict version mark in front of them.
const (
	thriftVersion = 0x80010000
	thriftMask    = 0xffff0000
	callMessage   = 1
	replyMessage  = 2
	exceptMessage = 3
	onewayMessage = 4
)

// ackSuffix makes the name of a response out of that of its request.
const ackSuffix = "_ACK"

// maxName bounds the length of an RPC name in bytes.
const maxName = 256

// frameError describes a frame that cannot be read.
func frameError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// messageBegin is the start of a thrift message. The name aliases the input.
type messageBegin struct {
	kind uint32
	name []byte
	seq  int32
}

// messageBegin reads the start of a thrift message in strict form.
func (d *Decoder) messageBegin() messageBegin {
	d.msg = "message header"
	head := uint32(d.rawI32())
	if d.err == nil && head&thriftMask != thriftVersion {
		d.failf("starts with %#08x, not in thrift strict binary form", head)
	}
	name := d.rawBlob()
	if len(name) > maxName {
		d.failf("has a name of %d bytes", len(name))
	}
	return messageBegin{kind: head &^ thriftMask, name: name, seq: d.rawI32()}
}

// argument reads the one field, with the given id, that wraps an argument (id 1)
// or a result (id 0), and requires that nothing follows.
func (d *Decoder) argument(id int16, m Message) error {
	found := false
	for d.next("envelope") {
		switch {
		case d.id == id && !found:
			found = true
			if d.want(thriftTypeOf(m)) {
				m.Decode(d)
			}
		default:
			d.skip()
		}
	}
	if d.err == nil && !found {
		d.failf("field %d is missing", id)
	}
	if d.err == nil && d.Remaining() > 0 {
		d.failf("is followed by %d bytes that belong to nothing", d.Remaining())
	}
	return d.err
}

// be32 reads a big-endian word.
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
