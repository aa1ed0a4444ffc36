package sst

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// benchRows are rows as in Pegasus: two bytes of length, hash key, sort key; 12 bytes in front of a value that is text for
// its larger part. They are in order.
func benchRows(n int) (keys, values [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	const words = "pegasus stores user settings as json field name value true false null 0123456789 "
	for i := range n {
		key := binary.BigEndian.AppendUint16(nil, 12)
		key = fmt.Appendf(key, "user%08d", i/4)
		keys = append(keys, fmt.Appendf(key, "field%02d", i%4))
		value := binary.BigEndian.AppendUint64(make([]byte, 4), r.Uint64())
		for len(value) < 104 {
			at := r.IntN(len(words) - 12)
			value = append(value, words[at:at+1+r.IntN(11)]...)
		}
		values = append(values, value[:104])
	}
	return keys, values
}

// cpuTime is the CPU time that this process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWriter writes tables of 64 MiB of raw rows; one iteration is one row. The figure to look at is rows/cpu-s: rows
// per second of CPU time of this process.
func BenchmarkWriter(b *testing.B) {
	const rowsOfTable = 500_000
	keys, values := benchRows(rowsOfTable)
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		for _, size := range []int{4096, 16384} {
			b.Run(fmt.Sprintf("%v/%d", kind, size), func(b *testing.B) {
				w := NewWriter(io.Discard, WriterOptions{Compression: kind, BlockSize: size})
				b.ReportAllocs()
				b.SetBytes(int64(len(keys[0]) + len(values[0])))
				var rows, bytes int64
				end := func() {
					info, err := w.Finish()
					if err != nil {
						b.Fatal(err)
					}
					rows, bytes = rows+info.Entries, bytes+info.Size
					w.Reset(io.Discard)
				}
				before := cpuTime(b)
				for i := 0; b.Loop(); i++ {
					if i > 0 && i%rowsOfTable == 0 {
						end()
					}
					if err := w.Add(keys[i%rowsOfTable], values[i%rowsOfTable]); err != nil {
						b.Fatal(err)
					}
				}
				end()
				b.ReportMetric(float64(rows)/(cpuTime(b)-before).Seconds(), "rows/cpu-s")
				b.ReportMetric(float64(bytes)/float64(rows), "filebytes/row")
			})
		}
	}
}
