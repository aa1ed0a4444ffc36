package sandbox

import (
	"encoding/binary"
	"io"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// BenchmarkScan measures full scans with 1000 rows of 100-byte values per reply.
func BenchmarkScan(b *testing.B) {
	c := start(b, fast())
	tc := open(b, c, TableSpec{Name: "bench", Partitions: 1})
	if err := c.Fill("bench", LoadSpec{Rows: 200_000, ValueSize: 100, MaxSortKeys: 10}); err != nil {
		b.Fatal(err)
	}
	cl := tc.at(0)
	var frame []byte
	var d idl.Decoder
	resp := &idl.ScanResponse{ContextID: scanDone}
	b.ReportAllocs()
	b.ResetTimer()
	for rows := 0; rows < b.N; rows += len(resp.Kvs) {
		if resp.ContextID == scanDone {
			cl.send(tc.header(0, 0), idl.NameGetScanner, fullScan(1000))
		} else {
			cl.send(tc.header(0, 0), idl.NameScan, &idl.ScanRequest{ContextID: resp.ContextID})
		}
		var prefix [4]byte
		if _, err := io.ReadFull(cl.conn, prefix[:]); err != nil {
			b.Fatal(err)
		}
		n := int(binary.BigEndian.Uint32(prefix[:]))
		frame = append(frame[:0], prefix[:]...)
		frame = append(frame, make([]byte, n-4)...)
		if _, err := io.ReadFull(cl.conn, frame[4:]); err != nil {
			b.Fatal(err)
		}
		head, err := idl.DecodeResponseHead(frame)
		if err != nil {
			b.Fatal(err)
		}
		if err := head.DecodeResult(&d, resp); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
