package sst

import (
	"bytes"
	"testing"
)

// FuzzWriter: rows cut from any bytes. What the writer takes is in the table, in order; what it refuses is not above the row
// before.
func FuzzWriter(f *testing.F) {
	f.Add(uint8(0), uint16(0), []byte("\x01a\x03one\x01b\x03two\x02ba\x00"))
	f.Add(uint8(4), uint16(64), bytes.Repeat([]byte("\x03key\x20a value of some length, again "), 9))
	f.Add(uint8(7), uint16(1), []byte("\x00\x00\x01\x00\x00\x02\x00\x00\x01v"))
	f.Fuzz(func(t *testing.T, kind uint8, blockSize uint16, data []byte) {
		o := WriterOptions{Compression: []Compression{NoCompression, Snappy, LZ4, ZSTD}[kind%4], BlockSize: int(blockSize), FilterBits: int(kind) % 20}
		var file bytes.Buffer
		w := NewWriter(&file, o)
		cut := func() []byte {
			n := min(int(data[0]), len(data)-1)
			part := data[1 : 1+n]
			data = data[1+n:]
			return part
		}
		var want []entry
		for len(data) > 0 {
			key, value := cut(), []byte(nil)
			if len(data) > 0 {
				value = cut()
			}
			err := w.Add(key, value)
			above := len(want) == 0 || string(key)+valueTrailer != want[len(want)-1].key && string(key) > want[len(want)-1].key[:len(want[len(want)-1].key)-internalTrailer]
			if (err == nil) != above {
				t.Fatalf("%q: %v", key, err)
			}
			if err == nil {
				want = append(want, entry{string(key) + valueTrailer, string(value)})
			}
		}
		info, err := w.Finish()
		if len(want) == 0 {
			if CodeOf(err) != CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if err != nil || info.Size != int64(file.Len()) {
			t.Fatal(info, err)
		}
		footer, _, props := propsOf(t, file.Bytes())
		if props[propNumEntries] != uvarint(uint64(len(want))) {
			t.Fatalf("%q rows in the properties, %d were taken", props[propNumEntries], len(want))
		}
		for _, e := range entriesOf(t, file.Bytes(), footer.index, 1<<24) {
			h, _ := decodeBlockHandle([]byte(e.value))
			for _, row := range entriesOf(t, file.Bytes(), h, 1<<24) {
				if row != want[0] {
					t.Fatalf("%q is in the table instead of %q", row, want[0])
				}
				want = want[1:]
			}
		}
		if len(want) > 0 {
			t.Fatalf("%d rows are missing", len(want))
		}
	})
}
