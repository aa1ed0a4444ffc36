package sst

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rocksTool says where a tool of RocksDB is, as Debian's package rocksdb-tools has it (7.8.3). `make test` installs it; where
// it is missing nothing was compared, so that is a failure.
func rocksTool(t testing.TB, name string) string {
	t.Helper()
	tool, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s of Debian's package rocksdb-tools is not installed; scripts/rocksdb-tools.sh, which `make test` runs first, installs it", name)
	}
	return tool
}

// run runs a tool and gives what it prints. The tools' exit status does not tell of every failure; callers look at the text.
func run(t testing.TB, input, tool string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), rocksTool(t, tool), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
	}
	return string(out)
}

// hexRows prints rows in the form that the tools have with --hex.
func hexRows(keys, values [][]byte, form string) string {
	var b strings.Builder
	for i := range keys {
		fmt.Fprintf(&b, form, keys[i], values[i])
	}
	return b.String()
}

// onDisk puts a file into a folder of its own.
func onDisk(t testing.TB, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.sst")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oddRows are rows that are easy to get wrong: an empty key, keys that continue each other, bytes at the limits, rows that
// are longer than a block, empty values, values that no compression makes smaller.
func oddRows() (keys, values [][]byte) {
	noise := xorshift(200_000)
	add := func(key string, value []byte) {
		keys, values = append(keys, []byte(key)), append(values, value)
	}
	add("", []byte("the server's own"))
	add("\x00", nil)
	add("\x00\x00", noise[:9000])
	for i := range 300 {
		add(fmt.Sprintf("\x00\x04user%s", strings.Repeat("k", i+1)), noise[i*100:i*100+i])
	}
	add("\x00\x04user"+strings.Repeat("k", 70_000), bytes.Repeat([]byte("value "), 40_000))
	for i := range 256 {
		add(string([]byte{0x7f, byte(i)}), []byte{byte(i)})
		add(string([]byte{0x7f, byte(i), 0xff, 0xff}), nil)
	}
	add("\xff", noise)
	add("\xff\xff", []byte("\x00"))
	add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", []byte("last"))
	return keys, values
}

// TestRocksDBReadsOurTables: RocksDB checks every block of ours and prints the rows that were put in.
func TestRocksDBReadsOurTables(t *testing.T) {
	t.Parallel()
	many, manyValues := benchRows(3000)
	odd, oddValues := oddRows()
	for _, o := range []WriterOptions{
		{}, {Compression: Snappy}, {Compression: LZ4}, {Compression: ZSTD},
		{Compression: LZ4, BlockSize: 1}, {Compression: ZSTD, BlockSize: 256 << 10, FilterBits: -1},
	} {
		for name, rows := range map[string][2][][]byte{"many": {many, manyValues}, "odd": {odd, oddValues}, "one": {odd[:1], oddValues[:1]}} {
			t.Run(fmt.Sprintf("%s/%v/%d", name, o.Compression, o.BlockSize), func(t *testing.T) {
				file, _ := written(t, o, rows[0], rows[1])
				path := onDisk(t, file)
				if out := run(t, "", "sst_dump", "--file="+path, "--command=verify"); !strings.Contains(out, "The file is ok") {
					t.Fatal(out)
				}
				out := run(t, "", "sst_dump", "--file="+path, "--command=scan", "--output_hex", "--verify_checksum")
				var got strings.Builder
				for line := range strings.Lines(out) {
					if strings.HasPrefix(line, "'") {
						got.WriteString(line)
					}
				}
				if want := hexRows(rows[0], rows[1], "'%X' seq:0, type:1 => %X\n"); got.String() != want {
					t.Errorf("RocksDB reads other rows: %d bytes of text instead of %d", got.Len(), len(want))
				}
			})
		}
	}
}

// database makes a database whose tables have the form that Pegasus's have, and that takes files in behind what is there.
func database(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	run(t, "", "ldb", "--db="+dir, "--create_if_missing", "--hex", "put", "0xee", "0x01")
	options, err := filepath.Glob(filepath.Join(dir, "OPTIONS-*"))
	if err != nil || len(options) != 1 {
		t.Fatal(options, err)
	}
	text, err := os.ReadFile(options[0])
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		"format_version=5": "format_version=2", "filter_policy=nullptr": "filter_policy=bloomfilter:10:false",
		"checksum=kXXH3": "checksum=kCRC32c", " compression=kSnappyCompression": " compression=kNoCompression",
		"allow_ingest_behind=false": "allow_ingest_behind=true",
	} {
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("RocksDB's options have no %s:\n%s", from, text)
		}
		text = bytes.ReplaceAll(text, []byte(from), []byte(to))
	}
	if err := os.WriteFile(options[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRocksDBWritesTheSame: SstFileWriter, with the options that Pegasus has, makes the same bytes up to the properties,
// except for the type in separators, which follows the release. The properties are compared one by one.
func TestRocksDBWritesTheSame(t *testing.T) {
	t.Parallel()
	keys, values := benchRows(5000)
	for i := range 256 { // the filter's hash takes the bytes at a key's end with their sign
		keys = append(keys, append([]byte{0xf0, byte(i)}, "\xfe\x81\xff"[:i%4]...))
		values = append(values, []byte{byte(i)})
	}
	ours, _ := written(t, WriterOptions{}, keys, values)
	path := filepath.Join(t.TempDir(), "theirs.sst")
	run(t, hexRows(keys, values, "0x%X ==> 0x%X\n"), "ldb", "--db="+database(t), "--try_load_options", "--hex", "write_extern_sst", path)
	theirs, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ourFooter, ourMeta, ourProps := propsOf(t, ours)
	theirFooter, theirMeta, theirProps := propsOf(t, theirs)
	if ourFooter.version != theirFooter.version || ourFooter.checksum != theirFooter.checksum || ourFooter.index != theirFooter.index {
		t.Errorf("footer %+v, theirs %+v", ourFooter, theirFooter)
	}
	if metaNames := slices.Sorted(maps.Keys(ourMeta)); !slices.Equal(metaNames, slices.Sorted(maps.Keys(theirMeta))) {
		t.Errorf("metaindex %v, theirs %v", ourMeta, theirMeta)
	}
	if end := ourFooter.index.offset; !bytes.Equal(ours[:end], theirs[:end]) {
		t.Errorf("data and filter differ at byte %d of %d", commonPrefix(ours[:end], theirs[:end]), end)
	}
	ourIndex, theirIndex := entriesOf(t, ours, ourFooter.index, 1<<20), entriesOf(t, theirs, theirFooter.index, 1<<20)
	const theirType = 0x16 // kValueTypeForSeek of 7.8
	for i, e := range ourIndex {
		if n := len(e.key) - internalTrailer; e.key[n:] == seekTrailer {
			ourIndex[i].key = e.key[:n] + string(rune(theirType)) + seekTrailer[1:]
		}
	}
	if d := cmp.Diff(theirIndex, ourIndex, cmp.AllowUnexported(entry{})); d != "" {
		t.Errorf("index entries differ: %s", d)
	}
	sameProperties(t, ourProps, theirProps)
}

func sameProperties(t *testing.T, ours, theirs map[string]string) {
	t.Helper()
	// What differs, and why: ldb writes for a column family and with a merge operator; 7.8 knows more options and properties,
	// and other names of filters.
	differ := map[string]string{
		propColumnFamilyID: "\x00", propColumnFamilyName: "default", propMergeOperator: "StringAppendOperator",
		propCompressionOpts: compressionOptions + "max_dict_buffer_bytes=0; use_zstd_dict_trainer=1; ", propFilterPolicy: "bloomfilter",
		"rocksdb.num.filter_entries": theirs["rocksdb.num.filter_entries"], "rocksdb.creating.db.identity": "SST Writer",
		"rocksdb.creating.host.identity": theirs["rocksdb.creating.host.identity"], "rocksdb.original.file.number": "\x01",
		"rocksdb.creating.session.identity": theirs["rocksdb.creating.session.identity"],
	}
	for name, value := range theirs {
		if want, known := differ[name]; known && value == want {
			continue
		}
		if ours[name] != value {
			t.Errorf("%s is %q, theirs %q", name, ours[name], value)
		}
	}
	for name, value := range ours {
		if _, there := theirs[name]; !there {
			t.Errorf("%s = %q is none of theirs", name, value)
		}
	}
}

// TestRocksDBIngestsOurTables over rows that are there, in each way that a server may be set up: the sequence number in the
// file or only in the MANIFEST, and behind existing rows. What is found afterwards is what each way promises; reads of single
// keys go through the filter.
func TestRocksDBIngestsOurTables(t *testing.T) {
	t.Parallel()
	keys, values := benchRows(3000)
	odd, oddValues := oddRows()
	for name, test := range map[string]struct {
		flags []string
		wins  string // which value a row has that is both there and in the file
	}{
		"number in the MANIFEST": {[]string{"--write_global_seqno=false"}, "new"},
		"number in the file":     {[]string{"--write_global_seqno=true"}, "new"},
		"behind":                 {[]string{"--ingest_behind", "--write_global_seqno=false"}, "old"},
	} {
		for _, kind := range []Compression{NoCompression, LZ4, ZSTD} {
			t.Run(fmt.Sprint(name, "/", kind), func(t *testing.T) {
				t.Parallel()
				dir := database(t)
				ldb := func(args ...string) string {
					return run(t, "", "ldb", append([]string{"--db=" + dir, "--try_load_options"}, args...)...)
				}
				ldb("--hex", "put", "0x"+hex.EncodeToString(keys[7]), "0x"+hex.EncodeToString([]byte("old")))
				put := slices.Clone(values)
				put[7] = []byte("new")
				first, _ := written(t, WriterOptions{Compression: kind}, keys, put)
				second, _ := written(t, WriterOptions{Compression: kind}, odd[304:], oddValues[304:]) // above the first
				for _, file := range [][]byte{first, second} {
					if out := ldb(append([]string{"ingest_extern_sst", onDisk(t, file)}, test.flags...)...); !strings.Contains(out, "ingested") {
						t.Fatal(out)
					}
				}
				put[7] = []byte(test.wins)
				want := hexRows(keys, put, "0x%X : 0x%X\n") + hexRows(odd[304:], oddValues[304:], "0x%X : 0x%X\n")
				if at := strings.Index(want, "0xFF : "); at < 0 {
					t.Fatal("no place for the row that was there")
				} else {
					want = want[:at] + "0xEE : 0x01\n" + want[at:]
				}
				if got := ldb("--hex", "scan"); got != want {
					t.Errorf("RocksDB finds other rows: %d bytes of text instead of %d, alike up to %d", len(got), len(want),
						commonPrefix([]byte(got), []byte(want)))
				}
				for _, i := range []int{0, 7, 1499, 2999} {
					if got := ldb("--hex", "get", "0x"+hex.EncodeToString(keys[i])); got != fmt.Sprintf("0x%X\n", put[i]) {
						t.Errorf("row %d: %s", i, got)
					}
				}
				if out := ldb("checkconsistency"); !strings.Contains(out, "OK") {
					t.Error(out)
				}
			})
		}
	}
}
