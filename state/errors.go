package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// ErrNoState says that the migration has no state document. The error that wraps it names the file.
var ErrNoState = errors.New("no state document")

// Every error type below has, besides Error (one line with everything), Summary (what is wrong, with the file) and Hint
// (what to do), so that a view can print the two on lines of their own.

// UnusableError says that a file is there and cannot be believed: truncated, empty, not JSON, changed by hand, not ours,
// of another migration.
type UnusableError struct {
	Path   string
	Reason string // what is wrong, one clause
	// Backup is the path of the usable previous document, "" when there is none.
	Backup string
	// Err is the cause when there is one, for example of the JSON decoder.
	Err error

	journal bool // a journal, which may be lost at the price of doing its step again from the last folded cursor
}

// Summary says what is wrong.
func (e *UnusableError) Summary() string {
	s := fmt.Sprintf("%s cannot be used: %s", e.Path, e.Reason)
	if e.Err != nil {
		s += fmt.Sprintf(" (%v)", e.Err)
	}
	return s
}

// Hint says what to do.
func (e *UnusableError) Hint() string {
	const adopt = "rebuild it from the clusters with pegmigrate apply -adopt"
	if e.journal {
		return "delete it; the step then begins again from the cursor in the state document"
	}
	if e.Backup == "" {
		return adopt
	}
	return fmt.Sprintf("restore the document of one change before with cp %s %s, or %s", e.Backup, e.Path, adopt)
}

func (e *UnusableError) Error() string { return e.Summary() + "; " + e.Hint() }

func (e *UnusableError) Unwrap() error { return e.Err }

// NewerError says that the file was written by a later pegmigrate in a format that this one does not know. It is never
// guessed at, set aside or overwritten.
type NewerError struct {
	Path    string
	Version int    // format version of the file
	Writer  string // tool version that wrote it, "" when it does not say
}

// Summary says what is wrong.
func (e *NewerError) Summary() string {
	writer := e.Writer
	if writer == "" {
		writer = "an unknown version"
	}
	return fmt.Sprintf("%s has format %d, written by pegmigrate %s; this pegmigrate reads formats up to %d",
		e.Path, e.Version, writer, FormatVersion)
}

// Hint says what to do.
func (e *NewerError) Hint() string {
	if e.Writer == "" {
		return "use the pegmigrate that wrote it, or a later one"
	}
	return fmt.Sprintf("use pegmigrate %s or later", e.Writer)
}

func (e *NewerError) Error() string { return e.Summary() + "; " + e.Hint() }

// LockedError says that another run holds the migration.
type LockedError struct {
	Path string
	// Holder is what the other run said about itself; nil when it has not said yet.
	Holder *Holder
	// Foreign says that the record comes from another host, so that nobody here can know whether its run still lives.
	Foreign bool
	// Migration is the name for the hint.
	Migration string
}

// Summary says what is wrong.
func (e *LockedError) Summary() string {
	if e.Holder == nil {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by %s", e.Path, e.Holder)
}

// Hint says what to do.
func (e *LockedError) Hint() string {
	if e.Foreign {
		return fmt.Sprintf("wait for it; when that run is surely dead: pegmigrate state unlock -force %s", e.Migration)
	}
	return "wait until it ends, or end it (it can be resumed)"
}

func (e *LockedError) Error() string { return e.Summary() + "; " + e.Hint() }

// LineageError says that two things that should belong to one migration do not.
type LineageError struct {
	Migration  string
	Have, Want string // lineage of the state document, lineage asked for
}

// Summary says what is wrong.
func (e *LineageError) Summary() string {
	return fmt.Sprintf("the state of migration %q has lineage %s, not %s: it remembers another run", e.Migration, e.Have, e.Want)
}

// Hint says what to do.
func (e *LineageError) Hint() string {
	return "plan again in the folder that holds the right .pegmigrate, or rebuild the state with pegmigrate apply -adopt"
}

func (e *LineageError) Error() string { return e.Summary() + "; " + e.Hint() }

// WriteError says that the document or a journal could not be written. No further change is accepted until
// Store.Recover has succeeded; the caller must stop before its next change of a cluster.
type WriteError struct {
	Path string
	Err  error
}

// Summary says what is wrong.
func (e *WriteError) Summary() string {
	return fmt.Sprintf("the state was not saved to %s: %v", e.Path, atomicfile.Cause(e.Err))
}

// Hint says what to do.
func (e *WriteError) Hint() string {
	return "make room or repair the disk, then run the same command again; it goes on where it stopped"
}

func (e *WriteError) Error() string { return e.Summary() + "; " + e.Hint() }

func (e *WriteError) Unwrap() error { return e.Err }

// Holder says who works on a migration. It is a record for people; what excludes others is the lock.
type Holder struct {
	Who     string    `json:"who"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// String is one clause for messages.
func (h *Holder) String() string {
	return fmt.Sprintf("%s on %s (process %d, since %s): %s",
		h.Who, h.Host, h.PID, h.Since.UTC().Format(time.RFC3339), h.Command)
}
