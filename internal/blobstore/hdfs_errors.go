package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/colinmarc/hdfs/v2"
)

var (
	errKerberos = errors.New("the HDFS wants Kerberos, which this program does not do")
	errStriped  = errors.New("it is stored with erasure coding, which this program cannot read or write")
	errSealed   = errors.New("it lies in an encryption zone, which this program cannot read or write")
	errNoBlock  = errors.New("no data node takes a new block: none has room, or none is alive")
	errRefused  = errors.New("the name node refused the connection; it may want Kerberos, which this program does not do")
)

// codeOfHDFS sorts the errors of the library and of name nodes.
func codeOfHDFS(err error) Code {
	remote, ok := isRemote(err)
	if ok {
		return codeOfException(remote)
	}
	switch {
	case errors.Is(err, errKerberos), errors.Is(err, errStriped), errors.Is(err, errSealed), errors.Is(err, errRefused):
		return CodeUnsupported
	case errors.Is(err, errNoBlock):
		return CodeNoSpace
	case errors.Is(err, fs.ErrInvalid):
		return CodeInvalid
	case errors.Is(err, syscall.ENOSPC):
		return CodeNoSpace
	}
	if code := codeOfCause(err); code != CodeIO {
		return code
	}
	// What is left are connections that end, replies that make no sense, and data nodes that fail: the library wraps none
	// of them.
	return CodeConnection
}

// codeOfException knows the Java classes of Hadoop 3 that a store meets.
func codeOfException(e hdfs.Error) Code {
	class := e.Exception()[strings.LastIndexByte(e.Exception(), '.')+1:]
	text := e.Message()
	switch {
	case class == "SafeModeException", strings.Contains(text, "SafeModeException"), strings.Contains(text, "Name node is in safe mode"):
		return CodeSafeMode
	case class == "StandbyException", class == "RetriableException", class == "ServerTooBusyException":
		return CodeConnection
	case strings.HasSuffix(class, "QuotaExceededException"), strings.Contains(text, "could only be written to 0 of"),
		strings.Contains(text, "could only be replicated to 0 nodes"):
		return CodeNoSpace
	case class == "AccessControlException":
		return CodePermission
	case class == "FileNotFoundException":
		return CodeNotFound
	case class == "PathIsNotEmptyDirectoryException":
		return CodeNotEmpty
	case class == "ParentNotDirectoryException", class == "FileAlreadyExistsException", class == "InvalidPathException",
		class == "HadoopIllegalArgumentException", strings.HasSuffix(class, "ComponentTooLongException"):
		return CodeInvalid
	case class == "LeaseExpiredException", class == "RecoveryInProgressException", class == "NotReplicatedYetException":
		return CodeConnection
	}
	return CodeIO
}

// passesOnHDFS tells what may be gone at the next try. Room does not come by itself, but data nodes do, when they have just
// been started.
func passesOnHDFS(err error) bool {
	switch codeOfHDFS(err) {
	case CodeConnection, CodeTimeout, CodeSafeMode:
		return !errors.Is(err, context.Canceled)
	case CodeNoSpace:
		return isNoBlock(err)
	}
	return false
}

func isNoBlock(err error) bool {
	remote, ok := isRemote(err)
	return ok && strings.Contains(remote.Message(), "could only be")
}

// readable shortens what name nodes say to its first line: a stack trace of Java follows.
func readable(err error) error {
	remote, ok := isRemote(err)
	if !ok {
		// A connection that is refused is answered under a number that is no request's. Sessions that lost step look the
		// same to the library, but those are not used again.
		if strings.Contains(err.Error(), "unexpected sequence number") {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	first, _, _ := strings.Cut(remote.Message(), "\n")
	if first == "" {
		return err
	}
	return &nameNodeError{remote: remote, text: first}
}

// nameNodeError is what a name node said, in one line.
type nameNodeError struct {
	remote hdfs.Error
	text   string
}

func (e *nameNodeError) Error() string { return "the name node says: " + e.text }

// Unwrap keeps the class.
func (e *nameNodeError) Unwrap() error {
	err, _ := e.remote.(error)
	return err
}

// fail makes an Error of what a call ended with.
func (h *HDFS) fail(op, name string, err error) error {
	err = readable(err)
	e := failed(h, op, name, codeOfHDFS(err), err)
	var own *Error
	if errors.As(e, &own) && own.Code == CodePermission {
		own.Hint = fmt.Sprintf("give the HDFS user %q access to it, or name another user", h.sessions.setup.client.User)
	}
	return e
}
