package sst

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Defaults of [WriterOptions]: those of RocksDB's BlockBasedTableOptions and of Pegasus's filter (pegasus_server_impl.cpp).
const (
	DefaultBlockSize  = 4096
	DefaultFilterBits = 10

	restartInterval = 16
	// A block is closed below its size when it is filled to this many percent and the next row would go beyond
	// (block_size_deviation of flush_block_policy.cc is 10).
	blockFilled = 90
	// maxRow keeps a block, with its row in it, below what the reader of this package takes (and that below RocksDB's 2 GiB,
	// kCompressionSizeLimit). Pegasus refuses rows above max_allowed_write_size, 1 MiB by default.
	maxRow = maxBlock / 2
	// maxBlockSize is the largest size to ask for.
	maxBlockSize = maxBlock / 4
	// outputChunk is how much is handed to the stream at once.
	outputChunk = 256 << 10
	// writtenVersion is the format_version of what is written: the newest that every server reads without a condition.
	writtenVersion = 2
)

// WriterOptions say how a table is written. The zero value is a table without compression.
type WriterOptions struct {
	// Compression of data and index blocks; a block that would not become an eighth smaller stays as it is.
	Compression Compression
	// BlockSize in bytes before compression, 0 for [DefaultBlockSize], at most 64 MiB.
	BlockSize int
	// FilterBits per key of the Bloom filter over whole keys; 0 for [DefaultFilterBits], negative for no filter.
	FilterBits int
}

// FileInfo says what a finished table holds.
type FileInfo struct {
	// Size in bytes of all that was written.
	Size int64
	// Entries is the number of rows.
	Entries int64
	// Smallest and Largest are the first and the last key. They are the receiver's own.
	Smallest, Largest []byte
}

// Writer writes one table file as RocksDB's SstFileWriter does, so that RocksDB 6.6.4 and later ingest it: internal keys
// with sequence number 0 and type value, and the two properties that mark an external file. It is not for concurrent use.
// It holds the index, four bytes per key for the filter, and one block; everything else is passed on to the stream.
type Writer struct {
	out  io.Writer
	o    WriterOptions
	err  error // of the stream or the options: nothing goes on behind it
	pack *compressor

	pending []byte // finished blocks that the stream does not have yet
	offset  uint64 // bytes of finished blocks
	data    blockBuilder
	index   blockBuilder
	filter  filterBuilder
	filled  int // bytes from which a block counts as nearly full

	entries, rawKeys, rawValues, blocks uint64

	first, last []byte
	separator   []byte
	handle      []byte
}

// NewWriter starts a table. Nothing is written before the first block is full. An unknown compression is told by the first
// Add. The stream is not closed at the end.
func NewWriter(w io.Writer, o WriterOptions) *Writer {
	if o.BlockSize <= 0 {
		o.BlockSize = DefaultBlockSize
	}
	o.BlockSize = min(o.BlockSize, maxBlockSize)
	if o.FilterBits == 0 {
		o.FilterBits = DefaultFilterBits
	}
	t := &Writer{o: o, filled: (o.BlockSize*blockFilled + 99) / 100}
	t.data.interval, t.index.interval = restartInterval, 1
	t.Reset(w)
	return t
}

// Reset starts another table with the same options and the room that the last one took, finished or not.
func (w *Writer) Reset(out io.Writer) {
	w.out, w.err = out, nil
	if w.pack == nil {
		w.pack, w.err = newCompressor(w.o.Compression)
	}
	w.pending, w.offset = w.pending[:0], 0
	w.entries, w.rawKeys, w.rawValues, w.blocks = 0, 0, 0, 0
	w.first, w.last = w.first[:0], w.last[:0]
	w.data.reset()
	w.index.reset()
	w.filter.reset(w.o.FilterBits)
}

// Add puts a row behind the others; its key must be bytewise above theirs. Key and value are copied. A row that is refused,
// with CodeInvalid, leaves the table as it was; after CodeIO the table is lost.
func (w *Writer) Add(key, value []byte) error {
	if w.err != nil {
		return w.err
	}
	if len(key)+len(value) > maxRow {
		return &Error{Code: CodeInvalid, What: "a row of more than 128 MiB does not fit into a table"}
	}
	shared := commonPrefix(w.last, key)
	if w.entries > 0 && (shared == len(key) || shared < len(w.last) && w.last[shared] > key[shared]) {
		return &Error{Code: CodeInvalid, What: "the key of a row is not above that of the row before"}
	}
	if w.full(len(key)+internalTrailer, len(value)) {
		if err := w.closeBlock(key); err != nil {
			return err
		}
	}
	w.data.add(shared, key, valueTrailer, value)
	if w.filter.bits > 0 {
		w.filter.add(key)
	}
	if w.entries == 0 {
		w.first = append(w.first, key...)
	}
	w.last = append(w.last[:shared], key[shared:]...)
	w.entries++
	w.rawKeys += uint64(len(key) + internalTrailer)
	w.rawValues += uint64(len(value))
	return nil
}

