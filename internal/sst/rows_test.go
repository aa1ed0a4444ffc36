package sst

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func asError(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	return e
}

func put(key string, sequence uint64, value string) madeVersion {
	return madeVersion{key, sequence, typeValue, value}
}

func gone(key string, sequence uint64) madeVersion {
	return madeVersion{key, sequence, typeDeletion, ""}
}

func crc(level int, versions ...madeVersion) madeTable {
	return madeTable{level: level, versions: versions, checksum: checksumCRC32c}
}

// TestNewestVersionIsSeen: by sequence number, wherever it lies.
func TestNewestVersionIsSeen(t *testing.T) {
	wantRows(t, made([]madeTable{
		crc(0, put("a", 50, "a50"), put("c", 51, "c51"), gone("d", 52)),
		crc(0, put("a", 60, "a60"), madeVersion{"e", 61, typeSingleDeletion, ""}),
		crc(1, put("a", 20, "a20"), put("b", 21, "b21"), put("d", 22, "d22")),
		crc(1, put("e", 23, "e23"), put("f", 29, "f29"), put("f", 24, "f24")),
		crc(3, put("f", 0, "f0"), put("g", 0, "g0")),
	}), "a=a60 b=b21 c=c51 f=f29 g=g0 ")
}

// TestVersionsOfOneRowMayGoOnInTheNextFile: tables of one level are cut between rows or between versions of one.
func TestVersionsOfOneRowMayGoOnInTheNextFile(t *testing.T) {
	wantRows(t, made([]madeTable{
		crc(2, put("a", 9, "a"), put("b", 8, "new")),
		crc(2, put("b", 7, "old"), put("c", 6, "c")),
	}), "a=a b=new c=c ")
}

