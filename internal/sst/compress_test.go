package sst

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"
)

// TestCompressionThereAndBack: what is written is read, in the same room and bounded by the limit.
func TestCompressionThereAndBack(t *testing.T) {
	var d decompressor
	defer d.close()
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		c, err := newCompressor(kind)
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		rapid.Check(t, func(t *rapid.T) {
			part := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "part")
			raw := bytes.Repeat(part, rapid.IntRange(1, 50).Draw(t, "times"))
			packed, got := c.compress(raw)
			if got != kind && got != NoCompression {
				t.Fatalf("written as %v", got)
			}
			back, err := d.decompress(out, got, packed, writtenVersion, len(raw))
			if err != nil || !bytes.Equal(back, raw) {
				t.Fatalf("%v: %d bytes instead of %d: %v", got, len(back), len(raw), err)
			}
			if got == NoCompression {
				return
			}
			out = back
			if _, err := d.decompress(nil, got, packed, writtenVersion, len(raw)-1); CodeOf(err) != CodeDamaged {
				t.Fatalf("%v beyond the limit: %v", got, err)
			}
			if _, err := d.decompress(out, got, packed[:len(packed)-1], writtenVersion, len(raw)); CodeOf(err) != CodeDamaged {
				t.Fatalf("%v cut short: %v", got, err)
			}
		})
	}
}

// TestDecompressKeepsRoom: a second block of the same size needs no new room.
func TestDecompressKeepsRoom(t *testing.T) {
	raw := bytes.Repeat([]byte("a row of the table "), 200)
	for _, kind := range []Compression{Snappy, LZ4, ZSTD} {
		c, err := newCompressor(kind)
		if err != nil {
			t.Fatal(err)
		}
		packed, _ := c.compress(raw)
		var d decompressor
		defer d.close()
		var out []byte
		if n := testing.AllocsPerRun(20, func() {
			if out, err = d.decompress(out, kind, packed, writtenVersion, 1<<20); err != nil {
				t.Fatal(err)
			}
		}); n > 1 { // the race detector has pools of the ZSTD library forget one now and then
			t.Errorf("%v: %v allocations per block", kind, n)
		}
	}
}

// TestDecompressOldForms: LZ4 of format_version below 2 has the size in eight bytes; LZ4HC and the early ZSTD are the same data.
func TestDecompressOldForms(t *testing.T) {
	raw := bytes.Repeat([]byte("a row of the table "), 200)
	body := make([]byte, lz4.CompressBlockBound(len(raw)))
	n, err := lz4.CompressBlock(raw, body, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	old := append(binary.LittleEndian.AppendUint64(nil, uint64(len(raw))), body[:n]...)
	c, err := newCompressor(ZSTD)
	if err != nil {
		t.Fatal(err)
	}
	zstd, _ := c.compress(raw)
	var d decompressor
	defer d.close()
	for _, test := range []struct {
		kind    Compression
		src     []byte
		version uint32
	}{{LZ4, old, 0}, {lz4HC, old, 1}, {zstdNotFinal, zstd, 1}, {ZSTD, zstd, 0}, {lz4HC, append(binary.AppendUvarint(nil, uint64(len(raw))), body[:n]...), 2}} {
		if got, err := d.decompress(nil, test.kind, test.src, test.version, 1<<20); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%v of version %d: %v", test.kind, test.version, err)
		}
	}
	if _, err := d.decompress(nil, LZ4, old[:7], 1, 1<<20); CodeOf(err) != CodeDamaged {
		t.Error(err)
	}
	for _, kind := range []Compression{Snappy, LZ4, ZSTD} {
		for _, version := range []uint32{1, 2} {
			if _, err := d.decompress(nil, kind, make([]byte, 20), version, 1<<20); CodeOf(err) != CodeDamaged {
				t.Errorf("%v that holds nothing: %v", kind, err)
			}
		}
	}
	for _, kind := range []Compression{2, 3, 6, 9} { // zlib, bzip2, xpress, none at all
		if _, err := d.decompress(nil, kind, old, 2, 1<<20); CodeOf(err) != CodeUnsupported {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// FuzzDecompress: damaged blocks give an error with a code, or no more bytes than were allowed.
func FuzzDecompress(f *testing.F) {
	raw := bytes.Repeat([]byte("a row of the table "), 20)
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		c, err := newCompressor(kind)
		if err != nil {
			f.Fatal(err)
		}
		packed, got := c.compress(raw)
		f.Add(uint8(got), uint8(2), bytes.Clone(packed))
		f.Add(uint8(got), uint8(1), bytes.Clone(packed))
	}
	f.Add(uint8(LZ4), uint8(1), make([]byte, 20)) // says that it holds nothing: the library faulted
	const limit = 1 << 16
	var d decompressor
	f.Cleanup(d.close)
	f.Fuzz(func(t *testing.T, kind, version uint8, src []byte) {
		out, err := d.decompress(nil, Compression(kind), src, uint32(version), limit)
		if err != nil && CodeOf(err) == "" || len(out) > limit && Compression(kind) != NoCompression {
			t.Fatal(len(out), err)
		}
	})
}
