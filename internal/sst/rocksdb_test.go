package sst

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ldbTable is a database that RocksDB's own ldb writes (Debian's package rocksdb-tools, 7.8.3).
type ldbTable struct {
	t   *testing.T
	dir string
}

// ldb runs a command and gives what it prints.
func (l ldbTable) ldb(input string, args ...string) string {
	l.t.Helper()
	args = append([]string{"--db=" + l.dir}, args...)
	if slices.Contains([]string{"load", "scan", "query", "put", "deleterange", "compact", "write_extern_sst"}, args[1]) {
		args = append(args, "--hex")
	}
	cmd := exec.CommandContext(l.t.Context(), rocksTool(l.t, "ldb"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	// Not every failure shows in the exit status.
	if err != nil || strings.Contains(string(out), "Failed") || strings.Contains(string(out), "Corruption") {
		l.t.Fatalf("ldb %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// newLDBTable makes an empty one, whose OPTIONS file then gets the settings; ldb takes them up with the next command.
func newLDBTable(t *testing.T, settings map[string]string) ldbTable {
	t.Helper()
	l := ldbTable{t: t, dir: filepath.Join(t.TempDir(), "db")}
	l.ldb("", "load", "--create_if_missing")
	files, err := filepath.Glob(filepath.Join(l.dir, "OPTIONS-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no OPTIONS: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		for key, value := range settings {
			at := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), key+"=") })
			if at < 0 {
				t.Fatalf("%s has no %s", file, key)
			}
			lines[at] = "  " + key + "=" + value
		}
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func hexed(b []byte) string { return "0x" + strings.ToUpper(hex.EncodeToString(b)) }

// checkpoint gives a folder as the servers make it for a backup: flushed, its own MANIFEST.
func (l ldbTable) checkpoint() string {
	l.t.Helper()
	to := filepath.Join(l.t.TempDir(), "checkpoint")
	l.ldb("", "checkpoint", "--checkpoint_dir="+to)
	return to
}

// scan is what RocksDB reads.
func (l ldbTable) scan() []row {
	l.t.Helper()
	var out []row
	in := bufio.NewScanner(strings.NewReader(l.ldb("", "scan")))
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		key, value, ok := strings.Cut(in.Text(), " : ")
		if !ok {
			l.t.Fatalf("ldb scan printed %q", in.Text())
		}
		k, kerr := hex.DecodeString(strings.TrimPrefix(key, "0x"))
		v, verr := hex.DecodeString(strings.TrimPrefix(value, "0x"))
		if kerr != nil || verr != nil {
			l.t.Fatalf("ldb scan printed %q", in.Text())
		}
		out = append(out, row{k, v})
	}
	return out
}

// randomKeys come from a small set, so that they are written over and over.
func randomKey(r *rand.Rand) []byte {
	key := fmt.Appendf([]byte{0, byte(r.IntN(3))}, "user%04d", r.IntN(600))
	return key[:len(key)-r.IntN(3)]
}

func randomValue(r *rand.Rand) []byte {
	size := []int{0, r.IntN(20), 104, r.IntN(400), r.IntN(9000)}[r.IntN(5)]
	v := make([]byte, size)
	for i := range v {
		v[i] = byte(r.IntN(1 + size/3)) // not all of it compressible
	}
	return v
}

// rowsText gives n rows in the form that load and write_extern_sst read; in key order and each once if asked.
func rowsText(r *rand.Rand, n int, sorted bool) string {
	var keys [][]byte
	for range n {
		keys = append(keys, randomKey(r))
	}
	if sorted {
		slices.SortFunc(keys, slices.Compare)
		keys = slices.CompactFunc(keys, slices.Equal)
	}
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s ==> %s\n", hexed(k), hexed(randomValue(r)))
	}
	return b.String()
}

// step changes the table in one of the ways that leave files behind.
func (l ldbTable) step(r *rand.Rand) string {
	l.t.Helper()
	switch what := r.IntN(10); {
	case what < 4:
		n := 1 + r.IntN(900)
		l.ldb(rowsText(r, n, false), "load", "--disable_wal")
		return fmt.Sprintf("load %d", n)
	case what < 7:
		var b strings.Builder
		n := 1 + r.IntN(200)
		for range n {
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "put %s %s\n", hexed(randomKey(r)), hexed(randomValue(r)[:0]))
			}
			fmt.Fprintf(&b, "delete %s\n", hexed(randomKey(r)))
		}
		l.ldb(b.String()+"quit\n", "query")
		return fmt.Sprintf("delete %d", n)
	case what < 9:
		file := filepath.Join(l.t.TempDir(), "ingested.sst")
		n := 1 + r.IntN(300)
		l.ldb(rowsText(r, n, true), "write_extern_sst", file)
		written := fmt.Sprintf("--write_global_seqno=%v", r.IntN(2) == 0)
		l.ldb("", "ingest_extern_sst", file, written)
		return fmt.Sprintf("ingest %d %s", n, written)
	default:
		if r.IntN(2) == 0 {
			l.ldb("", "compact")
			return "compact"
		}
		l.ldb("", "compact", "--from="+hexed([]byte{0, 1}), "--to="+hexed([]byte{0, 1, 'u', 's', 'e', 'r', '2'}))
		return "compact a part"
	}
}

