package wire

import (
	"encoding/binary"
	"fmt"
)

// ackSuffix is what servers append to the name of a request in its reply
// (src/rpc/thrift_message_parser.cpp).
const ackSuffix = "_ACK"

// What opens a strict binary thrift message of type REPLY or EXCEPTION. The second
// only comes with an error code.
const (
	replyVersion     = 0x80010002
	exceptionVersion = 0x80010003
)

// head is what stands in front of a reply's body. Its slices alias the frame.
type head struct {
	code []byte
	ok   bool // code is ERR_OK
	name []byte
	seq  int32
	size int // bytes up to the body, the frame's length included
}

// parseHead reads the head of a frame, of which b may be the beginning. It never
// allocates except for its errors, which all wrap ErrProtocol.
func parseHead(b []byte) (h head, err error) {
	at := 4
	if h.code, at, err = headString(b, at, "error code"); err != nil {
		return h, err
	}
	h.ok = string(h.code) == "ERR_OK"
	if len(b) < at+4 {
		return h, fmt.Errorf("%w: reply ends before its message version", ErrProtocol)
	}
	if v := binary.BigEndian.Uint32(b[at:]); v != replyVersion && (v != exceptionVersion || h.ok) {
		return h, fmt.Errorf("%w: message version %#x instead of %#x", ErrProtocol, v, replyVersion)
	}
	if h.name, at, err = headString(b, at+4, "name"); err != nil {
		return h, err
	}
	if len(b) < at+4 {
		return h, fmt.Errorf("%w: reply ends before its sequence id", ErrProtocol)
	}
	h.seq = int32(binary.BigEndian.Uint32(b[at:]))
	h.size = at + 4
	return h, nil
}

// headString reads a string with its length at offset at.
func headString(b []byte, at int, what string) (s []byte, next int, err error) {
	if len(b) < at+4 {
		return nil, at, fmt.Errorf("%w: reply ends before its %s", ErrProtocol, what)
	}
	n := int(int32(binary.BigEndian.Uint32(b[at:])))
	at += 4
	if n < 0 || n > len(b)-at || n > maxHead {
		return nil, at, fmt.Errorf("%w: the reply's %s has length %d", ErrProtocol, what, n)
	}
	return b[at : at+n], at + n, nil
}

// answers tells whether the reply is one to the request called name.
func (h *head) answers(name string) bool {
	n := len(h.name) - len(ackSuffix)
	return n == len(name) && string(h.name[:n]) == name && string(h.name[n:]) == ackSuffix
}
