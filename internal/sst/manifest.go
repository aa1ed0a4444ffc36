package sst

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	defaultFamily = 0
	maxLevel      = 63      // num_levels of the servers is 6
	maxTable      = 1 << 46 // bytes; target_file_size_base of the servers is 64 MiB
)

func littleEndian(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// tableName is the name of a table file.
func tableName(number uint64) string { return fmt.Sprintf("%06d.sst", number) }

// family is one column family.
type family struct {
	name       string
	comparator string
	logNumber  uint64 // write-ahead logs with a smaller number are flushed
	files      map[uint64]tableMeta
}

// version is what the MANIFEST comes to.
type version struct {
	families     map[uint32]*family
	lastSequence uint64
	hasSequence  bool
	minLogNumber uint64

	group []versionEdit // records of an atomic group that is not complete yet
	size  int           // of that group
}

// replayManifest applies all records. An atomic group that the file ends within did not happen, as in RocksDB
// (AtomicGroupReadBuffer of db/version_edit_handler.cc): the servers flush both column families as one such group.
func replayManifest(b []byte) (*version, error) {
	v := &version{families: map[uint32]*family{defaultFamily: {name: "default", files: map[uint64]tableMeta{}}}}
	err := readLog(b, func(record []byte) error {
		e, err := decodeEdit(record)
		if err != nil {
			return err
		}
		return v.take(e)
	})
	if err != nil {
		return nil, err
	}
	if !v.hasSequence {
		return nil, damaged("it names no last sequence number")
	}
	return v, nil
}

// take applies a record, or keeps it until its group is complete.
func (v *version) take(e versionEdit) error {
	if !e.inGroup {
		if len(v.group) > 0 {
			return damaged("a record stands within an atomic group that it is not part of")
		}
		return v.apply(e)
	}
	if len(v.group) == 0 {
		v.size = int(e.remaining) + 1
	}
	v.group = append(v.group, e)
	if len(v.group)+int(e.remaining) != v.size {
		return damaged("the records of an atomic group do not add up")
	}
	if e.remaining > 0 {
		return nil
	}
	group := v.group
	v.group = nil
	for _, e := range group {
		if err := v.apply(e); err != nil {
			return err
		}
	}
	return nil
}

func (v *version) apply(e versionEdit) error {
	f, known := v.families[e.family]
	switch {
	case e.add && known:
		return damaged("column family %d is added twice", e.family)
	case e.add:
		f = &family{name: e.name, files: map[uint64]tableMeta{}}
		v.families[e.family] = f
	case !known:
		return damaged("column family %d is not there", e.family)
	case e.drop && e.family == defaultFamily:
		return damaged("column family default is dropped")
	case e.drop:
		delete(v.families, e.family)
	}
	if e.hasSequence {
		v.lastSequence, v.hasSequence = e.lastSequence, true
	}
	if e.hasMinLog {
		v.minLogNumber = max(v.minLogNumber, e.minLogNumber)
	}
	if e.hasLog {
		f.logNumber = max(f.logNumber, e.logNumber)
	}
	if e.hasComparator {
		f.comparator = string(e.comparator)
	}
	return f.change(e)
}

// change takes files away first: a file that moves to another level is taken away and added in one record.
func (f *family) change(e versionEdit) error {
	for _, d := range e.deleted {
		if old, ok := f.files[d.number]; !ok || old.level != d.level {
			return damaged("file %d is taken off level %d, where it is not", d.number, d.level)
		}
		delete(f.files, d.number)
	}
	for _, a := range e.added {
		if _, ok := f.files[a.number]; ok {
			return damaged("file %d is added twice", a.number)
		}
		f.files[a.number] = a
	}
	return nil
}

// sorted gives the files by level and smallest key.
func (f *family) sorted() []tableMeta {
	files := make([]tableMeta, 0, len(f.files))
	for _, m := range f.files {
		files = append(files, m)
	}
	slices.SortFunc(files, func(a, b tableMeta) int {
		return cmp.Or(cmp.Compare(a.level, b.level), compareInternal(a.smallest, b.smallest), cmp.Compare(a.number, b.number))
	})
	return files
}

// compareInternal orders by user key, and versions of one key newest first.
func compareInternal(a, b []byte) int {
	return cmp.Or(bytes.Compare(userKey(a), userKey(b)), cmp.Compare(packed(b), packed(a)))
}

// sortedRuns puts the files into as few sequences as possible, each without overlap and in key order: one per level from 1
// on, and for level 0, whose files lie over each other, as many as lie over one key.
func sortedRuns(files []tableMeta) ([][]tableMeta, error) {
	var zero, deeper [][]tableMeta
	for _, f := range files {
		if compareInternal(f.smallest, f.largest) > 0 {
			return nil, damaged("file %d begins behind its end", f.number)
		}
		if f.level == 0 {
			at := slices.IndexFunc(zero, func(run []tableMeta) bool {
				return bytes.Compare(userKey(run[len(run)-1].largest), userKey(f.smallest)) < 0
			})
			if at < 0 {
				zero = append(zero, []tableMeta{f})
			} else {
				zero[at] = append(zero[at], f)
			}
			continue
		}
		last := len(deeper) - 1
		if last < 0 || deeper[last][0].level != f.level {
			deeper = append(deeper, []tableMeta{f})
			continue
		}
		before := deeper[last][len(deeper[last])-1]
		if compareInternal(before.largest, f.smallest) >= 0 {
			return nil, damaged("files %d and %d of level %d overlap", before.number, f.number, f.level)
		}
		deeper[last] = append(deeper[last], f)
	}
	return append(zero, deeper...), nil
}
