package splitter

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// row is a row as RocksDB has it.
type row struct{ key, value []byte }

// table is a made source: the rows of each partition, sorted, in one data version.
type table struct {
	version    int
	partitions [][]row
	// gate, when not nil, is asked before every row.
	gate func(ctx context.Context) error
}

// source gives the table to a job.
func (m table) source() Source {
	src := Source{Name: "made", Fingerprint: m.fingerprint()}
	for i, rows := range m.partitions {
		src.Partitions = append(src.Partitions, Partition{Index: i, Bytes: int64(len(rows)), Open: func(ctx context.Context, _ OpenOptions) (Rows, int, error) {
			r := &madeRows{rows: rows}
			if m.gate != nil {
				r.gate = func() error { return m.gate(ctx) }
			}
			return r, m.version, nil
		}})
	}
	return src
}

func (m table) fingerprint() string {
	var d pegkey.Digest
	for _, p := range m.partitions {
		for _, r := range p {
			d.Add(r.key, r.value, 0)
		}
	}
	return fmt.Sprint(d, m.version)
}

// madeRows implements Rows with buffers that are overwritten, as those of a file reader are.
type madeRows struct {
	rows       []row
	gate       func() error
	next       int
	key, value []byte
	err        error
}

func (r *madeRows) Next() bool {
	if r.gate != nil && r.err == nil {
		r.err = r.gate()
	}
	if r.err != nil || r.next == len(r.rows) {
		return false
	}
	for i := range r.key {
		r.key[i] = 0xEE
	}
	r.key = append(r.key[:0], r.rows[r.next].key...)
	r.value = append(r.value[:0], r.rows[r.next].value...)
	r.next++
	return true
}
func (r *madeRows) Key() []byte    { return r.key }
func (r *madeRows) Value() []byte  { return r.value }
func (r *madeRows) Err() error     { return r.err }
func (r *madeRows) Skipped() int64 { return 1 }
func (r *madeRows) Close() error   { return nil }

// makeTable draws a table: binary keys of any length, empty hash and sort keys, values of any length, some expired.
func makeTable(rng *rand.Rand, partitions, rows, version int) table {
	m := table{version: version, partitions: make([][]row, partitions)}
	seen := map[string]bool{}
	text := func(most int) []byte {
		b := make([]byte, rng.IntN(most+1))
		for i := range b {
			b[i] = byte(rng.IntN(256))
		}
		return b
	}
	for range rows {
		hashKey, sortKey := text(12), text(12)
		if rng.IntN(4) == 0 {
			hashKey = nil
		}
		key := pegkey.Encode(nil, hashKey, sortKey)
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		v := pegkey.Value{Timetag: rng.Uint64(), Data: text(60)}
		switch rng.IntN(4) {
		case 0:
			v.Expire = 1 + rng.Uint32N(1000) // long gone
		case 1:
			v.Expire = 1<<32 - 1 // in 2152
		}
		value, err := pegkey.EncodeValue(nil, version, v)
		if err != nil {
			panic(err)
		}
		p := int(pegkey.HashRaw(key) % uint64(partitions))
		m.partitions[p] = append(m.partitions[p], row{key, value})
	}
	for _, p := range m.partitions {
		slices.SortFunc(p, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	return m
}

// targetOf is where tests write to.
func targetOf(partitions int) backup.BulkLoad {
	return backup.BulkLoad{Root: "staging", Cluster: "west", Table: "orders", AppID: 7, PartitionCount: int32(partitions)}
}

func localStore(t testing.TB, dir string) blobstore.Store {
	t.Helper()
	s, err := blobstore.OpenLocal(context.Background(), dir, blobstore.Deadlines{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// mustRun runs a job that has to end well, and checks what holds for every one.
func mustRun(t testing.TB, job Job) Result {
	t.Helper()
	r, err := Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if !r.adds() {
		t.Fatalf("the counts do not add up: %+v", r)
	}
	if err := job.Target.Ready(t.Context(), job.Store); err != nil {
		t.Fatal(err)
	}
	return r
}

// needTool says where a tool of RocksDB is. `make test` installs it; where it is missing nothing was compared.
func needTool(t testing.TB, name string) string {
	t.Helper()
	tool, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s of Debian's package rocksdb-tools is not installed; scripts/rocksdb-tools.sh installs it", name)
	}
	return tool
}

// written is what lies at a target, as RocksDB's own tool reads it: the rows of each partition in the order of its files,
// which are checked. Placeholders are among them.
func written(t testing.TB, root string, target backup.BulkLoad) [][]row {
	t.Helper()
	tool := needTool(t, "sst_dump")
	s := localStore(t, root)
	all := make([][]row, target.PartitionCount)
	for i := range all {
		files, done, err := target.Partition(t.Context(), s, i)
		if err != nil || !done {
			t.Fatalf("partition %d: %v, %v", i, done, err)
		}
		entries, err := os.ReadDir(filepath.Join(root, target.PartitionDir(i)))
		if err != nil || len(entries) != 2*len(files)+2 {
			t.Fatalf("partition %d: %d files are listed, the folder has %d entries with sidecars, %v", i, len(files), len(entries), err)
		}
		dir := filepath.Join(root, target.PartitionDir(i))
		out, err := exec.Command(tool, "--file="+dir, "--command=check", "--verify_checksum").CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("orruption")) {
			t.Fatalf("%s: %v\n%s", dir, err, out)
		}
		dumped := dump(t, tool, dir)
		for n, f := range files {
			if f.Name != strconv.Itoa(n+1)+".sst" || len(dumped[f.Name]) == 0 {
				t.Fatalf("file %d is %s with %d rows", n, f.Name, len(dumped[f.Name]))
			}
			all[i] = append(all[i], dumped[f.Name]...)
		}
	}
	return all
}

// dump reads the rows of all table files in a folder: after "Process FILE" lines like 'KEY' seq:0, type:1 => VALUE.
func dump(t testing.TB, tool, dir string) map[string][]row {
	t.Helper()
	out, err := exec.Command(tool, "--file="+dir, "--command=scan", "--output_hex").Output()
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	files, file := map[string][]row{}, ""
	for line := range strings.Lines(string(out)) {
		if path, ok := strings.CutPrefix(line, "Process "); ok {
			file = filepath.Base(strings.TrimSpace(path))
		}
		rest, isRow := strings.CutPrefix(line, "'")
		if !isRow {
			continue
		}
		key, rest, ok1 := strings.Cut(rest, "' seq:0, type:1 =>")
		k, err1 := hex.DecodeString(key)
		v, err2 := hex.DecodeString(strings.TrimSpace(rest))
		if !ok1 || err1 != nil || err2 != nil {
			t.Fatalf("%s/%s: cannot read %q", dir, file, line)
		}
		files[file] = append(files[file], row{k, v})
	}
	return files
}
