package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// Code says what kind of failure it was. The texts are stable: programs may compare them.
type Code string

// The codes.
const (
	CodeNotFound    Code = "not_found"   // no such file or folder
	CodePermission  Code = "permission"  // not allowed to this user, or a store that is read-only
	CodeNoSpace     Code = "no_space"    // no room left, or a quota
	CodeConnection  Code = "connection"  // the store cannot be reached, or was lost
	CodeTimeout     Code = "timeout"     // the store answers nothing
	CodeCanceled    Code = "canceled"    // the caller gave up
	CodeDamaged     Code = "damaged"     // the bytes are not those that were written
	CodeTooLarge    Code = "too_large"   // more than a file of that kind can have
	CodeNotEmpty    Code = "not_empty"   // a folder that has something in it
	CodeInvalid     Code = "invalid"     // a name, range or setting that cannot be
	CodeSafeMode    Code = "safe_mode"   // HDFS is in safe mode
	CodeUnsupported Code = "unsupported" // the store wants something that this program cannot do
	CodeClosed      Code = "closed"      // the store was closed by us
	CodeIO          Code = "io"          // anything else
)

// Error is every error of this package.
type Error struct {
	Code Code
	// Op is what was tried: open, read, write, list, ...
	Op string
	// Store and Path say where.
	Store, Path string
	// Hint says what to do; may be empty.
	Hint string
	Err  error
}

// Error names store, path, cause and what to do.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s %s: %v", e.Store, e.Op, e.Path, e.Err)
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

// Causes that no system call has.
var (
	errIsFolder     = errors.New("it is a folder")
	errIsFile       = errors.New("it is a file")
	errEmptyName    = errors.New("the name is empty")
	errBadName      = errors.New("the name is not a path below the root")
	errReservedName = errors.New("the name is reserved")
	errRange        = errors.New("the range is outside the file")
	errNoSidecar    = errors.New("the file has no sidecar, so it does not exist for the servers")
	errSidecar      = errors.New("the sidecar is not what local_service writes")
	errSize         = errors.New("the size is not the one that the sidecar says")
	errShrunk       = errors.New("the file ended before its size")
	errChanged      = errors.New("the file was replaced while it was read")
	errRoot         = errors.New("it is the root of the store")
	errClosed       = errors.New("closed")
	errStalled      = errors.New("no answer in time")
)

type tooLarge struct{ size, limit int64 }

func (t tooLarge) Error() string {
	return fmt.Sprintf("%d bytes, and %d at most were expected", t.size, t.limit)
}

// failed makes an Error; one that is an Error already keeps what it says.
func failed(s fmt.Stringer, op, name string, code Code, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Code: code, Op: op, Store: s.String(), Path: name, Err: err, Hint: hint(code, err)}
}

// codeOfCause sorts the errors of the operating system and of contexts.
func codeOfCause(err error) Code {
	switch {
	case errors.Is(err, context.Canceled):
		return CodeCanceled
	case errors.Is(err, errStalled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return CodeTimeout
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoSidecar):
		return CodeNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return CodePermission
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return CodeNoSpace
	case errors.Is(err, syscall.ENOTEMPTY):
		return CodeNotEmpty
	case errors.Is(err, errSidecar), errors.Is(err, errSize), errors.Is(err, errShrunk), errors.Is(err, errChanged):
		return CodeDamaged
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, atomicfile.ErrNotRegular),
		errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, fs.ErrExist), errors.Is(err, errIsFolder),
		errors.Is(err, errIsFile), errors.Is(err, errRange), errors.Is(err, errRoot):
		return CodeInvalid
	case errors.Is(err, errClosed), errors.Is(err, fs.ErrClosed):
		return CodeClosed
	case errors.Is(err, syscall.ESTALE), errors.Is(err, syscall.ENOTCONN), errors.Is(err, syscall.EHOSTDOWN),
		errors.Is(err, syscall.ETIMEDOUT), isNetwork(err):
		return CodeConnection
	}
	return CodeIO
}

// isNetwork: system call numbers look like network errors too, whatever they came from.
func isNetwork(err error) bool {
	var netErr net.Error
	if !errors.As(err, &netErr) {
		return false
	}
	_, number := netErr.(syscall.Errno)
	return !number
}

// hint says what an operator does about a failure.
func hint(code Code, err error) string {
	switch {
	case errors.Is(err, errNoSidecar):
		return "the upload or copy of this file was not finished; make it again, together with its .meta file"
	case errors.Is(err, errSidecar):
		return "it must be one line of JSON without white space, {\"md5\":\"…\",\"size\":N}; a copy tool may have changed it"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only"
	case errors.Is(err, errRoot):
		return "name a folder below it"
	}
	switch code {
	case CodeNotFound:
		return "check the path and, for a mounted directory, that it is mounted here"
	case CodePermission:
		return "give the user that runs this program access to it"
	case CodeNoSpace:
		return "make room, or raise the quota, and run the same command again"
	case CodeConnection:
		return "check that the store is up and can be reached from this machine, and run the same command again"
	case CodeTimeout:
		return "the store hangs or is overloaded; check it, and run the same command again"
	case CodeDamaged:
		return "the file was damaged or not finished; take another backup, or copy it again"
	case CodeSafeMode:
		return "the name node takes no changes while it is in safe mode; wait for its end, or leave it with hdfs dfsadmin -safemode leave"
	}
	return ""
}

type sizeError struct{ have, said int64 }

func (e sizeError) Error() string {
	return fmt.Sprintf("the file has %d bytes and its sidecar says %d", e.have, e.said)
}
func (e sizeError) Is(target error) bool { return target == errSize }
