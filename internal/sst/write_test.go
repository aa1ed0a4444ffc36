package sst

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written is a table of the rows, in order.
func written(t testing.TB, o WriterOptions, keys, values [][]byte) ([]byte, FileInfo) {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter(&file, o)
	for i := range keys {
		if err := w.Add(keys[i], values[i]); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	info, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != int64(file.Len()) {
		t.Fatalf("Finish says %d bytes, %d were written", info.Size, file.Len())
	}
	return file.Bytes(), info
}

// entry is one entry of a block, with its whole key.
type entry struct{ key, value string }

// entriesOf reads a block as the format describes it, without the reader of this package: a mistake that both halves shared
// would not be seen otherwise.
func entriesOf(t testing.TB, file []byte, h blockHandle, limit int) []entry {
	t.Helper()
	if !h.within(uint64(len(file))) {
		t.Fatalf("handle %+v is beyond the %d bytes of the file", h, len(file))
	}
	raw := file[h.offset:][:h.size+blockTrailerSize]
	if err := checksumCRC32c.verify(raw); err != nil {
		t.Fatal(err)
	}
	var d decompressor
	defer d.close()
	b, err := d.decompress(nil, Compression(raw[h.size]), raw[:h.size], writtenVersion, limit)
	if err != nil {
		t.Fatal(err)
	}
	restarts := int(binary.LittleEndian.Uint32(b[len(b)-4:]))
	var all []entry
	last := ""
	for b = b[:len(b)-4-4*restarts]; len(b) > 0; {
		var n [3]uint64
		for i := range n {
			v, took := binary.Uvarint(b)
			n[i], b = v, b[took:]
		}
		last = last[:n[0]] + string(b[:n[1]])
		all = append(all, entry{last, string(b[n[1]:][:n[2]])})
		b = b[n[1]+n[2]:]
	}
	return all
}

// propsOf reads footer, metaindex and properties.
func propsOf(t testing.TB, file []byte) (footer, map[string]blockHandle, map[string]string) {
	t.Helper()
	f, err := decodeFooter(file)
	if err != nil {
		t.Fatal(err)
	}
	metas, props := map[string]blockHandle{}, map[string]string{}
	for _, e := range entriesOf(t, file, f.metaIndex, 1<<20) {
		metas[e.key], _ = decodeBlockHandle([]byte(e.value))
	}
	for _, e := range entriesOf(t, file, metas[metaProperties], 1<<20) {
		props[e.key] = e.value
	}
	return f, metas, props
}

// TestWriterRowsAreThere walks index and data blocks of every compression.
func TestWriterRowsAreThere(t *testing.T) {
	keys, values := benchRows(5000)
	keys[0], values[0] = []byte{}, []byte("the server's own row")
	values[17] = nil
	values[18] = bytes.Repeat([]byte("long "), 30_000)
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		t.Run(kind.String(), func(t *testing.T) {
			file, info := written(t, WriterOptions{Compression: kind}, keys, values)
			f, metas, props := propsOf(t, file)
			if f.version != 2 || f.checksum != checksumCRC32c {
				t.Errorf("footer %+v", f)
			}
			var got []entry
			blocks, before := 0, ""
			for _, e := range entriesOf(t, file, f.index, 1<<20) {
				h, _ := decodeBlockHandle([]byte(e.value))
				rows := entriesOf(t, file, h, 1<<20)
				separator := e.key[:len(e.key)-internalTrailer]
				if first := rows[0].key; blocks > 0 && before >= first[:len(first)-internalTrailer] {
					t.Errorf("separator %q is not below %q", before, first)
				}
				if last := rows[len(rows)-1].key; separator < last[:len(last)-internalTrailer] {
					t.Errorf("separator %q is below %q", separator, last)
				}
				got, before = append(got, rows...), separator
				blocks++
			}
			want := make([]entry, len(keys))
			for i := range keys {
				want[i] = entry{string(keys[i]) + valueTrailer, string(values[i])}
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); d != "" {
				t.Fatal(d)
			}
			if props[propNumEntries] != uvarint(5000) || props[propNumDataBlocks] != uvarint(uint64(blocks)) {
				t.Errorf("properties say %q rows, %q blocks", props[propNumEntries], props[propNumDataBlocks])
			}
			if len(metas) != 2 || metas[metaFullFilter+filterPolicy].size == 0 {
				t.Errorf("metaindex %v", metas)
			}
			if info.Entries != 5000 || len(info.Smallest) != 0 || !bytes.Equal(info.Largest, keys[4999]) {
				t.Errorf("info %+v", info)
			}
		})
	}
}

