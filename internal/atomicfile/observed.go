package atomicfile

import "io"

// Kind names an operation that changes the disk.
type Kind string

// The kinds, in the order in which a replaced file goes through the first five.
const (
	OpStage      Kind = "stage"       // the temporary file appears
	OpWrite      Kind = "write"       // bytes into the temporary file
	OpSync       Kind = "sync"        // fsync of the temporary file
	OpRename     Kind = "rename"      // the temporary file takes the path's name
	OpSyncDir    Kind = "sync-dir"    // fsync of the folder
	OpAppend     Kind = "append"      // bytes at the end of a file
	OpAppendSync Kind = "append-sync" // fsync of such a file
	OpRemove     Kind = "remove"      // a file disappears
	OpMkdir      Kind = "mkdir"       // a folder appears
)

// Phase says on which side of the operation the observer is called.
type Phase string

// The phases of an operation.
const (
	Before Phase = "before"
	After  Phase = "after"
)

// Op is one side of one operation that changes the disk.
type Op struct {
	Kind  Kind
	Path  string // the final path, not that of the temporary file; a folder for OpSyncDir and OpMkdir
	Phase Phase
}

// Observed wraps a file system: observe is called before every operation that changes the disk and again after it when
// it succeeded. An error of observe in phase Before keeps the operation from happening; in phase After it has happened
// and is reported as failed all the same, as a disk does that loses its answer. observe may also end the process.
// Reading, locking, and clearing away a temporary file after a failure are not observed.
//
// observe runs on the caller's goroutine and must be safe for concurrent use when the file system is used so.
func Observed(fsys FS, observe func(Op) error) FS {
	return observed{FS: fsys, observe: observe}
}

type observed struct {
	FS
	observe func(Op) error
}

var _ FS = observed{}

func (o observed) around(kind Kind, path string, do func() error) error {
	if err := o.observe(Op{kind, path, Before}); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return o.observe(Op{kind, path, After})
}

// Stage implements FS.
func (o observed) Stage(path string) (Staged, error) {
	var inner Staged
	err := o.around(OpStage, path, func() (err error) {
		inner, err = o.FS.Stage(path)
		return err
	})
	if err != nil {
		if inner != nil {
			_ = inner.Abort() // the caller never sees it
		}
		return nil, err
	}
	return &observedStaged{inner: inner, fs: o, path: path}, nil
}

// OpenAppend implements FS. Opening changes nothing and is not observed; writing is.
func (o observed) OpenAppend(path string) (Appender, error) {
	inner, err := o.FS.OpenAppend(path)
	if err != nil {
		return nil, err
	}
	return &observedAppender{Closer: inner, inner: inner, fs: o, path: path}, nil
}

// Remove implements FS.
func (o observed) Remove(path string) error {
	return o.around(OpRemove, path, func() error { return o.FS.Remove(path) })
}

// MkdirAll implements FS.
func (o observed) MkdirAll(dir string) error {
	return o.around(OpMkdir, dir, func() error { return o.FS.MkdirAll(dir) })
}

// SyncDir implements FS.
func (o observed) SyncDir(dir string) error {
	return o.around(OpSyncDir, dir, func() error { return o.FS.SyncDir(dir) })
}

type observedStaged struct {
	inner Staged
	fs    observed
	path  string
}

// Write implements io.Writer.
func (s *observedStaged) Write(p []byte) (n int, err error) {
	err = s.fs.around(OpWrite, s.path, func() (err error) {
		n, err = s.inner.Write(p)
		return err
	})
	return n, err
}

// Sync implements Staged.
func (s *observedStaged) Sync() error { return s.fs.around(OpSync, s.path, s.inner.Sync) }

// Commit implements Staged.
func (s *observedStaged) Commit() error { return s.fs.around(OpRename, s.path, s.inner.Commit) }

// Abort implements Staged.
func (s *observedStaged) Abort() error { return s.inner.Abort() }

type observedAppender struct {
	io.Closer
	inner Appender
	fs    observed
	path  string
}

// Write implements io.Writer.
func (a *observedAppender) Write(p []byte) (n int, err error) {
	err = a.fs.around(OpAppend, a.path, func() (err error) {
		n, err = a.inner.Write(p)
		return err
	})
	return n, err
}

// Sync implements Appender.
func (a *observedAppender) Sync() error { return a.fs.around(OpAppendSync, a.path, a.inner.Sync) }
