package sst

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
)

// memFS is a folder in memory.
type memFS map[string][]byte

func (m memFS) ReadFile(name string, limit int64) ([]byte, error) {
	b, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%d bytes", len(b))
	}
	return b, nil
}

func (m memFS) Open(name string) (File, error) {
	b, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return memFile{bytes.NewReader(b)}, nil
}

func (m memFS) List() ([]string, error) { return slices.Sorted(maps.Keys(m)), nil }

type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

// version is one version of a row, for tables that no tool would make.
type madeVersion struct {
	key      string
	sequence uint64
	kind     valueType
	value    string
}

func (v madeVersion) internal() []byte {
	return binary.LittleEndian.AppendUint64([]byte(v.key), v.sequence<<8|uint64(v.kind))
}

// madeBlock encodes entries with a restart point at every third.
func madeBlock(entries [][2][]byte) []byte {
	var out, restarts, last []byte
	for i, e := range entries {
		shared := 0
		if i%3 == 0 {
			restarts = binary.LittleEndian.AppendUint32(restarts, uint32(len(out)))
		} else {
			for shared < min(len(last), len(e[0])) && last[shared] == e[0][shared] {
				shared++
			}
		}
		for _, n := range []int{shared, len(e[0]) - shared, len(e[1])} {
			out = binary.AppendUvarint(out, uint64(n))
		}
		out = append(append(out, e[0][shared:]...), e[1]...)
		last = e[0]
	}
	if len(restarts) == 0 {
		restarts = make([]byte, 4)
	}
	return binary.LittleEndian.AppendUint32(append(out, restarts...), uint32(len(restarts)/4))
}

// madeTable says what one table of a made checkpoint has in it.
type madeTable struct {
	level    int
	versions []madeVersion
	checksum checksumType
	props    map[string][]byte // in place of, or beside, the usual ones; nil takes one away
	metas    []string          // further names in the metaindex
	sequence uint64            // in the MANIFEST, for an ingested file
}

func (m madeTable) encode() []byte {
	var out []byte
	put := func(block []byte) blockHandle {
		h := blockHandle{uint64(len(out)), uint64(len(block))}
		out = append(append(out, block...), byte(NoCompression))
		sum := m.checksum.sum(out[h.offset:])
		out = binary.LittleEndian.AppendUint32(out, sum)
		return h
	}
	var index [][2][]byte
	for rows := range slices.Chunk(m.versions, 5) {
		var entries [][2][]byte
		for _, v := range rows {
			entries = append(entries, [2][]byte{v.internal(), []byte(v.value)})
		}
		h := put(madeBlock(entries))
		index = append(index, [2][]byte{rows[len(rows)-1].internal(), h.append(nil)})
	}
	props := map[string][]byte{
		propNumEntries: binary.AppendUvarint(nil, uint64(len(m.versions))),
		propComparator: []byte(bytewiseComparator),
		propIndexType:  make([]byte, 4),
	}
	maps.Copy(props, m.props)
	maps.DeleteFunc(props, func(_ string, v []byte) bool { return v == nil })
	sorted := func(m map[string][]byte) (out [][2][]byte) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out = append(out, [2][]byte{[]byte(name), m[name]})
		}
		return out
	}
	metas := map[string][]byte{metaProperties: put(madeBlock(sorted(props))).append(nil)}
	for _, name := range m.metas {
		metas[name] = blockHandle{}.append(nil)
	}
	f := footer{version: 2, checksum: m.checksum, metaIndex: put(madeBlock(sorted(metas))), index: put(madeBlock(index))}
	return f.append(out)
}

// madeLog writes records in the log format.
func madeLog(records ...[]byte) []byte {
	var out []byte
	for _, r := range records {
		for first := true; first || len(r) > 0; first = false {
			left := logBlock - len(out)%logBlock
			if left < logHeader {
				out = append(out, make([]byte, left)...)
				left = logBlock
			}
			n := min(len(r), left-logHeader)
			kind := byte(logMiddle)
			switch {
			case first && n == len(r):
				kind = logFull
			case first:
				kind = logFirst
			case n == len(r):
				kind = logLast
			}
			body := append([]byte{kind}, r[:n]...)
			out = binary.LittleEndian.AppendUint32(out, maskedCRC(body))
			out = binary.LittleEndian.AppendUint16(out, uint16(n))
			out, r = append(out, body...), r[n:]
		}
	}
	return out
}

// madeEdit writes fields of a VersionEdit: ints as varints, texts with their length.
func madeEdit(fields ...any) []byte {
	var out []byte
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			out = binary.AppendUvarint(out, uint64(f))
		case uint64:
			out = binary.AppendUvarint(out, f)
		case string:
			out = append(binary.AppendUvarint(out, uint64(len(f))), f...)
		case []byte:
			out = append(out, f...)
		}
	}
	return out
}

// newFileEdit is the record of a table.
func newFileEdit(number int, m madeTable, size int, custom ...any) []byte {
	first, last := m.versions[0], m.versions[len(m.versions)-1]
	least, most := first.sequence, first.sequence
	for _, v := range m.versions {
		least, most = min(least, v.sequence), max(most, v.sequence)
	}
	if m.sequence > 0 {
		least, most = m.sequence, m.sequence
		first.sequence, last.sequence = most, most
	}
	fields := append([]any{tagNewFile4, m.level, number, size, string(first.internal()), string(last.internal()), least, most}, custom...)
	return madeEdit(append(fields, fileEnd)...)
}

// made puts tables, numbered from 10 on, into a checkpoint. Further records of the MANIFEST come behind them.
func made(tables []madeTable, more ...[]byte) memFS {
	m := memFS{"CURRENT": []byte("MANIFEST-000001\n")}
	records := [][]byte{madeEdit(tagComparator, bytewiseComparator, tagLogNumber, 5, tagLastSequence, 1000)}
	for i, t := range tables {
		b := t.encode()
		m[tableName(uint64(10+i))] = b
		records = append(records, newFileEdit(10+i, t, len(b)))
	}
	m["MANIFEST-000001"] = madeLog(append(records, more...)...)
	return m
}

// read gives all rows as text, or the error.
func read(f FS) (string, error) {
	c, err := OpenCheckpoint(f, ReadOptions{})
	if err != nil {
		return "", err
	}
	rows, err := c.Rows()
	if err != nil {
		return "", err
	}
	out := ""
	for rows.Next() {
		out += fmt.Sprintf("%s=%s ", rows.Key(), rows.Value())
	}
	if err := rows.Close(); err != nil {
		return "", err
	}
	return out, rows.Err()
}

// wantRows reads and compares.
func wantRows(t *testing.T, f FS, want string) {
	t.Helper()
	if got, err := read(f); err != nil || got != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

// wantCode reads and wants an error with a code and a text, and the name of a file.
func wantCode(t *testing.T, f FS, code Code, text string) {
	t.Helper()
	got, err := read(f)
	if err == nil {
		t.Errorf("read %q; want an error with %q", got, text)
		return
	}
	if CodeOf(err) != code || !bytes.Contains([]byte(err.Error()), []byte(text)) {
		t.Errorf("error %v (%s); want %s and %q", err, CodeOf(err), code, text)
	}
	if e := asError(err); e == nil || e.File == "" {
		t.Errorf("error %v names no file", err)
	}
}
