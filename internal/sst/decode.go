package sst

import "encoding/binary"

// fields takes values off the front of a record. After the first that cannot be read it gives zeroes, and bad stays true.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) fail() {
	f.b, f.bad = nil, true
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.fail()
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) uvarint32() uint32 {
	v := f.uvarint()
	if v > 1<<32-1 {
		f.fail()
		return 0
	}
	return uint32(v)
}

// slice is a length as a varint32 and as many bytes. It shares f's memory.
func (f *fields) slice() []byte {
	n := f.uvarint32()
	if uint64(n) > uint64(len(f.b)) {
		f.fail()
		return nil
	}
	s := f.b[:n:n]
	f.b = f.b[n:]
	return s
}

// internalKey is a slice that ends in the eight bytes of sequence and type.
func (f *fields) internalKey() []byte {
	k := f.slice()
	if len(k) < internalTrailer {
		f.fail()
		return nil
	}
	return k
}

// userKey is the key without sequence and type.
func userKey(internal []byte) []byte { return internal[:len(internal)-internalTrailer] }

// packed is sequence<<8 | type of an internal key.
func packed(internal []byte) uint64 {
	return binary.LittleEndian.Uint64(internal[len(internal)-internalTrailer:])
}
