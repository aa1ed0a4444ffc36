package sandbox

import (
	"fmt"
	"io"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// BenchmarkPipelinedPuts measures single puts of 100-byte values, 1000 in flight on
// one connection. Client and server share the process; the client's share is small
// because it sends prepared frames.
func BenchmarkPipelinedPuts(b *testing.B) {
	c := start(b, fast())
	tc := open(b, c, TableSpec{Name: "bench", Partitions: 1})
	cl := tc.at(0)
	const batch = 1000
	const batches = 64
	value := make([]byte, 100)
	frames := make([][]byte, batches)
	for i := range frames {
		for j := range batch {
			raw := key(fmt.Sprintf("user%08d", (i*batch+j)*7919%1000003), "sort")
			frames[i] = idl.AppendRequest(frames[i], tc.header(0, pegkey.HashRaw(raw)), idl.NamePut, int32(j), &idl.UpdateRequest{Key: raw, Value: value})
		}
	}
	reply := len(idl.AppendResponse(nil, 0, idl.NamePut, idl.ErrOK, &idl.UpdateResponse{Server: c.Primary("bench", 0)}))
	buf := make([]byte, reply*batch)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		if _, err := cl.conn.Write(frames[i/batch%batches]); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(cl.conn, buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}
