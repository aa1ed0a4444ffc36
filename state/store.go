package state

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// ErrClosed says that the Store was used after Close.
var ErrClosed = errors.New("the state is closed")

// ErrExists says that Create would replace a document that is still needed.
var ErrExists = errors.New("there is a state document of a migration that has not ended")

// Store is the document of one migration, under lock, and the only way to change it. It is safe for concurrent use.
type Store struct {
	fsys      atomicfile.FS
	dir       string
	migration string
	now       func() time.Time
	lock      *lock

	mu sync.Mutex
	// doc is what the last successful read or write left, and raw its bytes; nil while there is no document.
	doc *Document
	raw []byte
	// serial is the highest that was ever tried, so that a write that failed half-way never shares its serial with
	// another content.
	serial   uint64
	failed   *WriteError // of the last write
	closed   bool
	journals map[string]*Journal
}

// Option changes a Store that is being opened.
type Option func(*openOptions)

type openOptions struct {
	now   func() time.Time
	alive func(pid int) bool
}

// WithClock sets the clock that UpdatedAt and CreatedAt come from, instead of time.Now.
func WithClock(now func() time.Time) Option {
	return func(o *openOptions) { o.now = now }
}

// NewLineage makes a lineage for a new document. The ownership marker, which is written before the document can know
// that it succeeded, carries the same one.
func NewLineage() string { return uuid.NewString() }

// Open takes the lock of a migration and reads its document. The folder is made when absent. No document is no error:
// Document returns nil then, and Create makes one. Errors: *LockedError, *UnusableError, *NewerError, *WriteError, and
// those of the file system. Close the Store when done, whatever happened in between.
func Open(fsys atomicfile.FS, dir, migration string, holder Holder, options ...Option) (*Store, error) {
	s, err := open(fsys, dir, migration, holder, options)
	if err != nil {
		return nil, err
	}
	if err := s.read(); err != nil {
		return nil, errors.Join(err, s.lock.release())
	}
	return s, nil
}

// OpenLost is Open for `apply -adopt`: a document that cannot be used is kept as a file whose name ends in ".unusable",
// and there is none then. A usable document is opened as usual, a newer one is refused.
func OpenLost(fsys atomicfile.FS, dir, migration string, holder Holder, options ...Option) (*Store, error) {
	s, err := open(fsys, dir, migration, holder, options)
	if err != nil {
		return nil, err
	}
	err = s.read()
	if _, unusable := errors.AsType[*UnusableError](err); unusable {
		err = s.setAside()
	}
	if err != nil {
		return nil, errors.Join(err, s.lock.release())
	}
	return s, nil
}

func open(fsys atomicfile.FS, dir, migration string, holder Holder, options []Option) (*Store, error) {
	if err := checkName("the migration", migration); err != nil {
		return nil, err
	}
	o := openOptions{now: time.Now, alive: processAlive}
	for _, option := range options {
		option(&o)
	}
	if err := fsys.MkdirAll(filepath.Join(dir, Folder)); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	holder.Since = holder.Since.UTC().Round(0)
	p := place{fsys: fsys, dir: dir, migration: migration, alive: o.alive}
	l, err := p.acquire(holder)
	if err != nil {
		return nil, err
	}
	return &Store{
		fsys: fsys, dir: dir, migration: migration, now: o.now, lock: l, journals: make(map[string]*Journal),
	}, nil
}

func (s *Store) read() error {
	for _, path := range []string{s.Path(), BackupPath(s.dir, s.migration)} {
		if err := atomicfile.RemoveTemporary(s.fsys, path); err != nil {
			return err
		}
	}
	doc, raw, err := load(s.fsys, s.dir, s.migration)
	if errors.Is(err, ErrNoState) {
		return nil
	}
	if err != nil {
		return err
	}
	s.doc, s.raw, s.serial = doc, raw, doc.Serial
	return nil
}

func (s *Store) setAside() error {
	data, err := s.fsys.ReadFile(s.Path())
	if err != nil {
		return fmt.Errorf("set the unusable state aside: %w", err)
	}
	if err := atomicfile.WriteFile(s.fsys, s.Path()+".unusable", data); err != nil {
		return fmt.Errorf("set the unusable state aside: %w", err)
	}
	if err := atomicfile.RemoveFile(s.fsys, s.Path()); err != nil {
		return fmt.Errorf("set the unusable state aside: %w", err)
	}
	return nil
}

