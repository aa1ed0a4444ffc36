package sst

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestLogRecordsOfAnySize: over the ends of blocks, and those that end so close to one that no header fits.
func TestLogRecordsOfAnySize(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var records [][]byte
	for range 80 {
		size := []int{0, 1, rnd.IntN(100), rnd.IntN(3 * logBlock), logBlock - logHeader - rnd.IntN(20)}[rnd.IntN(5)]
		r := make([]byte, size)
		for i := range r {
			r[i] = byte(rnd.Uint32())
		}
		records = append(records, r)
	}
	b := madeLog(records...)
	i := 0
	take := func(r []byte) error {
		if !bytes.Equal(r, records[i]) {
			t.Fatalf("record %d of %d bytes, want %d", i, len(r), len(records[i]))
		}
		i++
		return nil
	}
	if err := readLog(append(b, make([]byte, 1000)...), take); err != nil || i != len(records) {
		t.Errorf("%d of %d records, %v", i, len(records), err)
	}
	nothing := func([]byte) error { return nil }
	whole := map[int]bool{0: true} // lengths at which a record ends
	for n := range records {
		whole[len(madeLog(records[:n+1]...))] = true
	}
	for range 100 {
		cut := rnd.IntN(len(b))
		if err := readLog(b[:cut], nothing); err == nil && !whole[cut] && !onlyTrailer(b, cut, whole) {
			t.Errorf("cut at %d of %d was not seen", cut, len(b))
		}
		changed := bytes.Clone(b)
		changed[cut] ^= 1 << rnd.IntN(8)
		if err := readLog(changed, nothing); err == nil && !inTrailer(b, cut) {
			t.Errorf("change of byte %d was not seen", cut)
		}
	}
}

// onlyTrailer tells whether between the end of a record and cut there is nothing but the rest of a block.
func onlyTrailer(b []byte, cut int, whole map[int]bool) bool {
	for cut > 0 && !whole[cut] && cut > cut-cut%logBlock && b[cut-1] == 0 {
		cut--
	}
	return whole[cut]
}

func inTrailer(b []byte, at int) bool { return logBlock-at%logBlock < logHeader && b[at] == 0 }

func TestManifest(t *testing.T) {
	m := crc(1, put("a", 1, "a"))
	n := crc(1, put("b", 2, "b"))
	size := len(m.encode())
	// A file moves to another level in one record; a family of somebody else comes and goes.
	wantRows(t, made([]madeTable{m, n},
		madeEdit(tagDeletedFile, 1, 10, newFileEdit(10, madeTable{level: 2, versions: m.versions}, size)),
		madeEdit(tagFamily, 7, tagFamilyAdd, "other", tagComparator, "of another kind", tagMaxFamily, 7),
		madeEdit(tagFamily, 7, newFileEdit(99, m, 5)),
		madeEdit(tagFamily, 7, tagFamilyDrop),
		madeEdit(tagNextFile, 100, tagPrevLogNumber, 0, tagMinLogNumber, 5, tagCompactCursor, 1, string(put("b", 1, "").internal())),
		madeEdit(tagSafeIgnore+1, "identity", tagSafeIgnore+500, "of the future"),
	), "a=a b=b ")
	// A file that is taken away is not read.
	wantRows(t, made([]madeTable{m, n}, madeEdit(tagDeletedFile, 1, 11)), "a=a ")
}

// TestAtomicGroups: the records of a group count together or not at all.
func TestAtomicGroups(t *testing.T) {
	m, n := crc(1, put("a", 1, "a")), crc(1, put("b", 2, "b"))
	gone, back := madeEdit(tagDeletedFile, 1, 10), madeEdit(tagDeletedFile, 1, 11)
	in := func(edit []byte, remaining int) []byte {
		return append(bytes.Clone(edit), madeEdit(tagInAtomicGroup, remaining)...)
	}
	two := []madeTable{m, n}
	wantRows(t, made(two, in(gone, 1), in(back, 0)), "")
	wantRows(t, made(two, in(gone, 1)), "a=a b=b ")
	wantRows(t, made(two, in(gone, 0)), "b=b ")
	wantCode(t, made(two, in(gone, 1), back), CodeDamaged, "atomic group")
	wantCode(t, made(two, in(gone, 2), in(back, 0)), CodeDamaged, "atomic group")
}