func TestRowWithEmptyKeyIsSkippedAndCounted(t *testing.T) {
	c, err := OpenCheckpoint(made([]madeTable{crc(0, put("", 5, "own"), put("", 4, "own"), put("a", 1, "1"))}), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	if !rows.Next() || string(rows.Key()) != "a" || rows.Next() || rows.Err() != nil {
		t.Error("not exactly the row a")
	}
	if rows.Skipped() != 1 || rows.Versions() != 3 {
		t.Errorf("skipped %d of %d versions", rows.Skipped(), rows.Versions())
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

// external makes a table one that was ingested.
func external(m madeTable, inFile uint64) madeTable {
	m.props = map[string][]byte{
		propExternalVersion: {2, 0, 0, 0},
		propGlobalSeqno:     binary.LittleEndian.AppendUint64(nil, inFile),
	}
	return m
}

// TestIngestedFileTakesItsSequenceFromTheManifest: the rows have 0, and what the file says of itself may be 0 too.
func TestIngestedFileTakesItsSequenceFromTheManifest(t *testing.T) {
	ingested := external(crc(0, put("a", 0, "ingested"), gone("b", 0)), 0)
	ingested.sequence = 30
	older := crc(1, put("a", 20, "a20"), put("b", 21, "b21"), put("c", 22, "c22"))
	wantRows(t, made([]madeTable{ingested, older}), "a=ingested c=c22 ")
	newer := crc(0, put("a", 31, "a31"))
	wantRows(t, made([]madeTable{ingested, older, newer}), "a=a31 c=c22 ")

	other := external(crc(0, put("a", 0, "x")), 29)
	other.sequence = 30
	wantCode(t, made([]madeTable{other}), CodeDamaged, "sequence number is 29; the MANIFEST says 30")
	numbered := external(crc(0, put("a", 7, "x")), 0)
	numbered.sequence = 30
	wantCode(t, made([]madeTable{numbered}), CodeDamaged, "a row of an ingested file has sequence number 7")
	lost := crc(0, put("a", 7, "x"))
	lost.props = map[string][]byte{propGlobalSeqno: make([]byte, 8)}
	wantCode(t, made([]madeTable{lost}), CodeDamaged, "ingested")
}

// TestSequenceWrittenIntoTheFileLeavesItsChecksum: RocksDB writes it in place, behind a checksum over the zero before it.
func TestSequenceWrittenIntoTheFileLeavesItsChecksum(t *testing.T) {
	m := external(crc(0, put("a", 0, "ingested")), 0)
	m.sequence = 30
	f := made([]madeTable{m, crc(1, put("a", 29, "old"))})
	table := f["000010.sst"]
	at := bytes.Index(table, []byte("global_seqno")) + len("global_seqno")
	table[at] = 30
	wantRows(t, f, "a=ingested ")
	table[at+1] = 1
	wantCode(t, f, CodeDamaged, "the MANIFEST says 30")
	table[at+1] = 0
	table[at+9]++ // another property
	wantCode(t, f, CodeDamaged, "checksum")
}

// TestRefusedKindsOfRows: what would need more than is known here is not read, not even where it is hidden by an error later.
func TestRefusedKindsOfRows(t *testing.T) {
	for kind, text := range map[valueType]string{
		typeMerge: "merge operand", typeBlobIndex: "blob", typeWideColumn: "columns", typeDeletionWithTS: "timestamp",
		typeRangeDeletion: "range deletion", 0x42: "type 66",
	} {
		f := made([]madeTable{crc(0, put("a", 1, "a"), madeVersion{"b", 2, kind, "x"}, put("c", 3, "c"))})
		wantCode(t, f, CodeUnsupported, text)
	}
}

func TestRefusedTables(t *testing.T) {
	one := binary.AppendUvarint(nil, 1)
	for text, change := range map[string]func(m *madeTable){
		"merge operands":         func(m *madeTable) { m.props = map[string][]byte{propMergeOperands: one} },
		"range deletions":        func(m *madeTable) { m.props = map[string][]byte{propNumRangeDeletions: one} },
		"has range deletions":    func(m *madeTable) { m.metas = []string{metaRangeDel} },
		"dictionary":             func(m *madeTable) { m.metas = []string{metaCompressed} },
		"partitioned index":      func(m *madeTable) { m.props = map[string][]byte{propIndexType: {2, 0, 0, 0}} },
		"index of type 4":        func(m *madeTable) { m.props = map[string][]byte{propIndexType: {4, 0, 0, 0}} },
		"ordered by \"reverse\"": func(m *madeTable) { m.props = map[string][]byte{propComparator: []byte("reverse")} },
		"ordered by \"\"":        func(m *madeTable) { m.props = map[string][]byte{propComparator: nil} },
		"timestamps":             func(m *madeTable) { m.props = map[string][]byte{propTimestampsKept: {0}} },
	} {
		m := crc(0, put("a", 1, "a"))
		change(&m)
		wantCode(t, made([]madeTable{m}), CodeUnsupported, text)
	}
}

func TestDamagedTables(t *testing.T) {
	m := crc(0, put("a", 1, "a"), put("b", 2, "b"))
	for text, change := range map[string]func(f memFS){
		"the MANIFEST says": func(f memFS) { f["000010.sst"] = append(f["000010.sst"], 0) },
		"checksum":          func(f memFS) { f["000010.sst"][3]++ },
		"mark of a table":   func(f memFS) { b := f["000010.sst"]; b[len(b)-1]++ },
		"format_version 6":  func(f memFS) { b := f["000010.sst"]; b[len(b)-12] = 6 },
	} {
		f := made([]madeTable{m})
		change(f)
		code := CodeDamaged
		if strings.HasPrefix(text, "format") {
			code = CodeUnsupported
		}
		wantCode(t, f, code, text)
	}
	counted := m
	counted.props = map[string][]byte{propNumEntries: {3}}
	wantCode(t, made([]madeTable{counted}), CodeDamaged, "has 2 rows; its properties say 3")
	wantCode(t, made([]madeTable{crc(0, put("b", 1, ""), put("a", 2, ""), put("c", 3, ""))}), CodeDamaged, "not in order")
	wantCode(t, made([]madeTable{crc(0, put("a", 1, ""), put("a", 2, ""))}), CodeDamaged, "begins behind its end")
	wantCode(t, made([]madeTable{crc(0, put("a", 5, "x")), crc(1, put("a", 5, "y"))}), CodeDamaged, "two versions")
	wantCode(t, made([]madeTable{crc(1, put("a", 5, ""), put("c", 6, "")), crc(1, put("b", 7, ""), put("d", 8, ""))}), CodeDamaged, "overlap")
	f := made([]madeTable{m})
	delete(f, "000010.sst")
	wantCode(t, f, CodeMissing, "is not there")
}

// TestRowsOutsideTheKeysOfTheManifestAreDamage: levels are read one file after the other by these keys.
func TestRowsOutsideTheKeysOfTheManifestAreDamage(t *testing.T) {
	m := crc(1, put("b", 1, ""), put("c", 2, ""), put("d", 3, ""))
	for text, bounds := range map[string][2]string{"before the smallest": {"c", "d"}, "behind the largest": {"b", "c"}} {
		f := made([]madeTable{m})
		edit := madeEdit(tagDeletedFile, 1, 10, tagNewFile4, 1, 10, len(f["000010.sst"]),
			string(put(bounds[0], 3, "").internal()), string(put(bounds[1], 1, "").internal()), 1, 3, fileEnd)
		wantCode(t, made([]madeTable{m}, edit), CodeDamaged, text)
	}
}

// TestSmallMemoryReadsTheSame: stretches that hold a few blocks, blocks that are larger than a stretch, many files at once.
func TestSmallMemoryReadsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var tables []madeTable
	want := map[string]string{}
	newest := map[string]uint64{}
	for i := range 30 {
		m := madeTable{level: 0, checksum: checksumType(rnd.IntN(5))}
		for k := range 60 {
			if rnd.IntN(3) > 0 {
				continue
			}
			key, sequence := string([]byte{'k', byte(k)}), uint64(rnd.IntN(30)*30+i+1)
			value := strings.Repeat(string(rune('a'+i%26)), rnd.IntN(20_000))
			m.versions = append(m.versions, put(key, sequence, value))
			if sequence > newest[key] {
				newest[key], want[key] = sequence, value
			}
		}
		tables = append(tables, m)
	}
	c, err := OpenCheckpoint(made(tables), ReadOptions{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if w, ok := want[string(rows.Key())]; !ok || w != string(rows.Value()) {
			t.Errorf("%q: %d bytes, want %d", rows.Key(), len(rows.Value()), len(w))
		}
		delete(want, string(rows.Key()))
	}
	if rows.Err() != nil || len(want) > 0 {
		t.Errorf("%d rows missing, %v", len(want), rows.Err())
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

// brokenFS gives an error from the nth read of tables on.
type brokenFS struct {
	memFS
	left *int
}

type brokenFile struct {
	File
	left *int
}

func (f brokenFS) Open(name string) (File, error) {
	file, err := f.memFS.Open(name)
	return brokenFile{file, f.left}, err
}

func (f brokenFile) ReadAt(b []byte, at int64) (int, error) {
	if *f.left == 0 {
		return 0, io.ErrClosedPipe
	}
	*f.left--
	return f.File.ReadAt(b, at)
}

// TestReadErrorsComeOut: at whichever read, with the cause in them, and nothing left open or running.
func TestReadErrorsComeOut(t *testing.T) {
	folder := made([]madeTable{crc(1, put("a", 1, "a"), put("b", 2, "b")), crc(1, put("c", 3, "c"))})
	for n := 0; ; n++ {
		left := n
		got, err := read(brokenFS{folder, &left})
		if err == nil {
			if n < 8 || got != "a=a b=b c=c " {
				t.Errorf("after %d reads: %q", n, got)
			}
			return
		}
		if !errors.Is(err, io.ErrClosedPipe) || CodeOf(err) != CodeIO || asError(err).File == "" {
			t.Fatalf("read %d: %v", n, err)
		}
	}
}
