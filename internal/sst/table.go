package sst

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	maxBlock   = 256 << 20 // bytes of one block, taken apart; what says more is taken for damage before room is made
	maxOptions = 4 << 20
)

// table is an open table file. Blocks are read from it by a scan.
type table struct {
	file    File
	name    string
	meta    tableMeta
	footer  footer
	dataEnd uint64 // where the footer begins
	props   properties
	index   []byte
	// sequence of all rows, where it is not in them: an ingested file's.
	sequence  uint64
	sequenced bool
	unpack    *decompressor // the caller's
}

// openTable reads footer, properties and index, and refuses what this package does not understand of a table.
func openTable(fs FS, m tableMeta, unpack *decompressor) (*table, error) {
	name := tableName(m.number)
	f, err := openNamed(fs, name)
	if err != nil {
		return nil, err
	}
	t := &table{file: f, name: name, meta: m, unpack: unpack}
	if err := t.load(); err != nil {
		return nil, inFile(errors.Join(err, t.close()), name)
	}
	return t, nil
}

func (t *table) close() error { return t.file.Close() }

func (t *table) load() error {
	size := t.file.Size()
	if uint64(size) != t.meta.size {
		return damaged("has %d bytes; the MANIFEST says %d", size, t.meta.size)
	}
	tail := make([]byte, min(size, footerSize))
	if err := readFull(t.file, tail, size-int64(len(tail))); err != nil {
		return err
	}
	var err error
	if t.footer, err = decodeFooter(tail); err != nil {
		return err
	}
	t.dataEnd = uint64(size) - uint64(t.footer.size)
	metaIndex, err := t.block(t.footer.metaIndex)
	if err != nil {
		return err
	}
	at, err := readMetaIndex(metaIndex)
	if err != nil {
		return err
	}
	if err := t.loadProperties(at); err != nil {
		return err
	}
	t.index, err = t.block(t.footer.index)
	return err
}

// readMetaIndex finds the properties, and refuses blocks that change what rows mean.
func readMetaIndex(block []byte) (blockHandle, error) {
	var at blockHandle
	var e entries
	if err := e.reset(block); err != nil {
		return at, err
	}
	found := false
	for {
		ok, err := e.next()
		if err != nil {
			return at, err
		}
		if !ok {
			break
		}
		switch string(e.key) {
		case metaProperties:
			h, n := decodeBlockHandle(e.value)
			if n == 0 {
				return at, damaged("the handle of the properties cannot be read")
			}
			at, found = h, true
		case metaCompressed:
			return at, unsupported("is compressed with a dictionary")
		case metaRangeDel:
			return at, unsupported("has range deletions")
		}
	}
	if !found {
		return at, unsupported("has no properties, so nothing tells how it was written")
	}
	return at, nil
}

func (t *table) loadProperties(at blockHandle) error {
	raw, err := t.raw(at)
	if err != nil {
		return err
	}
	if Compression(raw[at.size]) != NoCompression {
		return unsupported("its properties are compressed")
	}
	// An ingested file may have had its sequence number written into the properties afterwards, with the checksum left as
	// it was. So the block is read first and verified then, if need be with the zero that stood there before
	// (ReadTablePropertiesHelper of table/meta_blocks.cc).
	props, sequence, perr := readProperties(raw[:at.size])
	if err := t.footer.checksum.verify(raw); err != nil {
		if perr != nil || sequence == nil {
			return err
		}
		written := binary.LittleEndian.Uint64(sequence)
		clear(sequence)
		if t.footer.checksum.verify(raw) != nil {
			return err
		}
		binary.LittleEndian.PutUint64(sequence, written)
	}
	if perr != nil {
		return perr
	}
	t.props = props
	if err := props.check(); err != nil {
		return err
	}
	t.sequence, t.sequenced, err = props.sequence(t.meta.largestSeq)
	return err
}

// raw reads a block with its trailer.
func (t *table) raw(h blockHandle) ([]byte, error) {
	if !h.within(t.dataEnd) || h.size > maxBlock {
		return nil, damaged("a block of %d bytes at %d does not fit into it", h.size, h.offset)
	}
	b := make([]byte, h.size+blockTrailerSize)
	return b, readFull(t.file, b, int64(h.offset))
}

// block reads, verifies and decompresses one block into memory of its own.
func (t *table) block(h blockHandle) ([]byte, error) {
	raw, err := t.raw(h)
	if err != nil {
		return nil, err
	}
	if err := t.footer.checksum.verify(raw); err != nil {
		return nil, err
	}
	return t.unpack.decompress(nil, Compression(raw[h.size]), raw[:h.size], t.footer.version, maxBlock)
}

// readFull fills b from a file.
func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return damaged("ends within the %d bytes at %d", len(b), at)
	}
	return &Error{Code: CodeIO, What: "cannot be read", Err: err}
}
