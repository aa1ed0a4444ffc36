package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// The file of a journal. Every line is eight hexadecimal digits of CRC-32C (Castagnoli), a space, JSON, a line feed; the
// sum is over the JSON. The first line is the header, every other one an array of blobs that were synced together. A
// line is therefore the unit that a crash can tear, and only the last one can be torn: a line is appended only after the
// one before it was synced, and after any failure the file is written anew instead of being appended to.

const (
	journalMagic   = "pegmigrate-journal"
	journalVersion = 1
)

type journalHeader struct {
	Format        string `json:"format"`
	FormatVersion int    `json:"format_version"`
	Lineage       string `json:"lineage"`
	Migration     string `json:"migration"`
	Step          string `json:"step"`
}

// journalContent is what a journal file says.
type journalContent struct {
	header journalHeader
	blobs  []Blob // in the order of writing, superseded ones included
	torn   bool   // the last line is not whole; it is not in blobs
}

func appendLine(b []byte, v any) ([]byte, error) {
	data, err := marshal(v)
	if err != nil {
		return nil, err
	}
	b = fmt.Appendf(b, "%08x ", crc32.Checksum(data, castagnoli()))
	b = append(b, data...)
	return append(b, '\n'), nil
}

// castagnoli returns the shared table; MakeTable computes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// lineData returns the JSON of a line without its line feed, or says that the line is damaged.
func lineData(line []byte) ([]byte, bool) {
	if len(line) < 10 || line[8] != ' ' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || crc32.Checksum(line[9:], castagnoli()) != uint32(sum) {
		return nil, false
	}
	return line[9:], true
}

// parseJournal reads a journal file. Its errors are *UnusableError and *NewerError; path is for them.
func parseJournal(path string, data []byte) (journalContent, error) {
	var c journalContent
	unusable := func(reason string, err error) (journalContent, error) {
		return journalContent{}, &UnusableError{Path: path, Reason: reason, Err: err, journal: true}
	}
	first, rest, whole := bytes.Cut(data, []byte("\n"))
	raw, ok := lineData(first)
	if !whole || !ok {
		return unusable("it does not begin like a journal of pegmigrate", nil)
	}
	if err := json.Unmarshal(raw, &c.header); err != nil || c.header.Format != journalMagic {
		return unusable("it does not begin like a journal of pegmigrate", err)
	}
	if c.header.FormatVersion > journalVersion {
		return journalContent{}, &NewerError{Path: path, Version: c.header.FormatVersion}
	}
	if c.header.FormatVersion < 1 {
		return unusable("it has no valid format version", nil)
	}
	for number := 2; len(rest) > 0; number++ {
		var line []byte
		line, rest, whole = bytes.Cut(rest, []byte("\n"))
		raw, ok := lineData(line)
		if !whole || !ok {
			if len(rest) == 0 {
				c.torn = true
				return c, nil
			}
			return unusable(fmt.Sprintf("line %d is damaged and is not the last one", number), nil)
		}
		var batch []Blob
		if err := json.Unmarshal(raw, &batch); err != nil {
			return unusable(fmt.Sprintf("line %d is no list of records", number), err)
		}
		for i := range batch {
			if err := batch[i].check(); err != nil {
				return unusable(fmt.Sprintf("line %d", number), err)
			}
		}
		c.blobs = append(c.blobs, batch...)
	}
	return c, nil
}

// records is an insertion-ordered map from (Kind, Key) to the latest blob.
type records struct {
	index map[[2]string]int
	blobs []Blob
}

func (r *records) put(blobs ...Blob) {
	if r.index == nil {
		r.index = make(map[[2]string]int)
	}
	for _, b := range blobs {
		key := [2]string{b.Kind, b.Key}
		if i, ok := r.index[key]; ok {
			r.blobs[i] = b
			continue
		}
		r.index[key] = len(r.blobs)
		r.blobs = append(r.blobs, b)
	}
}

// journalKind is the kind of the cursor that Journal.Fold leaves in a step: an array of blobs.
const journalKind = "journal"

// Records unpacks the cursor of a step: the records that a journal was folded into, or the cursor itself when the step
// had no journal. Nil has none.
func Records(cursor *Blob) ([]Blob, error) {
	switch {
	case cursor == nil:
		return nil, nil
	case cursor.Kind != journalKind:
		return []Blob{*cursor.clone()}, nil
	case cursor.Version > journalVersion:
		return nil, fmt.Errorf("the folded journal has version %d, this pegmigrate reads up to %d", cursor.Version, journalVersion)
	}
	var blobs []Blob
	if err := json.Unmarshal(cursor.Data, &blobs); err != nil {
		return nil, fmt.Errorf("the folded journal: %w", err)
	}
	for i := range blobs {
		if err := blobs[i].check(); err != nil {
			return nil, fmt.Errorf("the folded journal: %w", err)
		}
	}
	return blobs, nil
}

// ReadJournal returns the latest records of a step, from its journal and from the document, without taking the lock. A
// run may be writing both.
func ReadJournal(fsys atomicfile.FS, dir, migration, step string) ([]Blob, error) {
	if err := errors.Join(checkName("the migration", migration), checkName("the step", step)); err != nil {
		return nil, err
	}
	// The journal first: it is removed after it was folded into the document, so in the other order both reads could
	// miss the records.
	content, _, err := readJournalFile(fsys, journalPath(dir, migration, step))
	if err != nil {
		return nil, err
	}
	doc, err := ReadOnly(fsys, dir, migration)
	if err != nil {
		return nil, err
	}
	var all records
	if s := doc.Step(step); s != nil {
		folded, err := Records(s.Cursor)
		if err != nil {
			return nil, err
		}
		all.put(folded...)
	}
	if content.header.Lineage == doc.Lineage {
		all.put(content.blobs...)
	}
	return all.blobs, nil
}