func TestRefusedManifests(t *testing.T) {
	m := crc(1, put("a", 1, "a"))
	size := len(m.encode())
	file := func(custom ...any) []byte { return newFileEdit(12, m, size, custom...) }
	for _, c := range []struct {
		edit []byte
		code Code
		text string
	}{
		{madeEdit(55, 1), CodeUnsupported, "tag 55"},
		{madeEdit(tagBlobAddition, 1, 1), CodeUnsupported, "blob"},
		{madeEdit(tagBlobGarbageOld, 1, 1), CodeUnsupported, "blob"},
		{madeEdit(tagFullHistoryTS, "x"), CodeUnsupported, "timestamps"},
		{madeEdit(tagWALAdditionOld, 1), CodeUnsupported, "tag 8196"},
		{madeEdit(tagComparator, "other"), CodeUnsupported, `ordered by "other"`},
		{madeEdit(tagFamilyAdd, "default"), CodeDamaged, "added twice"},
		{madeEdit(tagFamilyDrop), CodeDamaged, "default is dropped"},
		{madeEdit(tagFamily, 3, tagLogNumber, 4), CodeDamaged, "is not there"},
		{madeEdit(tagDeletedFile, 1, 77), CodeDamaged, "where it is not"},
		{madeEdit(tagDeletedFile, 2, 10), CodeDamaged, "where it is not"},
		{newFileEdit(10, m, size), CodeDamaged, "added twice"},
		{newFileEdit(12, madeTable{level: 2, versions: m.versions}, size), CodeMissing, "MANIFEST-000001"},
		{madeEdit(tagLastSequence), CodeDamaged, "cut off"},
		{madeEdit(tagLastSequence, 0), CodeDamaged, "goes to sequence number 1"},
		{file(filePathID, "\x01"), CodeUnsupported, "another folder"},
		{file(fileOldestBlob, "\x05"), CodeUnsupported, "blob"},
		{file(fileMinTimestamp, "x"), CodeUnsupported, "timestamps"},
		{file(fileTimestampsKept, "\x00"), CodeUnsupported, "timestamps"},
		{file(fileNonSafeIgnore+9, "x"), CodeUnsupported, "field 73"},
		{file(fileMinLogNumber, "x"), CodeDamaged, "log number"},
		{madeEdit(tagNewFile3, 1, 12, 1, size, string(put("a", 1, "").internal()), string(put("a", 1, "").internal()), 1, 1), CodeUnsupported, "another folder"},
	} {
		wantCode(t, made([]madeTable{m}, c.edit), c.code, c.text)
	}
	f := made([]madeTable{m})
	f["MANIFEST-000001"] = madeLog(madeEdit(tagComparator, bytewiseComparator))
	wantCode(t, f, CodeDamaged, "no last sequence number")
}

func TestCurrentAndOptionsAndLogs(t *testing.T) {
	m := []madeTable{crc(1, put("a", 1, "a"))}
	for content, code := range map[string]Code{"": CodeUnsupported, "MANIFEST-1": CodeUnsupported, "\x9b\x01\x7f": CodeUnsupported, "MANIFEST-7\n": CodeMissing} {
		f := made(m)
		f["CURRENT"] = []byte(content)
		if _, err := read(f); CodeOf(err) != code {
			t.Errorf("CURRENT %q: %v", content, err)
		}
	}
	f := made(m)
	delete(f, "CURRENT")
	wantCode(t, f, CodeMissing, "CURRENT")

	const fine = "[Version]\n  rocksdb_version=6.6.4\n[CFOptions \"default\"]\n  comparator=leveldb.BytewiseComparator\n  table_factory=BlockBasedTable\n"
	for content, text := range map[string]string{
		"\x00\x01garbage": "no version", fine + "[CFOptions \"default\"]\n  comparator=x\n": "ordered by x",
		"[Version]\n  rocksdb_version=7\n[CFOptions \"default\"]\n  table_factory=PlainTable\n": "kind PlainTable",
	} {
		f := made(m)
		f["OPTIONS-000007"], f["OPTIONS-000003"] = []byte(content), []byte(fine)
		code := CodeUnsupported
		if text == "no version" {
			code = CodeDamaged
		}
		wantCode(t, f, code, text)
		f["OPTIONS-000009"] = []byte(fine) // only the newest counts
		wantRows(t, f, "a=a ")
	}

	f = made(m)
	f["000006.log"], f["000004.log"] = nil, []byte("flushed: older than the log number 5")
	wantRows(t, f, "a=a ")
	f["000005.log"] = []byte("x")
	wantCode(t, f, CodeUnflushed, "write-ahead log of 1 bytes")
}

// TestMetaColumnFamily: what the server keeps of the partition, and values that no server writes.
func TestMetaColumnFamily(t *testing.T) {
	meta := func(versions ...madeVersion) memFS {
		m := crc(0, versions...)
		b := m.encode()
		f := made([]madeTable{crc(1, put("a", 1, "a"))},
			madeEdit(tagFamily, 1, tagFamilyAdd, metaFamily, tagComparator, bytewiseComparator, tagLogNumber, 5),
			append(newFileEdit(20, m, len(b)), madeEdit(tagFamily, 1)...))
		f[tableName(20)] = b
		return f
	}
	f := meta(put(metaDataVersion, 3, "1"), put(metaFlushedDecree, 9, "2280"), put(metaFlushedDecree, 4, "7"), put(metaCompactFinished, 5, "0"), put("x", 6, "?"))
	c, err := OpenCheckpoint(f, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if i := c.Info(); i.DataVersion != 1 || i.LastFlushedDecree != 2280 || i.LastManualCompact != 0 || i.Bytes != int64(len(f["000010.sst"])) {
		t.Errorf("%+v", i)
	}
	wantRows(t, f, "a=a ")
	for _, value := range []string{"", "x", "-1", "99999999999999999999"} {
		wantCode(t, meta(put(metaDataVersion, 3, value)), CodeDamaged, metaDataVersion)
	}
	wantCode(t, meta(put(metaDataVersion, 3, "99999999999")), CodeUnsupported, "data version 99999999999")
	if c, err := OpenCheckpoint(made([]madeTable{crc(1, put("a", 1, "a"))}), ReadOptions{}); err != nil || c.Info().DataVersion != -1 || c.Info().LastFlushedDecree != -1 {
		t.Errorf("without that family: %v", err)
	}
}
