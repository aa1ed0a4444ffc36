package splitter

import (
	"errors"
	"fmt"
)

// Code says what kind of failure it was. The texts are stable: programs may compare them.
type Code string

// The codes.
const (
	CodeInvalid   Code = "split_invalid"    // a job that cannot be
	CodeMisplaced Code = "split_misplaced"  // a row in a partition that its hash does not select
	CodeRow       Code = "split_row"        // a row that no server wrote
	CodeOtherJob  Code = "split_other_job"  // the place holds what another job, or somebody else, wrote
	CodeTakenOver Code = "split_taken_over" // another run works at the same place
	CodeUnequal   Code = "split_unequal"    // rows or files that do not add up: what was written is not to be loaded
)

// Error is every failure that is neither the store's, the backup's nor the RocksDB files' own.
type Error struct {
	Code Code
	// Path is the folder that it is about, below the root of its store.
	Path string
	// Hint says what to do.
	Hint string
	Err  error
}

// Error names path, cause and what to do.
func (e *Error) Error() string {
	s := e.Err.Error()
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf gives the code of an error of this package, however wrapped, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func failed(code Code, path, hint, format string, args ...any) error {
	return &Error{Code: code, Path: path, Hint: hint, Err: fmt.Errorf(format, args...)}
}

const (
	hintMisplaced = "no client reads this row: duplication between tables of unequal partition counts may have put it there; " +
		"look for such rows in the source before it is moved, or have them left out and counted"
	hintRow      = "the backup holds what no server wrote; take another backup, or move the table with method \"copy\""
	hintOtherJob = "take another folder, or start anew (-restart), which removes what that split wrote"
	hintForeign  = "take another folder, or remove that one; nothing is removed here that no split wrote"
	hintTaken    = "let the other run finish; two at one place would take each other's files away"
	hintUnequal  = "this is a mistake of the program: do not load what was written, and report it"
)
