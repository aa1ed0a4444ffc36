package sst

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzManifest: no MANIFEST ends the program, and one that is read has files in an order that can be read.
func FuzzManifest(f *testing.F) {
	m := crc(1, put("a", 1, "a"))
	f.Add(made([]madeTable{m, crc(0, put("b", 2, "b"))})["MANIFEST-000001"])
	f.Add(madeLog(madeEdit(tagInAtomicGroup, 1, tagLastSequence, 7), madeEdit(tagInAtomicGroup, 0, tagFamily, 1, tagFamilyAdd, "x")))
	if b, err := os.ReadFile(filepath.Join(goldenDir(f, 0), "MANIFEST-000004")); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := replayManifest(b)
		if err != nil {
			if CodeOf(err) == "" {
				t.Errorf("error without code: %v", err)
			}
			return
		}
		for _, family := range v.families {
			runs, err := sortedRuns(family.sorted())
			if err != nil {
				continue
			}
			n := 0
			for _, run := range runs {
				n += len(run)
				for i := 1; i < len(run); i++ {
					if compareInternal(run[i-1].largest, run[i].smallest) >= 0 {
						t.Errorf("files %d and %d overlap", run[i-1].number, run[i].number)
					}
				}
			}
			if n != len(family.files) {
				t.Errorf("%d of %d files", n, len(family.files))
			}
		}
	})
}

// FuzzEdit goes behind the checksums of the log format.
func FuzzEdit(f *testing.F) {
	f.Add(newFileEdit(12, crc(1, put("a", 1, "a")), 100, fileMinLogNumber, "12345678", 77, "x"))
	f.Add(madeEdit(tagComparator, bytewiseComparator, tagLogNumber, 5, tagLastSequence, 1000, tagDeletedFile, 1, 7))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if _, err := decodeEdit(b); err != nil && CodeOf(err) == "" {
			t.Errorf("error without code: %v", err)
		}
		if !bytes.Equal(b, before) {
			t.Error("the record was changed")
		}
	})
}

// FuzzBlock: entries and handles of any bytes end, within the block.
func FuzzBlock(f *testing.F) {
	f.Add(madeBlock([][2][]byte{{[]byte("abc"), []byte("1")}, {[]byte("abd"), []byte("2")}, {[]byte("b"), bytes.Repeat([]byte("x"), 300)}}))
	f.Add(madeBlock([][2][]byte{{[]byte("abc"), blockHandle{0, 70}.append(nil)}, {[]byte("abd"), blockHandle{75, 300}.append(nil)}}))
	f.Add([]byte{0, 1, 1, 'a', 'b', 0, 0, 0, 0, 9, 9, 2, 0, 1, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e entries
		if err := e.reset(b); err == nil {
			n, size := 0, 0
			for {
				ok, err := e.next()
				if err != nil || !ok {
					break
				}
				n, size = n+1, size+len(e.value)
			}
			if 3*n+size > len(b) {
				t.Errorf("%d entries with %d bytes of values from %d bytes", n, size, len(b))
			}
		}
		for _, form := range []indexForm{{}, {delta: true}, {firstKey: true}, {delta: true, firstKey: true}} {
			var h handles
			if err := h.reset(b, form); err != nil {
				continue
			}
			for n := 0; ; n++ {
				if _, ok, err := h.next(); err != nil || !ok {
					break
				}
				if n > len(b) {
					t.Fatal("more handles than bytes")
				}
			}
		}
		_, _, _ = readProperties(b)
	})
}

// FuzzTable: any bytes as a table without checksums, so that what lies behind them is reached, give rows in order or an error.
func FuzzTable(f *testing.F) {
	m := madeTable{level: 1, versions: []madeVersion{put("a", 9, "a"), put("a", 8, "b"), gone("b", 7), put("c", 6, "d"), put("d", 6, "d"), put("e", 6, "d")}}
	f.Add(m.encode())
	f.Add(external(madeTable{versions: []madeVersion{put("a", 0, "a")}}, 0).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		folder := memFS{"CURRENT": []byte("MANIFEST-000001\n"), "000010.sst": b}
		span := madeTable{level: 1, versions: []madeVersion{put("", 9, ""), put("zzzz", 1, "")}}
		folder["MANIFEST-000001"] = madeLog(
			madeEdit(tagComparator, bytewiseComparator, tagLogNumber, 5, tagLastSequence, 1000), newFileEdit(10, span, len(b)))
		c, err := OpenCheckpoint(folder, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := c.Rows()
		if err != nil {
			if CodeOf(err) == "" {
				t.Errorf("error without code: %v", err)
			}
			return
		}
		var last []byte
		for rows.Next() {
			if bytes.Compare(last, rows.Key()) >= 0 {
				t.Errorf("%q behind %q", rows.Key(), last)
			}
			last = append(last[:0], rows.Key()...)
			_ = len(rows.Value())
		}
		if err := rows.Err(); err != nil && CodeOf(err) == "" {
			t.Errorf("error without code: %v", err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzOptions(f *testing.F) {
	f.Add([]byte("[Version]\n  rocksdb_version=6.6.4\n[CFOptions \"default\"]\n  comparator=x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOptions(b)
		if (err == nil) != (o.version != "") && CodeOf(err) == "" {
			t.Errorf("version %q, %v", o.version, err)
		}
	})
}
