package sst

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression of the blocks of a table. The values are the bytes behind a block (include/rocksdb/compression_type.h).
type Compression uint8

// The compressions that servers of Pegasus are built with and that are written and read here.
const (
	NoCompression Compression = 0
	Snappy        Compression = 1
	LZ4           Compression = 4
	ZSTD          Compression = 7

	lz4HC        Compression = 5    // the same form as LZ4; only read
	zstdNotFinal Compression = 0x40 // ZSTD of old releases, the same form; only read
)

// String is the name as RocksDB writes it into the properties of a table.
func (c Compression) String() string {
	switch c {
	case NoCompression:
		return "NoCompression"
	case Snappy:
		return "Snappy"
	case LZ4:
		return "LZ4"
	case ZSTD:
		return "ZSTD"
	}
	return fmt.Sprintf("compression %d", uint8(c))
}

// ParseCompression knows none, snappy, lz4 and zstd, in any case: the names that the server's own rocksdb_compression_type
// has. An error has CodeUnsupported.
func ParseCompression(name string) (Compression, error) {
	switch strings.ToLower(name) {
	case "none":
		return NoCompression, nil
	case "snappy":
		return Snappy, nil
	case "lz4":
		return LZ4, nil
	case "zstd":
		return ZSTD, nil
	}
	return NoCompression, unsupported("compression %q is not one of none, snappy, lz4, zstd", name)
}

// compressor compresses blocks of one kind. It keeps its tables and its output from block to block; not for concurrent use.
type compressor struct {
	kind Compression
	lz4  lz4.Compressor
	zstd *zstd.Encoder
	out  []byte
}

func newCompressor(kind Compression) (*compressor, error) {
	c := &compressor{kind: kind}
	switch kind {
	case NoCompression, Snappy, LZ4:
		return c, nil
	case ZSTD:
		// RocksDB's level 3; no checksum in the frame, since the block has one.
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, &Error{Code: CodeInvalid, What: "ZSTD cannot be set up", Err: err}
		}
		c.zstd = e
		return c, nil
	default:
		return nil, unsupported("%v is not written", kind)
	}
}

// compress gives the block as it is to be written, and its kind: NoCompression and raw itself when the compressed form is
// not at least an eighth smaller (GoodCompressionRatio of block_based_table_builder.cc). The result is valid until the next
// call. The forms are those of format_version 2: the size of raw as a varint32, then the data; Snappy has its own.
func (c *compressor) compress(raw []byte) ([]byte, Compression) {
	var out []byte
	switch c.kind {
	case Snappy:
		if need := s2.MaxEncodedLen(len(raw)); cap(c.out) < need {
			c.out = make([]byte, 0, need)
		}
		out = s2.EncodeSnappy(c.out[:cap(c.out)], raw)
	case LZ4:
		if need := binary.MaxVarintLen32 + lz4.CompressBlockBound(len(raw)); cap(c.out) < need {
			c.out = make([]byte, 0, need)
		}
		head := binary.AppendUvarint(c.out[:0], uint64(len(raw)))
		n, err := c.lz4.CompressBlock(raw, c.out[len(head):cap(c.out)])
		if err != nil || n == 0 { // not compressible
			return raw, NoCompression
		}
		out = head[:len(head)+n]
	case ZSTD:
		c.out = c.zstd.EncodeAll(raw, binary.AppendUvarint(c.out[:0], uint64(len(raw))))
		out = c.out
	default:
		return raw, NoCompression
	}
	if len(out) < len(raw)-len(raw)/8 {
		return out, c.kind
	}
	return raw, NoCompression
}

// decompressor takes blocks of any kind back. It keeps its state from block to block; not for concurrent use.
type decompressor struct{ zstd *zstd.Decoder }

// close lets go of what ZSTD holds.
func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
		d.zstd = nil
	}
}

// decompress gives the content of a block. The result uses dst's room where it suffices; without compression it is src
// itself. A content of more than limit bytes is refused before room is made for it; so is an empty one, for every block has a
// number of restarts at its end, and the LZ4 library faults on an empty target. version is the file's format_version.
func (d *decompressor) decompress(dst []byte, kind Compression, src []byte, version uint32, limit int) ([]byte, error) {
	switch kind {
	case NoCompression:
		return src, nil
	case Snappy:
		n, err := snappy.DecodedLen(src)
		if err != nil || n > limit || n == 0 {
			return nil, damaged("a Snappy block says that it holds %d bytes; %d are allowed", n, limit)
		}
		out, err := snappy.Decode(room(dst, n), src)
		if err != nil {
			return nil, &Error{Code: CodeDamaged, What: "a Snappy block cannot be taken apart", Err: err}
		}
		return out, nil
	case LZ4, lz4HC:
		n, head := sizeInFront(src, version)
		if head == 0 || n > uint64(limit) || n == 0 {
			return nil, damaged("an LZ4 block says that it holds %d bytes; %d are allowed", n, limit)
		}
		out := room(dst, int(n))
		m, err := lz4.UncompressBlock(src[head:], out)
		if err == nil && uint64(m) != n {
			return nil, damaged("an LZ4 block holds %d bytes and says %d", m, n)
		}
		if err != nil {
			return nil, &Error{Code: CodeDamaged, What: "an LZ4 block cannot be taken apart", Err: err}
		}
		return out, nil
	case ZSTD, zstdNotFinal:
		return d.unzstd(dst, src, limit)
	default:
		return nil, unsupported("a block has compression %d", kind)
	}
}

func (d *decompressor) unzstd(dst, src []byte, limit int) ([]byte, error) {
	n, head := sizeInFront(src, compressFormatSince) // ZSTD came after the old form
	if head == 0 || n > uint64(limit) || n == 0 {
		return nil, damaged("a ZSTD block says that it holds %d bytes; %d are allowed", n, limit)
	}
	if d.zstd == nil {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, &Error{Code: CodeInvalid, What: "ZSTD cannot be set up", Err: err}
		}
		d.zstd = r
	}
	out, err := d.zstd.DecodeAll(src[head:], room(dst, int(n))[:0:n])
	if err != nil {
		return nil, &Error{Code: CodeDamaged, What: "a ZSTD block cannot be taken apart", Err: err}
	}
	if uint64(len(out)) != n {
		return nil, damaged("a ZSTD block holds %d bytes and says %d", len(out), n)
	}
	return out, nil
}

// sizeInFront reads the size of the content, and how many bytes say it; 0 when they cannot be understood.
func sizeInFront(src []byte, version uint32) (uint64, int) {
	if version < compressFormatSince {
		if len(src) < 8 {
			return 0, 0
		}
		return uint64(binary.LittleEndian.Uint32(src)), 8
	}
	n, head := binary.Uvarint(src)
	if head <= 0 || head > binary.MaxVarintLen32 {
		return 0, 0
	}
	return n, head
}

// room gives a slice of n bytes, in dst if it is large enough. Its old content is garbage.
func room(dst []byte, n int) []byte {
	if cap(dst) < n {
		return make([]byte, n, n+n/4)
	}
	return dst[:n]
}
