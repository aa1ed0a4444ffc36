package splitter

import (
	"encoding/binary"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// envBench is a folder that keeps the backup of the benchmarks (scripts/bench-split.sh); they are skipped without it.
const envBench = "PEGMIGRATE_BENCH_SPLIT"

const benchPartitions = 8

// benchRows is how many rows the backup has.
func benchRows() int {
	if n, err := strconv.Atoi(os.Getenv("PEGMIGRATE_BENCH_ROWS")); err == nil {
		return n
	}
	return 5_000_000
}

// benchKeys are the rows of a partition in no order: hash keys of 6 to 18 bytes with sort keys of 8 to 12, so keys of 16 to
// 32 bytes, values of 104 of which a half is said twice, as db_bench's are.
func benchKeys(partition int) iter.Seq[row] {
	return func(yield func(row) bool) {
		rng := rand.New(rand.NewPCG(uint64(partition), 7))
		key, value := make([]byte, 0, 32), make([]byte, 12+104)
		var hashKey [18]byte
		for made := 0; made < benchRows()/benchPartitions; {
			binary.LittleEndian.PutUint64(hashKey[:], rng.Uint64())
			binary.LittleEndian.PutUint64(hashKey[8:], rng.Uint64())
			h := hashKey[:6+rng.IntN(13)]
			if pegkey.Hash(h, nil)%benchPartitions != uint64(partition) {
				continue
			}
			for n := 1 + rng.IntN(4); n > 0; n-- { // sort keys
				binary.BigEndian.PutUint64(value[4:], rng.Uint64())
				for i := 12; i < 64; i += 4 {
					binary.LittleEndian.PutUint32(value[i:], rng.Uint32())
				}
				copy(value[64:], value[12:64])
				key = pegkey.Encode(key[:0], h, nil)
				key = append(key, "sort0000"...)
				key = strconv.AppendUint(key, rng.Uint64N(10_000), 10)
				if made++; !yield(row{key, value}) {
					return
				}
			}
		}
	}
}

// benchSource is the backup; the first benchmark of a folder makes it.
func benchSource(b *testing.B) Source {
	b.Helper()
	dir := os.Getenv(envBench)
	if dir == "" {
		b.Skip("make bench-split runs this")
	}
	if _, err := os.Stat(dir + "/" + madeBackup); err == nil {
		return openMade(b, dir)
	}
	var partitions [][]iter.Seq[row]
	for p := range benchPartitions {
		partitions = append(partitions, []iter.Seq[row]{benchKeys(p)})
	}
	return makeBackup(b, dir, 1, partitions)
}

// spent measures a piece of work: rows and bytes per second of processor time, and the most memory that the process had.
func spent(b *testing.B, work func() (rows, bytes int64)) {
	b.Helper()
	runtime.GC()
	b.ResetTimer()
	var rows, bytes int64
	before, start := cpu(b), time.Now()
	for range b.N {
		r, n := work()
		rows, bytes = rows+r, bytes+n
	}
	used, took := (cpu(b) - before).Seconds(), time.Since(start).Seconds()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(rows)/used, "rows/cpu-s")
	b.ReportMetric(float64(bytes)/used/1e6, "MB/cpu-s")
	b.ReportMetric(float64(rows)/took, "rows/s")
	b.ReportMetric(float64(u.Maxrss)/1024, "MiB-max")
	b.ReportMetric(0, "ns/op")
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMake only makes the backup.
func BenchmarkMake(b *testing.B) { benchSource(b) }

// BenchmarkRead reads every row; MB are those of keys and values.
func BenchmarkRead(b *testing.B) {
	src := benchSource(b)
	spent(b, func() (n, bytes int64) {
		for _, p := range src.Partitions {
			rows, _, err := p.Open(b.Context(), OpenOptions{})
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
				n++
				bytes += int64(len(rows.Key()) + len(rows.Value()))
			}
			if err := rows.Err(); err != nil {
				b.Fatal(err)
			}
			_ = rows.Close()
		}
		return n, bytes
	})
}

// BenchmarkWrite writes rows that are in memory into files of 64 MiB that nobody keeps.
func BenchmarkWrite(b *testing.B) {
	src := benchSource(b)
	const most = 500_000
	var all []row
	rows, _, err := src.Partitions[0].Open(b.Context(), OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for len(all) < most && rows.Next() {
		all = append(all, row{append([]byte{}, rows.Key()...), append([]byte{}, rows.Value()...)})
	}
	_ = rows.Close()
	spent(b, func() (n, bytes int64) {
		w := sst.NewWriter(io.Discard, sst.WriterOptions{Compression: sst.LZ4})
		for range max(1, benchRows()/len(all)) {
			for _, r := range all {
				if err := w.Add(r.key, r.value); err != nil {
					b.Fatal(err)
				}
				bytes += int64(len(r.key) + len(r.value))
			}
			if _, err := w.Finish(); err != nil {
				b.Fatal(err)
			}
			n += int64(len(all))
			w.Reset(io.Discard)
		}
		return n, bytes
	})
}

// BenchmarkSplit splits 8 partitions into 32, onto the disk.
func BenchmarkSplit(b *testing.B) {
	src := benchSource(b)
	out := b.TempDir()
	average := rowSize(b, src)
	spent(b, func() (int64, int64) {
		r, err := Run(b.Context(), Job{Source: src, Target: targetOf(32), Store: localStore(b, out), Compression: sst.LZ4, Restart: true})
		if err != nil {
			b.Fatal(err)
		}
		return r.Out, int64(float64(r.Out) * average)
	})
}

// rowSize is how large key and value of a row are on average.
func rowSize(b *testing.B, src Source) float64 {
	b.Helper()
	rows, _, err := src.Partitions[0].Open(b.Context(), OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var n, bytes int
	for rows.Next() {
		n, bytes = n+1, bytes+len(rows.Key())+len(rows.Value())
	}
	return float64(bytes) / float64(max(n, 1))
}
