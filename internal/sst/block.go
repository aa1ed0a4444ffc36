package sst

import "encoding/binary"

// hashIndexLimit is the size up to which a data block may have a hash index, and the top bit of its restart count means that
// (kMaxBlockSizeSupportedByHashIndex of table/block_based/data_block_hash_index.h).
const hashIndexLimit = 1 << 16

// blockEntries cuts off what stands behind the entries of a block: the restart points, and in a data block perhaps a hash
// index, neither of which is needed to read from front to back (table/block_based/block.cc, data_block_footer.cc).
func blockEntries(block []byte) ([]byte, error) {
	if len(block) < 4 {
		return nil, damaged("a block of %d bytes has no count of restart points", len(block))
	}
	restarts := binary.LittleEndian.Uint32(block[len(block)-4:])
	end := len(block) - 4
	if len(block) <= hashIndexLimit && restarts>>31 != 0 {
		restarts &= 1<<31 - 1
		if end < 2 {
			return nil, damaged("a block has no count of buckets")
		}
		buckets := int(binary.LittleEndian.Uint16(block[end-2:]))
		if buckets+2 > end {
			return nil, damaged("a block of %d bytes says that it has %d buckets", len(block), buckets)
		}
		end -= buckets + 2
	}
	if uint64(restarts)*4 > uint64(end) {
		return nil, damaged("a block of %d bytes says that it has %d restart points", len(block), restarts)
	}
	end -= int(restarts) * 4
	if restarts == 0 && end > 0 {
		return nil, damaged("a block with entries has no restart point")
	}
	return block[:end], nil
}

// entries goes through a block from front to back. key and value are valid until the next call, value as long as the block.
type entries struct {
	rest  []byte
	key   []byte // its memory is used again
	value []byte
}

// reset begins another block. The key before it is forgotten: the first entry of a block shares nothing.
func (e *entries) reset(block []byte) error {
	rest, err := blockEntries(block)
	e.rest, e.key, e.value = rest, e.key[:0], nil
	return err
}

// next is false at the end of the block.
func (e *entries) next() (bool, error) {
	b := e.rest
	if len(b) < 3 {
		if len(b) == 0 {
			return false, nil
		}
		return false, errEntry()
	}
	shared, unshared, size, at := uint64(b[0]), uint64(b[1]), uint64(b[2]), uint64(3)
	if shared|unshared|size >= 0x80 {
		in := fields{b: b}
		shared, unshared, size = uint64(in.uvarint32()), uint64(in.uvarint32()), uint64(in.uvarint32())
		if in.bad {
			return false, errEntry()
		}
		at = uint64(len(b) - len(in.b))
	}
	if shared > uint64(len(e.key)) || unshared+size > uint64(len(b))-at {
		return false, errEntry()
	}
	b = b[at:]
	e.key = append(e.key[:shared], b[:unshared]...)
	e.value = b[unshared : unshared+size : unshared+size]
	e.rest = b[unshared+size:]
	return true, nil
}

func errEntry() error { return damaged("an entry of a block is cut off") }

// indexForm is how the index of a table was written (table/block_based/index_builder.h).
type indexForm struct {
	delta    bool // values have no length, and sizes are differences to the block before
	firstKey bool // the first key of the block stands behind its handle
}

// handles goes through an index block and gives where the data blocks stand. The keys, which only serve searches, are
// measured and not kept.
type handles struct {
	form indexForm
	rest []byte
	key  uint64 // length of the last key
	last blockHandle
}

func (h *handles) reset(block []byte, form indexForm) error {
	rest, err := blockEntries(block)
	*h = handles{form: form, rest: rest}
	return err
}

// next is false at the end of the index.
func (h *handles) next() (blockHandle, bool, error) {
	if len(h.rest) == 0 {
		return blockHandle{}, false, nil
	}
	in := fields{b: h.rest}
	shared, unshared := uint64(in.uvarint32()), uint64(in.uvarint32())
	size := uint64(0)
	if !h.form.delta {
		size = uint64(in.uvarint32())
	}
	if in.bad || shared > h.key || unshared > uint64(len(in.b)) {
		return blockHandle{}, false, errEntry()
	}
	h.key = shared + unshared
	in.b = in.b[unshared:]
	value, own := &in, fields{}
	if !h.form.delta {
		if size > uint64(len(in.b)) {
			return blockHandle{}, false, errEntry()
		}
		own.b, in.b = in.b[:size], in.b[size:]
		value = &own
	}
	if h.form.delta && shared != 0 {
		change := value.uvarint()
		signed := int64(change>>1) ^ -int64(change&1)
		h.last = blockHandle{h.last.offset + h.last.size + blockTrailerSize, h.last.size + uint64(signed)}
	} else {
		h.last = blockHandle{value.uvarint(), value.uvarint()}
	}
	if h.form.firstKey {
		value.slice()
	}
	if value.bad || (!h.form.delta && len(own.b) > 0) {
		return blockHandle{}, false, damaged("an entry of the index is no handle")
	}
	h.rest = in.b
	return h.last, true, nil
}