// variant draws how tables are written, and how large they are.
func variant(r *rand.Rand) map[string]string {
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	settings := map[string]string{
		"format_version":               pick("2", "3", "4", "5"),
		"checksum":                     pick("kCRC32c", "kxxHash", "kxxHash64", "kXXH3", "kNoChecksum"),
		"index_type":                   pick("kBinarySearch", "kBinarySearch", "kBinarySearchWithFirstKey"),
		"data_block_index_type":        pick("kDataBlockBinarySearch", "kDataBlockBinaryAndHash"),
		"block_restart_interval":       pick("1", "3", "16"),
		"index_block_restart_interval": pick("1", "4", "16"),
		"enable_index_compression":     pick("true", "false"),
		"disable_auto_compactions":     pick("true", "false"),
		"allow_ingest_behind":          pick("false", "false", "true"),
		"compression":                  pick("kNoCompression", "kSnappyCompression", "kLZ4Compression", "kLZ4HCCompression", "kZSTD"),
		"block_size":                   pick("256", "1024", "4096", "70000"),
		"write_buffer_size":            pick("65536", "300000"),
		"arena_block_size":             "8192",
		"target_file_size_base":        pick("20000", "100000"),
		"max_bytes_for_level_base":     pick("60000", "200000"),
	}
	if settings["compression"] == "kNoCompression" {
		settings["block_align"] = pick("true", "false")
	}
	return settings
}

// TestRandomTablesOfRocksDB: whatever RocksDB wrote with overwrites, deletions, levels and ingested files, in any form of
// table, reads here to what RocksDB reads.
func TestRandomTablesOfRocksDB(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			settings := variant(r)
			l := newLDBTable(t, settings)
			var steps []string
			for range 3 + r.IntN(8) {
				steps = append(steps, l.step(r))
			}
			dir := l.checkpoint()
			rows, c, _ := readAll(t, DirFS(dir))
			want := l.scan()
			sameRows(t, rows, want)
			if v := formatVersions(t, dir, c); !v[settings["format_version"]] {
				t.Errorf("tables have the format_versions %v, want %s among them", v, settings["format_version"])
			}
			if t.Failed() || testing.Verbose() {
				t.Logf("%d rows, %d files on the levels %v\n%v\n%v", len(want), len(c.Info().Tables), c.Info().Levels, settings, steps)
			}
		})
	}
}

// formatVersions are those of the tables, so that a setting that ldb passes over is seen.
func formatVersions(t *testing.T, dir string, c *Checkpoint) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, table := range c.Info().Tables {
		b, err := os.ReadFile(filepath.Join(dir, table.Name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFooter(b[max(0, len(b)-footerSize):])
		if err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprint(f.version)] = true
	}
	return out
}

