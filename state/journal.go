package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// compactAt is the size in bytes above which a journal is written anew with only its latest records. A copy of 1,024
// partitions that saves its cursors every second appends about 150 kB each time, so this happens twice a minute and the
// file stays of this order for days. A journal whose latest records alone are large is left to grow to compactFactor
// times their size.
const (
	compactAt     = 4 << 20
	compactFactor = 4
)

// Journal keeps the cursors of one step that change many times a second. Append is cheap and remembers only the latest
// record of a (Kind, Key); Sync makes what was appended durable; Fold moves the end result into the document.
//
// After a crash the journal says what the last Sync said. Records that were appended since are gone, so append a cursor
// only after everything before it is acknowledged, and expect to do the work after the last synced one again.
//
// A Journal is safe for concurrent use: Append never waits for the disk, a Sync waits for another.
type Journal struct {
	store *Store
	step  string
	path  string

	mu      sync.Mutex
	pending records // appended and not yet given to the disk

	// disk guards everything below. Lock order: disk, then Store.mu, or disk, then mu.
	disk    sync.Mutex
	lineage string              // of the document when the file was read, "" before that
	latest  records             // everything of this step but what the document holds
	file    atomicfile.Appender // nil until the first append of this process
	size    int                 // of the file in bytes, 0 when there is none
	compact int                 // size after it was last written as a whole
	rewrite bool                // the end of the file is not known to be whole: do not append
}

// Journal returns the journal of a step. Nothing is read or made before it is used. The same step gives the same Journal.
func (s *Store) Journal(step string) *Journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.journals[step]
	if !ok {
		j = &Journal{store: s, step: step, path: journalPath(s.dir, s.migration, step)}
		s.journals[step] = j
	}
	return j
}

// Append takes a record. The caller must not change b.Data afterwards. It fails only when the record is malformed.
func (j *Journal) Append(b Blob) error {
	if err := b.check(); err != nil {
		return fmt.Errorf("journal of step %s: %w", j.step, err)
	}
	if len(b.Data) == 0 {
		b.Data = json.RawMessage("null")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending.put(b)
	return nil
}

// Sync makes every record appended so far durable. A failure is a *WriteError; nothing is lost by it, the next Sync
// writes the whole journal anew.
func (j *Journal) Sync() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if err := j.load(); err != nil {
		return err
	}
	batch := j.take()
	if len(batch) == 0 && !j.rewrite {
		return nil
	}
	var line []byte
	if j.size > 0 && !j.rewrite {
		var err error
		if line, err = appendLine(nil, batch); err != nil {
			return fmt.Errorf("journal of step %s: %w", j.step, err)
		}
	}
	if line == nil || j.size+len(line) > max(compactAt, compactFactor*j.compact) {
		return j.writeWhole()
	}
	return j.append(line)
}

// Replay calls fn with the latest record of every (Kind, Key) of the step, from the document, the journal and what was
// appended since, in the order in which the keys first appeared. An error of fn ends it and comes back.
func (j *Journal) Replay(fn func(Blob) error) error {
	all, err := j.all()
	if err != nil {
		return err
	}
	for i := range all {
		if err := fn(*all[i].clone()); err != nil {
			return err
		}
	}
	return nil
}

// Fold writes the latest records into the cursor of the step (see Records), together with whatever change does to the
// document, which may be nil, and then removes the journal. It is for the end of a step. A crash in between leaves both,
// which say the same.
func (j *Journal) Fold(change func(*Document) error) error {
	j.disk.Lock()
	defer j.disk.Unlock()
	if err := j.load(); err != nil {
		return err
	}
	if batch := j.take(); len(batch) > 0 {
		j.rewrite = true // should the update fail, the next Sync must save them
	}
	err := j.store.Update(func(d *Document) error {
		step := d.Step(j.step)
		if step == nil {
			return fmt.Errorf("the document has no step %q", j.step)
		}
		all, err := j.merge(step.Cursor)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			data, err := marshal(all)
			if err != nil {
				return err
			}
			step.Cursor = &Blob{Kind: journalKind, Version: journalVersion, Data: data}
		}
		if change == nil {
			return nil
		}
		return change(d)
	})
	if err != nil {
		return err
	}
	return j.remove()
}

// Discard forgets every record of the step, in the journal and in the document. Call it before the effects of the step
// are undone, not after: a cursor that outlives its rows would make the next run skip them.
func (j *Journal) Discard() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	j.take()
	if err := j.remove(); err != nil {
		return err
	}
	return j.store.Update(func(d *Document) error {
		if step := d.Step(j.step); step != nil {
			step.Cursor = nil
		}
		return nil
	})
}