// Path is where the document is.
func (s *Store) Path() string { return Path(s.dir, s.migration) }

// Document returns a copy of the document as it is on disk, nil when there is none.
func (s *Store) Document() *Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc.Clone()
}

// lineage returns that of the document, or why it must not be worked with.
func (s *Store) lineage() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", ErrClosed
	}
	if s.doc == nil {
		return "", fmt.Errorf("%s: %w", s.Path(), ErrNoState)
	}
	return s.doc.Lineage, nil
}

// Create writes the first document of a migration, or of a new run of one that has ended (ErrExists when it has not).
// A missing Lineage is filled in. Journals of other lineages are removed: their cursors speak of another target.
func (s *Store) Create(doc *Document) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.doc != nil && s.doc.Outcome == OutcomeOpen {
		return fmt.Errorf("%s: %w", s.Path(), ErrExists)
	}
	next := doc.Clone()
	if next.Migration == "" {
		next.Migration = s.migration
	}
	if next.Migration != s.migration {
		return fmt.Errorf("the document is of migration %q, the state of %q", next.Migration, s.migration)
	}
	if next.Lineage == "" {
		next.Lineage = NewLineage()
	}
	if s.doc != nil && s.doc.Lineage == next.Lineage {
		return fmt.Errorf("%s: a new run needs a lineage of its own", s.Path())
	}
	if next.CreatedAt.IsZero() {
		next.CreatedAt = s.now()
	}
	if err := s.removeJournalsExcept(next.Lineage); err != nil {
		return err
	}
	return s.write(next)
}

// Update changes the document: change gets a copy, and what it leaves is written with the next serial. When change
// returns an error nothing happens and that error comes back. When writing fails a *WriteError comes back, the document
// in memory is the one before, and every further change is refused until Recover. (On disk the change may have arrived
// all the same; that is why an intent is a state of its own.) change must not call methods of the Store.
func (s *Store) Update(change func(*Document) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.doc == nil {
		return fmt.Errorf("%s: %w", s.Path(), ErrNoState)
	}
	next := s.doc.Clone()
	if err := change(next); err != nil {
		return err
	}
	if next.Migration != s.doc.Migration || next.Lineage != s.doc.Lineage {
		return fmt.Errorf("%s: migration and lineage of a document never change", s.Path())
	}
	return s.write(next)
}

// Recover ends the refusal that a failed write began, by writing the document in memory once more: it succeeds only
// when the disk takes a whole write again. A caller that gave a failed change up calls it; one that ends need not.
func (s *Store) Recover() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.failed == nil {
		return nil
	}
	if s.doc != nil {
		return s.write(s.doc.Clone())
	}
	// The write that failed was the first one. Whether it arrived or not, there is no document now.
	if err := atomicfile.RemoveFile(s.fsys, s.Path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &WriteError{Path: s.Path(), Err: err}
	}
	s.failed = nil
	return nil
}

// Close gives the lock back. Journals that were not synced lose what was appended since.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	journals := s.journals
	s.mu.Unlock()
	var errs []error
	for _, j := range journals {
		errs = append(errs, j.close())
	}
	return errors.Join(append(errs, s.lock.release())...)
}

func (s *Store) usable() error {
	if s.closed {
		return ErrClosed
	}
	if s.failed != nil {
		return fmt.Errorf("an earlier change was not saved: %w", s.failed)
	}
	return nil
}

// write saves next as the document and the present one as its backup. The caller holds the mutex.
func (s *Store) write(next *Document) error {
	next.FormatVersion = FormatVersion
	next.Serial = s.serial + 1
	next.UpdatedAt = s.now()
	data, stored, err := encode(next)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Path(), err) // nothing was touched; the Store stays usable
	}
	s.serial = next.Serial
	if s.raw != nil {
		if err := atomicfile.WriteFile(s.fsys, BackupPath(s.dir, s.migration), s.raw); err != nil {
			return s.fail(BackupPath(s.dir, s.migration), err)
		}
	}
	if err := atomicfile.WriteFile(s.fsys, s.Path(), data); err != nil {
		return s.fail(s.Path(), err)
	}
	s.doc, s.raw, s.failed = stored, data, nil
	return nil
}

func (s *Store) fail(path string, err error) error {
	s.failed = &WriteError{Path: path, Err: err}
	return s.failed
}
