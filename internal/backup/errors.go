package backup

import (
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// Code says what is wrong with a backup. The texts are stable: programs may compare them.
type Code string

// The codes.
const (
	CodeUnfinished Code = "backup_unfinished" // something that is written last is not there
	CodeDamaged    Code = "backup_damaged"    // something is not what its metadata says
	CodeMismatch   Code = "backup_mismatch"   // parts that belong to different tables, backups or counts
	CodeInvalid    Code = "backup_invalid"    // a path, or a request to write, that cannot be
)

// Error says where a backup, or the input of a bulk load, is wrong and what to do.
type Error struct {
	Code Code
	// Path is below the root of the store.
	Path string
	Hint string
	Err  error
}

// Error names path, cause and what to do.
func (e *Error) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: %v (%s)", e.Path, e.Err, e.Hint)
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

const (
	hintUnfinished = "a backup in progress, or one that failed; wait for it, or take another one and name its folder"
	hintDamaged    = "nothing may be built on it; take another backup, or restore this file from a copy"
	hintMismatch   = "check that the folder is the one that the server wrote, and that nothing was moved or renamed"
)

func unfinished(path, format string, args ...any) error {
	return &Error{Code: CodeUnfinished, Path: path, Hint: hintUnfinished, Err: fmt.Errorf(format, args...)}
}

func damaged(path, format string, args ...any) error {
	return &Error{Code: CodeDamaged, Path: path, Hint: hintDamaged, Err: fmt.Errorf(format, args...)}
}

func mismatch(path, format string, args ...any) error {
	return &Error{Code: CodeMismatch, Path: path, Hint: hintMismatch, Err: fmt.Errorf(format, args...)}
}

func invalid(path, format string, args ...any) error {
	return &Error{Code: CodeInvalid, Path: path, Err: fmt.Errorf(format, args...)}
}

func notFound(err error) bool { return blobstore.CodeOf(err) == blobstore.CodeNotFound }

var errNoBytes = errors.New("no bytes in it; the servers fail a load with a partition that is empty")
