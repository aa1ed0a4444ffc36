package idl

import (
	"encoding/binary"
	"fmt"
)

// Decoder reads thrift strict binary data from a byte slice. The first failure
// sticks: from then on every read gives zero values, so that codecs need to look
// at Err once at the end. The zero Decoder is an empty input.
type Decoder struct {
	buf []byte
	pos int
	err error

	// Where we are, for error texts: the message, and id and type of its field.
	msg string
	id  int16
	typ byte
}

// NewDecoder reads from buf, which decoded byte slices will alias.
func NewDecoder(buf []byte) *Decoder { return &Decoder{buf: buf} }

// Reset starts over with another input and forgets an earlier failure.
func (d *Decoder) Reset(buf []byte) { *d = Decoder{buf: buf} }

// Err is the first failure, a *DecodeError, or nil.
func (d *Decoder) Err() error { return d.err }

// Remaining is the number of bytes not yet read.
func (d *Decoder) Remaining() int { return len(d.buf) - d.pos }

// fail records the first failure. It also exhausts the input, so that loops end.
func (d *Decoder) fail(reason string) {
	if d.err == nil {
		d.err = &DecodeError{Message: d.msg, Field: d.id, Offset: d.pos, Reason: reason}
	}
	d.pos = len(d.buf)
}

// failf is fail with a format; it must only be called when failing.
func (d *Decoder) failf(format string, args ...any) { d.fail(fmt.Sprintf(format, args...)) }

// next moves to the next field of the struct called msg. It is false at the stop
// byte and after a failure.
func (d *Decoder) next(msg string) bool {
	d.msg = msg
	if d.err != nil {
		return false
	}
	if d.pos >= len(d.buf) {
		d.fail("input ends inside a struct")
		return false
	}
	typ := d.buf[d.pos]
	if typ == tStop {
		d.pos++
		return false
	}
	if len(d.buf)-d.pos < 3 {
		d.fail("input ends inside a field header")
		return false
	}
	d.typ = typ
	d.id = int16(binary.BigEndian.Uint16(d.buf[d.pos+1:]))
	d.pos += 3
	return true
}

// want checks the type of the current field.
func (d *Decoder) want(typ byte) bool {
	if d.typ == typ && d.err == nil {
		return true
	}
	if d.err == nil {
		d.failf("is of type %s, expected %s", typeName(d.typ), typeName(typ))
	}
	return false
}

// take returns the next n bytes, or nil after recording a failure.
func (d *Decoder) take(n int) []byte {
	if n < 0 || n > len(d.buf)-d.pos {
		d.fail("input ends inside a value")
		return nil
	}
	b := d.buf[d.pos : d.pos+n : d.pos+n]
	d.pos += n
	return b
}

// rawI32 reads four bytes without a field check, as elements of lists are.
func (d *Decoder) rawI32() int32 {
	if len(d.buf)-d.pos < 4 {
		d.fail("input ends inside a value")
		return 0
	}
	v := binary.BigEndian.Uint32(d.buf[d.pos:])
	d.pos += 4
	return int32(v)
}

// rawI64 reads eight bytes.
func (d *Decoder) rawI64() int64 {
	if len(d.buf)-d.pos < 8 {
		d.fail("input ends inside a value")
		return 0
	}
	v := binary.BigEndian.Uint64(d.buf[d.pos:])
	d.pos += 8
	return int64(v)
}

// rawBlob reads a length and as many bytes, which alias the input.
func (d *Decoder) rawBlob() []byte {
	n := d.rawI32()
	if n < 0 {
		d.failf("has length %d", n)
		return nil
	}
	return d.take(int(n))
}

// rawString reads a length and as many bytes, copied.
func (d *Decoder) rawString() string { return string(d.rawBlob()) }
