package sst

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// readBack reads a table with this package's reader, as a MANIFEST would name it after an ingestion with a sequence number.
func readBack(t *rapid.T, file []byte, info FileInfo, sequence uint64) []row {
	end := func(key []byte) []byte { return append(bytes.Clone(key), valueTrailer...) }
	var unpack decompressor
	defer unpack.close()
	table, err := openTable(memFS{tableName(7): file}, tableMeta{
		number: 7, size: uint64(len(file)), smallest: end(info.Smallest), largest: end(info.Largest), smallestSeq: sequence, largestSeq: sequence,
	}, new(decompressor))
	if err != nil {
		t.Fatal(err)
	}
	scan, err := newTableScan(table, rapid.SampledFrom([]int{1, 500, 1 << 20}).Draw(t, "read ahead"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := scan.close(); err != nil {
			t.Error(err)
		}
	}()
	var rows []row
	for {
		ok, err := scan.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return rows
		}
		if want := sequence<<8 | uint64(typeValue); scan.packed != want {
			t.Fatalf("row %d has %#x instead of %#x", len(rows), scan.packed, want)
		}
		rows = append(rows, row{bytes.Clone(scan.key), bytes.Clone(scan.value)})
	}
}

// TestWrittenIsRead: any rows, in any form of a table, come back, with the sequence number that the ingestion gave.
func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := WriterOptions{
			Compression: rapid.SampledFrom([]Compression{NoCompression, Snappy, LZ4, ZSTD}).Draw(t, "compression"),
			BlockSize:   rapid.SampledFrom([]int{0, 1, 100, 1000}).Draw(t, "block"),
			FilterBits:  rapid.IntRange(-1, 12).Draw(t, "bits"),
		}
		piece := rapid.SampledFrom([]string{"", "\x00", "a", "ab", "\xff", "\x7f\xff", "user", "sort key "})
		key := rapid.Map(rapid.SliceOfN(piece, 0, 6), func(parts []string) string {
			var b []byte
			for _, p := range parts {
				b = append(b, p...)
			}
			return string(b)
		})
		keys := rapid.SliceOfNDistinct(key, 1, 200, rapid.ID).Draw(t, "keys")
		slices.Sort(keys)
		value := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 150), rapid.Just(bytes.Repeat([]byte("same again "), 30)))
		var file bytes.Buffer
		w := NewWriter(&file, o)
		var want []row
		for _, k := range keys {
			v := value.Draw(t, "value")
			if err := w.Add([]byte(k), v); err != nil {
				t.Fatal(err)
			}
			want = append(want, row{[]byte(k), v})
		}
		info, err := w.Finish()
		if err != nil {
			t.Fatal(err)
		}
		got := readBack(t, file.Bytes(), info, rapid.Uint64Range(0, maxSequence).Draw(t, "sequence"))
		if !slices.EqualFunc(want, got, func(a, b row) bool { return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value) }) {
			t.Fatalf("%d rows were written, %d others are read", len(want), len(got))
		}
	})
}