// TestIngestedBehind: a file that was put below everything, as dual writing does, loses to each row above it.
func TestIngestedBehind(t *testing.T) {
	l := newLDBTable(t, map[string]string{"allow_ingest_behind": "true"})
	l.ldb("0x61 ==> 0x01\n0x62 ==> 0x02\n", "load", "--disable_wal")
	l.ldb("delete 0x62\nquit\n", "query")
	file := filepath.Join(t.TempDir(), "behind.sst")
	l.ldb("0x61 ==> 0x11\n0x62 ==> 0x12\n0x63 ==> 0x13\n", "write_extern_sst", file)
	l.ldb("", "ingest_extern_sst", file, "--ingest_behind")
	rows, c, _ := readAll(t, DirFS(l.checkpoint()))
	sameRows(t, rows, []row{{[]byte{0x61}, []byte{1}}, {[]byte{0x63}, []byte{0x13}}})
	sameRows(t, rows, l.scan())
	if last := c.Info().Tables[len(c.Info().Tables)-1]; last.LargestSequence != 0 || last.Level == 0 {
		t.Errorf("the file behind is %+v", last)
	}
}

// TestWhatRocksDBWritesAndIsNotRead: real files of each kind that is refused.
func TestWhatRocksDBWritesAndIsNotRead(t *testing.T) {
	const rows = "0x61 ==> 0x0101010101010101010101\n0x62 ==> 0x02\n0x63 ==> 0x03\n"
	refused := func(dir string, code Code, text string) {
		t.Helper()
		wantCode(t, DirFS(dir), code, text)
	}
	l := newLDBTable(t, nil)
	l.ldb(rows, "load", "--disable_wal")
	l.ldb("", "deleterange", "0x61", "0x62")
	refused(l.checkpoint(), CodeUnsupported, "range deletions")

	l = newLDBTable(t, map[string]string{"index_type": "kTwoLevelIndexSearch"})
	l.ldb(rows, "load", "--disable_wal")
	refused(l.checkpoint(), CodeUnsupported, "partitioned index")

	l = newLDBTable(t, nil)
	l.ldb(rows, "load", "--disable_wal", "--enable_blob_files", "--min_blob_size=2")
	refused(l.checkpoint(), CodeUnsupported, "blob files")

	l = newLDBTable(t, nil)
	l.ldb(rowsText(rand.New(rand.NewPCG(1, 1)), 3000, false), "load", "--disable_wal", "--compression_type=zstd", "--compression_max_dict_bytes=4096")
	l.ldb("", "compact", "--compression_type=zstd", "--compression_max_dict_bytes=4096")
	refused(l.checkpoint(), CodeUnsupported, "dictionary")

	// What was not flushed is only in the write-ahead log; once it is, all is there.
	l = newLDBTable(t, nil)
	l.ldb(rows, "load")
	refused(l.dir, CodeUnflushed, "write-ahead log")
	got, _, _ := readAll(t, DirFS(l.checkpoint()))
	sameRows(t, got, l.scan())
}

// TestOtherColumnFamiliesAreNotRead: the rows come from default only, whatever lies in the folder.
func TestOtherColumnFamiliesAreNotRead(t *testing.T) {
	l := newLDBTable(t, nil)
	l.ldb("0x61 ==> 0x01\n", "load", "--disable_wal")
	l.ldb("", "create_column_family", metaFamily)
	l.ldb("", "create_column_family", "dropped")
	l.ldb("", "put", "--column_family="+metaFamily, hexed([]byte(metaDataVersion)), hexed([]byte("1")))
	l.ldb("", "put", "--column_family=dropped", "0x62", "0x02")
	l.ldb("", "drop_column_family", "dropped")
	rows, c, _ := readAll(t, DirFS(l.checkpoint()))
	sameRows(t, rows, []row{{[]byte{0x61}, []byte{1}}})
	if i := c.Info(); i.DataVersion != 1 || strings.Join(i.Families, " ") != "default "+metaFamily || i.RocksDBVersion == "" {
		t.Errorf("%+v", i)
	}
}
