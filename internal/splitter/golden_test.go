package splitter

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// goldenRows are the rows of the recorded backup as RocksDB's own ldb printed them: partition, key and value in hex.
const goldenRows = "../sst/testdata/backup-raw.tsv.gz"

// golden is a real backup of 8 partitions, see internal/backup/testdata/README.md.
func golden(t testing.TB) Source {
	t.Helper()
	s := localStore(t, "../backup/testdata")
	d, err := backup.ParseDir("onebox1/1795224430664/fixture_14")
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Read(t.Context(), s, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return FromBackup(s, b)
}

// recorded reads goldenRows, without the servers' own rows.
func recorded(t *testing.T) table {
	t.Helper()
	f, err := os.Open(goldenRows)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	m := table{version: 1, partitions: make([][]row, 8)}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	own := 0
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		var p int
		_, err1 := fmt.Sscan(fields[0], &p)
		key, err2 := hex.DecodeString(fields[1])
		value, err3 := hex.DecodeString(fields[2])
		if err1 != nil || err2 != nil || err3 != nil || len(fields) != 3 {
			t.Fatalf("cannot read %.100q", lines.Text())
		}
		if len(key) == 0 {
			own++
			continue
		}
		m.partitions[p] = append(m.partitions[p], row{key, value})
	}
	if lines.Err() != nil || own != 8 {
		t.Fatalf("%d rows of the servers' own, %v", own, lines.Err())
	}
	for _, p := range m.partitions {
		slices.SortFunc(p, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	return m
}

// TestGolden splits a real backup: every row once, in the right partition, as RocksDB's own tools read both sides.
func TestGolden(t *testing.T) {
	needTool(t, "sst_dump")
	rows := recorded(t)
	for i, count := range []int{1, 2, 4, 8, 16, 64} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			root := t.TempDir()
			job := Job{
				Source: golden(t), Target: targetOf(count), Store: localStore(t, root), Now: time.Unix(1795224430, 0),
				DropExpired: i%2 == 1, FileSize: 128 << 10, Compression: []sst.Compression{sst.LZ4, sst.NoCompression, sst.Snappy, sst.ZSTD, sst.LZ4, sst.LZ4}[i],
			}
			r := mustRun(t, job)
			want, counts := expected(rows, job)
			if r.Counts != counts || r.In != 13228 || r.Skipped != 8 || job.DropExpired && r.Expired < 600 {
				t.Fatalf("%+v; expected %+v", r, counts)
			}
			same(t, written(t, root, job.Target), want, r.Placeholders)
		})
	}
}

// TestGoldenIsReadThroughTheStore: every file that counts is read, and only files that the servers listed.
func TestGoldenIsReadThroughTheStore(t *testing.T) {
	src := golden(t)
	if src.InitialPartitions != 8 || len(src.Partitions) != 8 || src.Fingerprint == "" {
		t.Fatalf("%+v", src)
	}
	var read atomic.Int64
	rows, version, err := src.Partitions[3].Open(t.Context(), OpenOptions{Read: func(n int) { read.Add(int64(n)) }})
	if err != nil || version != 1 {
		t.Fatal(version, err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		if pegkey.HashRaw(rows.Key())%8 != 3 {
			t.Fatalf("%q", rows.Key())
		}
		n++
	}
	if rows.Err() != nil || n == 0 || read.Load() == 0 || read.Load() > 2*src.Partitions[3].Bytes {
		t.Fatalf("%d rows, %d bytes read of %d, %v", n, read.Load(), src.Partitions[3].Bytes, rows.Err())
	}
}
