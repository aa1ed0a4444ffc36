package sst

import (
	"bytes"
	"encoding/binary"
)

// chunk is a stretch of a file: whole blocks, read with one request while the one before it is used.
type chunk struct {
	from   uint64
	blocks []blockHandle
	buf    []byte
	next   int        // of blocks
	done   chan error // one result per start
	going  bool
}

// tableScan gives the rows of one table, front to back. key, packed and value are those of the row it stands on, valid until
// next.
type tableScan struct {
	*table
	index  handles
	held   blockHandle // read from the index, but not in a chunk yet
	ahead  int         // bytes of a chunk
	now    *chunk
	coming *chunk
	end    uint64 // of the blocks planned so far
	block  []byte // memory for blocks that were compressed
	rows   entries
	count  uint64

	key    []byte
	packed uint64
	value  []byte
}

// newTableScan starts the first reads.
func newTableScan(t *table, ahead int) (*tableScan, error) {
	s := &tableScan{table: t, ahead: ahead}
	form := indexForm{delta: t.props.indexDelta, firstKey: t.props.indexType == indexFirstKey}
	if err := s.index.reset(t.index, form); err != nil {
		return nil, inFile(err, t.name)
	}
	s.now, s.coming = &chunk{done: make(chan error, 1)}, &chunk{done: make(chan error, 1)}
	return s, inFile(s.start(s.coming), t.name)
}

// start plans a chunk from the index and begins to read it. A chunk without blocks is the end.
func (s *tableScan) start(c *chunk) error {
	c.blocks, c.next = c.blocks[:0], 0
	for {
		h := s.held
		s.held = blockHandle{}
		if h.size == 0 {
			var ok bool
			var err error
			if h, ok, err = s.index.next(); err != nil {
				return err
			} else if !ok {
				break
			}
			if !h.within(s.dataEnd) || h.offset < s.end || h.size == 0 || h.size > maxBlock {
				return damaged("a data block of %d bytes at %d cannot be", h.size, h.offset)
			}
		}
		if len(c.blocks) == 0 {
			c.from = h.offset
		} else if h.offset+h.size-c.from > uint64(s.ahead) {
			s.held = h
			break
		}
		c.blocks = append(c.blocks, h)
		s.end = h.offset + h.size + blockTrailerSize
	}
	if len(c.blocks) == 0 {
		return nil
	}
	c.buf = room(c.buf, int(s.end-c.from))
	c.going = true
	go func() { c.done <- readFull(s.file, c.buf, int64(c.from)) }()
	return nil
}

// wait is for the read of a chunk; the file bounds how long that lasts.
func (c *chunk) wait() error {
	if !c.going {
		return nil
	}
	c.going = false
	return <-c.done
}

// close waits for a read that is under way.
func (s *tableScan) close() error {
	_ = s.coming.wait() // nobody wants what it read
	return inFile(s.table.close(), s.name)
}

// nextBlock goes to the block behind; false at the end of the table.
func (s *tableScan) nextBlock() (bool, error) {
	if s.now.next == len(s.now.blocks) {
		s.now, s.coming = s.coming, s.now
		if err := s.now.wait(); err != nil {
			return false, err
		}
		if len(s.now.blocks) == 0 {
			return false, nil
		}
		if err := s.start(s.coming); err != nil {
			return false, err
		}
	}
	h := s.now.blocks[s.now.next]
	s.now.next++
	raw := s.now.buf[h.offset-s.now.from:][:h.size+blockTrailerSize]
	if err := s.footer.checksum.verify(raw); err != nil {
		return false, err
	}
	kind := Compression(raw[h.size])
	out, err := s.unpack.decompress(s.block, kind, raw[:h.size], s.footer.version, maxBlock)
	if err != nil {
		return false, err
	}
	if kind != NoCompression && cap(out) > cap(s.block) {
		s.block = out
	}
	return true, s.rows.reset(out)
}

// next goes to the row behind; false at the end of the table, once it has as many rows as its properties say.
func (s *tableScan) next() (bool, error) {
	for {
		ok, err := s.rows.next()
		if err != nil {
			return false, inFile(err, s.name)
		}
		if ok {
			break
		}
		more, err := s.nextBlock()
		if err != nil {
			return false, inFile(err, s.name)
		}
		if !more {
			return false, s.ended()
		}
	}
	n := len(s.rows.key) - internalTrailer
	if n < 0 {
		return false, inFile(damaged("a key has no sequence number"), s.name)
	}
	s.key, s.value = s.rows.key[:n:n], s.rows.value
	s.packed = binary.LittleEndian.Uint64(s.rows.key[n:])
	if s.sequenced {
		if s.packed>>8 != 0 {
			return false, inFile(damaged("a row of an ingested file has sequence number %d", s.packed>>8), s.name)
		}
		s.packed |= s.sequence << 8
	}
	if s.count == 0 && bytes.Compare(s.key, userKey(s.meta.smallest)) < 0 {
		return false, inFile(damaged("its first row lies before the smallest key of the MANIFEST"), s.name)
	}
	s.count++
	return true, nil
}

func (s *tableScan) ended() error {
	if s.props.hasEntries && s.count != s.props.entries {
		return inFile(damaged("has %d rows; its properties say %d", s.count, s.props.entries), s.name)
	}
	if s.count > 0 && bytes.Compare(s.key, userKey(s.meta.largest)) > 0 {
		return inFile(damaged("its last row lies behind the largest key of the MANIFEST"), s.name)
	}
	return nil
}