// load reads the file once per lineage. The caller holds disk.
func (j *Journal) load() error {
	lineage, err := j.store.lineage()
	if err != nil {
		return fmt.Errorf("journal of step %s: %w", j.step, err)
	}
	if j.lineage == lineage {
		return nil
	}
	if j.lineage != "" { // Store.Create began a new run and deleted the file
		j.take()
		if err := j.closeFile(); err != nil {
			return &WriteError{Path: j.path, Err: err}
		}
	}
	if err := checkName("the step", j.step); err != nil {
		return err
	}
	fsys := j.store.fsys
	if err := atomicfile.RemoveTemporary(fsys, j.path); err != nil {
		return err
	}
	content, size, err := readJournalFile(fsys, j.path)
	if err != nil {
		return err
	}
	h := content.header
	if size > 0 && (h.Lineage != lineage || h.Migration != j.store.migration || h.Step != j.step) {
		return &UnusableError{Path: j.path, Reason: "it belongs to another run", journal: true}
	}
	j.latest = records{}
	j.latest.put(content.blobs...)
	j.size, j.compact, j.rewrite, j.lineage = size, size, content.torn, lineage
	return nil
}

// readJournalFile returns the content and the size in bytes, 0 when there is no file.
func readJournalFile(fsys atomicfile.FS, path string) (journalContent, int, error) {
	data, err := fsys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return journalContent{}, 0, nil
	}
	if err != nil {
		return journalContent{}, 0, fmt.Errorf("read the journal: %w", err)
	}
	content, err := parseJournal(path, data)
	return content, len(data), err
}

// take moves the pending records to the latest ones and returns them. The caller holds disk.
func (j *Journal) take() []Blob {
	j.mu.Lock()
	batch := j.pending.blobs
	j.pending = records{}
	j.mu.Unlock()
	j.latest.put(batch...)
	return batch
}

func (j *Journal) merge(cursor *Blob) ([]Blob, error) {
	folded, err := Records(cursor)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", j.step, err)
	}
	var all records
	all.put(folded...)
	all.put(j.latest.blobs...)
	return all.blobs, nil
}

// all returns a slice that later calls do not change.
func (j *Journal) all() ([]Blob, error) {
	j.disk.Lock()
	defer j.disk.Unlock()
	if err := j.load(); err != nil {
		return nil, err
	}
	var cursor *Blob
	if step := j.store.Document().Step(j.step); step != nil {
		cursor = step.Cursor
	}
	blobs, err := j.merge(cursor)
	if err != nil {
		return nil, err
	}
	var all records
	all.put(blobs...)
	j.mu.Lock()
	defer j.mu.Unlock()
	all.put(j.pending.blobs...)
	return all.blobs, nil
}

// append adds a line to the file that is there.
func (j *Journal) append(line []byte) (err error) {
	defer func() {
		if err != nil {
			j.rewrite = true
			err = &WriteError{Path: j.path, Err: errors.Join(err, j.closeFile())}
		}
	}()
	if j.file == nil {
		if j.file, err = j.store.fsys.OpenAppend(j.path); err != nil {
			return err
		}
	}
	if _, err := j.file.Write(line); err != nil {
		return err
	}
	j.size += len(line)
	return j.file.Sync()
}

// writeWhole replaces the file by one with the latest records only.
func (j *Journal) writeWhole() error {
	j.rewrite = true
	data, err := appendLine(nil, journalHeader{
		Format: journalMagic, FormatVersion: journalVersion,
		Lineage: j.lineage, Migration: j.store.migration, Step: j.step,
	})
	if err == nil {
		data, err = appendLine(data, j.latest.blobs)
	}
	if err != nil {
		return fmt.Errorf("journal of step %s: %w", j.step, err)
	}
	if err := errors.Join(j.closeFile(), atomicfile.WriteFile(j.store.fsys, j.path, data)); err != nil {
		return &WriteError{Path: j.path, Err: err}
	}
	j.size, j.compact, j.rewrite = len(data), len(data), false
	return nil
}

// remove deletes the file and forgets the records in it.
func (j *Journal) remove() error {
	j.lineage = "" // whatever happens next, read again what is there
	if err := j.closeFile(); err != nil {
		return &WriteError{Path: j.path, Err: err}
	}
	if err := atomicfile.RemoveFile(j.store.fsys, j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &WriteError{Path: j.path, Err: err}
	}
	return nil
}

func (j *Journal) closeFile() error {
	if j.file == nil {
		return nil
	}
	f := j.file
	j.file = nil
	return f.Close()
}

func (j *Journal) close() error {
	j.disk.Lock()
	defer j.disk.Unlock()
	return j.closeFile()
}

// removeJournalsExcept deletes the journals of this migration that do not belong to the lineage.
func (s *Store) removeJournalsExcept(lineage string) error {
	names, err := s.fsys.List(filepath.Join(s.dir, Folder))
	if err != nil {
		return fmt.Errorf("look for journals of earlier runs: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, s.migration+"@") || !strings.HasSuffix(name, ".journal") {
			continue
		}
		path := filepath.Join(s.dir, Folder, name)
		content, _, err := readJournalFile(s.fsys, path)
		if _, newer := errors.AsType[*NewerError](err); newer {
			return err
		}
		if err == nil && content.header.Lineage == lineage {
			continue
		}
		if err := atomicfile.RemoveFile(s.fsys, path); err != nil {
			return fmt.Errorf("remove the journal of an earlier run: %w", err)
		}
	}
	return nil
}