// TestWriterRefuses: a row that cannot be leaves the table as it was.
func TestWriterRefuses(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file, WriterOptions{})
	if _, err := w.Finish(); CodeOf(err) != CodeInvalid {
		t.Errorf("a table without rows: %v", err)
	}
	add := func(key string, want Code) {
		t.Helper()
		if err := w.Add([]byte(key), []byte("v")); CodeOf(err) != want {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := w.Add([]byte("a"), make([]byte, maxRow)); CodeOf(err) != CodeInvalid {
		t.Errorf("a row that is too large: %v", err)
	}
	add("b", "")
	add("b", CodeInvalid)
	add("a", CodeInvalid)
	add("", CodeInvalid)
	add("bb", "")
	add("b\xff", "")
	add("b\x7f", CodeInvalid)
	add("b\xff\x00", "")
	info, err := w.Finish()
	if err != nil || info.Entries != 4 {
		t.Fatal(info, err)
	}
	add("c", CodeInvalid)
	if _, err := w.Finish(); CodeOf(err) != CodeInvalid {
		t.Errorf("finished twice: %v", err)
	}
	if err := NewWriter(&file, WriterOptions{Compression: 3}).Add(nil, nil); CodeOf(err) != CodeUnsupported {
		t.Errorf("bzip2: %v", err)
	}
}

// fullDisk refuses to take more than so many bytes.
type fullDisk struct{ left int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// TestWriterTellsOfTheStream: a stream that fails, or takes less than it was given, is seen at once and at the end.
func TestWriterTellsOfTheStream(t *testing.T) {
	keys, values := benchRows(20_000)
	for _, out := range []io.Writer{&fullDisk{300 << 10}, &fullDisk{0}, short{}} {
		w := NewWriter(out, WriterOptions{})
		var failed error
		for i := range keys {
			if failed = w.Add(keys[i], values[i]); failed != nil {
				break
			}
		}
		if CodeOf(failed) != CodeIO || !errors.Is(failed, errFull) && !errors.Is(failed, io.ErrShortWrite) {
			t.Errorf("%T: %v", out, failed)
		}
		if _, err := w.Finish(); !errors.Is(err, failed) {
			t.Errorf("%T: Finish after %v: %v", out, failed, err)
		}
	}
}

type short struct{}

func (short) Write(b []byte) (int, error) { return len(b) - 1, nil }

// TestWriterAgain: a writer that is used again, also in the middle of a table, writes the same bytes as a new one.
func TestWriterAgain(t *testing.T) {
	keys, values := benchRows(3000)
	for _, kind := range []Compression{NoCompression, LZ4, ZSTD} {
		want, _ := written(t, WriterOptions{Compression: kind}, keys, values)
		var file bytes.Buffer
		w := NewWriter(io.Discard, WriterOptions{Compression: kind})
		for round := range 3 {
			for i := range keys[:1000*(round+1)] {
				if err := w.Add(keys[i], values[i]); err != nil {
					t.Fatal(err)
				}
			}
			if round == 2 {
				break
			}
			if round == 1 {
				if _, err := w.Finish(); err != nil {
					t.Fatal(err)
				}
			}
			file.Reset()
			w.Reset(&file)
		}
		if _, err := w.Finish(); err != nil || !bytes.Equal(want, file.Bytes()) {
			t.Errorf("%v: %v, %d bytes instead of %d", kind, err, file.Len(), len(want))
		}
	}
}

// TestWriterSize: what is cut by Size comes out near it, and Size never shrinks by more than the open block.
func TestWriterSize(t *testing.T) {
	keys, values := benchRows(20_000)
	for _, kind := range []Compression{NoCompression, LZ4} {
		w := NewWriter(io.Discard, WriterOptions{Compression: kind})
		last := int64(0)
		for i := range keys {
			if err := w.Add(keys[i], values[i]); err != nil {
				t.Fatal(err)
			}
			if now := w.Size(); now < last-DefaultBlockSize {
				t.Fatalf("%v: from %d to %d", kind, last, now)
			} else {
				last = now
			}
		}
		info, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if over := float64(info.Size)/float64(last) - 1; over < 0 || over > 0.05 {
			t.Errorf("%v: Size said %d, the file has %d", kind, last, info.Size)
		}
	}
}

// TestWriterFallsBack: blocks that do not become an eighth smaller stay as they are.
func TestWriterFallsBack(t *testing.T) {
	random := make([]byte, 3000)
	for i := range random {
		random[i] = byte(i*i*31+i*7) ^ byte(i>>3*101)
	}
	noise := bytes.NewReader(xorshift(40 * 3000))
	for _, kind := range []Compression{Snappy, LZ4, ZSTD} {
		c, err := newCompressor(kind)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := noise.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			if _, err := io.ReadFull(noise, random); err != nil {
				t.Fatal(err)
			}
			// From block to block a larger part is compressible; the eighth lies somewhere between.
			clear(random[:i*75])
			out, got := c.compress(random)
			if small := len(out) < len(random)-len(random)/8; small != (got == kind) || !small && got != NoCompression {
				t.Errorf("%v, round %d: %d bytes became %d, written as %v", kind, i, len(random), len(out), got)
			}
			if i == 0 && got != NoCompression || i == 39 && got != kind {
				t.Errorf("%v, round %d: written as %v", kind, i, got)
			}
		}
	}
}

// xorshift is noise that no compression makes smaller.
func xorshift(n int) []byte {
	b, x := make([]byte, n), uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 24)
	}
	return b
}

