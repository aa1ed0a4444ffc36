package sst

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The recorded backup of a real cluster, and what its clients and RocksDB's own ldb read from it. internal/backup/testdata
// and testdata here say where they come from.
const goldenBackup = "../backup/testdata/onebox1/1795224430664/fixture_14"

const goldenPartitions = 8

// goldenDir is the folder of a partition's checkpoint.
func goldenDir(t testing.TB, partition int) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(goldenBackup, strconv.Itoa(partition), "chkpt_*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("partition %d has the checkpoints %q: %v", partition, dirs, err)
	}
	return dirs[0]
}

// unzipped gives the lines of a recorded file.
func unzipped(t *testing.T, name string, line func(text []byte)) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(z)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line(in.Bytes())
	}
	if in.Err() != nil {
		t.Fatal(in.Err())
	}
}

type row struct{ key, value []byte }

// readAll gives all rows of a folder.
func readAll(t testing.TB, fs FS) ([]row, *Checkpoint, *Rows) {
	t.Helper()
	c, err := OpenCheckpoint(fs, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for rows.Next() {
		out = append(out, row{bytes.Clone(rows.Key()), bytes.Clone(rows.Value())})
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	return out, c, rows
}

// TestGoldenBackupIsWhatRocksDBReads: every byte of every row of a real server's checkpoint, expired ones included.
func TestGoldenBackupIsWhatRocksDBReads(t *testing.T) {
	want := make([][]row, goldenPartitions)
	empty := make([]int64, goldenPartitions)
	unzipped(t, "backup-raw.tsv.gz", func(line []byte) {
		column := strings.Split(string(line), "\t")
		p, err := strconv.Atoi(column[0])
		if err != nil {
			t.Fatal(err)
		}
		key, kerr := hex.DecodeString(column[1])
		value, verr := hex.DecodeString(column[2])
		if kerr != nil || verr != nil {
			t.Fatal(kerr, verr)
		}
		if len(key) == 0 {
			empty[p]++
			return
		}
		want[p] = append(want[p], row{key, value})
	})
	for p := range goldenPartitions {
		got, c, rows := readAll(t, DirFS(goldenDir(t, p)))
		sameRows(t, got, want[p])
		if rows.Skipped() != empty[p] || empty[p] != 1 {
			t.Errorf("partition %d: %d rows with the empty key, ldb saw %d", p, rows.Skipped(), empty[p])
		}
		info := c.Info()
		if info.DataVersion != 1 || info.LastFlushedDecree != goldenDecree(t, p) || info.RocksDBVersion != "6.6.4" {
			t.Errorf("partition %d: data version %d, decree %d, RocksDB %s", p, info.DataVersion, info.LastFlushedDecree, info.RocksDBVersion)
		}
		if strings.Join(info.Families, " ") != "default pegasus_meta_cf" || len(info.Levels) < 2 {
			t.Errorf("partition %d: families %q, levels %v", p, info.Families, info.Levels)
		}
	}
}

// goldenDecree is what the server says in backup_metadata.
func goldenDecree(t *testing.T, partition int) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir(t, partition), "backup_metadata"))
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Decree int64 `json:"checkpoint_decree"`
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		t.Fatal(err)
	}
	return meta.Decree
}

func sameRows(t *testing.T, got, want []row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i].key, want[i].key) || !bytes.Equal(got[i].value, want[i].value) {
			t.Fatalf("row %d is %x = %.80x, want %x = %.80x", i, got[i].key, got[i].value, want[i].key, want[i].value)
		}
	}
}

// TestGoldenBackupIsWhatClientsSaw: the rows of a full scan of the table right after the backup, less nothing, plus the rows
// that had expired by then. Expiry is seconds since 2016, and each value carries a timetag of its write.
func TestGoldenBackupIsWhatClientsSaw(t *testing.T) {
	type seen struct {
		value  string
		expire uint32
	}
	want := make([]map[string]seen, goldenPartitions)
	for p := range want {
		want[p] = map[string]seen{}
	}
	unzipped(t, "backup-rows.jsonl.gz", func(line []byte) {
		var r struct {
			E    uint32
			K, V string
			P    int
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		want[r.P][r.K] = seen{r.V, r.E}
	})
	const recorded = 1795224430 - 1451606400 // the second in which the backup began
	for p := range goldenPartitions {
		rows, _, _ := readAll(t, DirFS(goldenDir(t, p)))
		expired := 0
		for _, r := range rows {
			expire := binary.BigEndian.Uint32(r.value)
			w, ok := want[p][hex.EncodeToString(r.key)]
			if !ok {
				expired++
				if expire == 0 || expire > recorded+60 {
					t.Errorf("partition %d: %x expires at %d and no client saw it", p, r.key, expire)
				}
				continue
			}
			delete(want[p], hex.EncodeToString(r.key))
			if w.value != hex.EncodeToString(r.value[12:]) || w.expire != expire {
				t.Fatalf("partition %d: %x is %.80x, expiry %d; clients saw %.80s, expiry %d", p, r.key, r.value[12:], expire, w.value, w.expire)
			}
			// The loaded file was written with timetags of its own, counted from 1 s.
			first, last := uint64(1795224000), uint64(1795224500)
			if bytes.HasPrefix(r.key[2:], []byte("bulk_")) && len(w.value) < 100 {
				first = 1
			}
			if second := binary.BigEndian.Uint64(r.value[4:]) >> 8 / 1e6; second < first || second > last {
				t.Fatalf("partition %d: %x has a timetag of second %d", p, r.key, second)
			}
		}
		if len(want[p]) > 0 || expired == 0 {
			t.Errorf("partition %d: %d rows that clients saw are missing, %d expired", p, len(want[p]), expired)
		}
	}
}