// Size is the bytes of the table so far, the open block before its compression. The finished file has index, filter and
// properties in addition: with rows of a hundred bytes about a fiftieth more.
func (w *Writer) Size() int64 { return int64(w.offset) + int64(len(w.data.buf)) }

// Finish writes what stands behind the rows and passes everything on to the stream. A table without rows is refused: RocksDB
// ingests none. Afterwards only Reset is of use.
func (w *Writer) Finish() (FileInfo, error) {
	if w.err != nil {
		return FileInfo{}, w.err
	}
	if w.entries == 0 {
		return FileInfo{}, &Error{Code: CodeInvalid, What: "a table without rows cannot be ingested"}
	}
	if err := w.closeBlock(nil); err != nil {
		return FileInfo{}, err
	}
	props := w.properties()
	meta := blockBuilder{interval: 1}
	meta.reset()
	if filter := w.filter.finish(); filter != nil {
		props[propFilterSize] = uvarint(uint64(len(filter)))
		props[propFilterPolicy] = filterPolicy
		meta.add(0, []byte(metaFullFilter+filterPolicy), "", w.write(filter, NoCompression).append(nil))
	}
	indexBlock := w.index.finish()
	props[propIndexSize] = uvarint(uint64(len(indexBlock) + blockTrailerSize))
	f := footer{version: writtenVersion, checksum: checksumCRC32c}
	f.index = w.write(w.pack.compress(indexBlock))
	meta.add(0, []byte(metaProperties), "", w.write(propertiesBlock(props), NoCompression).append(nil))
	f.metaIndex = w.write(meta.finish(), NoCompression)
	w.pending = f.append(w.pending)
	w.offset += footerSize
	if err := w.passOn(); err != nil {
		return FileInfo{}, err
	}
	w.err = &Error{Code: CodeInvalid, What: "the table is finished"}
	return FileInfo{
		Size: int64(w.offset), Entries: int64(w.entries),
		Smallest: append([]byte(nil), w.first...), Largest: append([]byte(nil), w.last...),
	}, nil
}

// full tells, with RocksDB's own estimate, whether the open block is to be closed before a row of these sizes.
func (w *Writer) full(key, value int) bool {
	if len(w.data.buf) == 0 {
		return false
	}
	size := w.data.size()
	if size >= w.o.BlockSize {
		return true
	}
	after := size + key + value + 4 + uvarintLen(key) + uvarintLen(value)
	if w.data.counter >= restartInterval {
		after += 4
	}
	return after > w.o.BlockSize && size > w.filled
}

// closeBlock writes the open block and its index entry, whose key separates it from next, the first key behind it.
func (w *Writer) closeBlock(next []byte) error {
	w.handle = w.write(w.pack.compress(w.data.finish())).append(w.handle[:0])
	w.blocks++
	w.data.reset()
	trailer := valueTrailer
	w.separator = append(w.separator[:0], w.last...)
	if next != nil {
		w.separator = shortestSeparator(w.separator, next)
		if !bytes.Equal(w.separator, w.last) {
			trailer = seekTrailer
		}
	}
	w.index.add(0, w.separator, trailer, w.handle)
	if len(w.pending) >= outputChunk {
		return w.passOn()
	}
	return nil
}

// write puts a block with its trailer behind what is pending and gives its place.
func (w *Writer) write(block []byte, kind Compression) blockHandle {
	h := blockHandle{offset: w.offset, size: uint64(len(block))}
	start := len(w.pending)
	w.pending = append(append(w.pending, block...), byte(kind))
	w.pending = binary.LittleEndian.AppendUint32(w.pending, checksumCRC32c.sum(w.pending[start:]))
	w.offset += uint64(len(block)) + blockTrailerSize
	return h
}

// passOn hands what is pending to the stream.
func (w *Writer) passOn() error {
	n, err := w.out.Write(w.pending)
	if err == nil && n < len(w.pending) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = &Error{Code: CodeIO, What: "a table cannot be written", Err: err}
		return w.err
	}
	w.pending = w.pending[:0]
	return nil
}