// TestWriterTakesNoRoomPerRow: the rate that a migration needs leaves no room for garbage.
func TestWriterTakesNoRoomPerRow(t *testing.T) {
	const perTable = 200 // properties, filter, what goes out of a pool
	keys, values := benchRows(10_000)
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		w := NewWriter(io.Discard, WriterOptions{Compression: kind})
		table := func() {
			for i := range keys {
				if err := w.Add(keys[i], values[i]); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Finish(); err != nil {
				t.Fatal(err)
			}
			w.Reset(io.Discard)
		}
		table()
		if n := testing.AllocsPerRun(2, table); n > perTable {
			t.Errorf("%v: %v allocations for %d rows", kind, n, len(keys))
		}
	}
}

// TestShortestSeparator with the cases that the comparator's comment names, and what bytes at their limits do.
func TestShortestSeparator(t *testing.T) {
	for _, test := range []struct{ key, limit, want string }{
		{"the quick brown fox", "the who", "the r"},
		{"abc", "abd", "abc"},
		{"abcz", "abd", "abc{"},
		{"abc\xff\xffz", "abd", "abc\xff\xff{"},
		{"abc\xff", "abd", "abc\xff"},
		{"abc", "abcd", "abc"},
		{"a", "c", "b"},
		{"a", "b", "a"},
		{"ab", "b\x00", "b"},
		{"", "a", ""},
		{"\xfe", "\xff\x00", "\xff"},
	} {
		got := shortestSeparator([]byte(test.key), []byte(test.limit))
		if string(got) != test.want || string(got) < test.key || string(got) >= test.limit {
			t.Errorf("%q, %q: %q instead of %q", test.key, test.limit, got, test.want)
		}
	}
}

// TestCommonPrefix at every place of a word.
func TestCommonPrefix(t *testing.T) {
	for n := range 40 {
		for at := range n + 1 {
			a, b := bytes.Repeat([]byte{7}, n), bytes.Repeat([]byte{7}, n+3)
			if at < n {
				b[at] = 0x80
			}
			if got := commonPrefix(a, b); got != at {
				t.Errorf("%d of %d: %d", at, n, got)
			}
		}
	}
}

// TestNamesOfCompressions goes there and back.
func TestNamesOfCompressions(t *testing.T) {
	for name, want := range map[string]Compression{"none": NoCompression, "Snappy": Snappy, "lz4": LZ4, "ZSTD": ZSTD} {
		if got, err := ParseCompression(name); err != nil || got != want {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if _, err := ParseCompression("zlib"); CodeOf(err) != CodeUnsupported {
		t.Error(err)
	}
	if got := fmt.Sprint(NoCompression, Snappy, LZ4, ZSTD, Compression(9)); got != "NoCompression Snappy LZ4 ZSTD compression 9" {
		t.Error(got)
	}
}
