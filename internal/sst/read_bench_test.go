package sst

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// benchFolder writes n rows of the benchmark of the writer as a checkpoint, in tables of level 2, every tenth row again in a
// table of level 1 and every hundredth in one of level 0.
func benchFolder(b *testing.B, n int, kind Compression) string {
	b.Helper()
	dir := b.TempDir()
	keys, values := benchRows(n)
	records := [][]byte{madeEdit(tagComparator, bytewiseComparator, tagLogNumber, 5, tagLastSequence, 1000)}
	number := 10
	write := func(level, sequence, from, to, step int) {
		var file bytes.Buffer
		w := NewWriter(&file, WriterOptions{Compression: kind})
		for i := from; i < to; i += step {
			if err := w.Add(keys[i], values[i]); err != nil {
				b.Fatal(err)
			}
		}
		info, err := w.Finish()
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, tableName(uint64(number))), file.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
		records = append(records, newFileEdit(number, madeTable{level: level, sequence: uint64(sequence), versions: []madeVersion{
			put(string(info.Smallest), 0, ""), put(string(info.Largest), 0, ""),
		}}, int(info.Size)))
		number++
	}
	const table = 500_000
	for from := 0; from < n; from += table {
		write(2, 1, from, min(from+table, n), 1)
	}
	write(1, 2, 0, n, 10)
	write(0, 3, 0, n, 100)
	for name, content := range map[string][]byte{"CURRENT": []byte("MANIFEST-000001\n"), "MANIFEST-000001": madeLog(records...)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkRows reads a checkpoint with three levels; one iteration reads all of it. rows/cpu-s counts all processor time of
// the process, that of reading ahead included.
func BenchmarkRows(b *testing.B) {
	const n = 2_000_000
	for _, kind := range []Compression{NoCompression, Snappy, LZ4, ZSTD} {
		b.Run(fmt.Sprint(kind), func(b *testing.B) {
			c, err := OpenCheckpoint(DirFS(benchFolder(b, n, kind)), ReadOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				rows, err := c.Rows()
				if err != nil {
					b.Fatal(err)
				}
				count := 0
				for rows.Next() {
					count++
				}
				if rows.Err() != nil || count != n {
					b.Fatal(count, rows.Err())
				}
				if err := rows.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/(cpuTime(b)-before).Seconds(), "rows/cpu-s")
		})
	}
}
