package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/colinmarc/hdfs/v2"
)

// javaError is what a name node answers.
type javaError struct{ class, message string }

func (javaError) Method() string      { return "m" }
func (javaError) Desc() string        { return "ERROR_APPLICATION" }
func (e javaError) Exception() string { return e.class }
func (e javaError) Message() string   { return e.message }
func (e javaError) Error() string     { return "m call failed with ERROR_APPLICATION (" + e.class + ")" }

var _ hdfs.Error = javaError{}

func TestCodesOfHDFS(t *testing.T) {
	const org = "org.apache.hadoop."
	for _, test := range []struct {
		err    error
		code   Code
		passes bool
	}{
		{javaError{org + "security.AccessControlException", "Permission denied: user=a"}, CodePermission, false},
		{os.ErrPermission, CodePermission, false},
		{&os.PathError{Op: "open", Path: "/x", Err: os.ErrNotExist}, CodeNotFound, false},
		{javaError{org + "hdfs.protocol.DSQuotaExceededException", "The DiskSpace quota"}, CodeNoSpace, false},
		{javaError{org + "hdfs.protocol.NSQuotaExceededException", "The NameSpace quota"}, CodeNoSpace, false},
		{javaError{"java.io.IOException", "File /x could only be written to 0 of the 1 minReplication nodes."}, CodeNoSpace, true},
		{javaError{org + "hdfs.server.namenode.SafeModeException", "Cannot create"}, CodeSafeMode, true},
		{javaError{org + "ipc.RetriableException", org + "hdfs.server.namenode.SafeModeException: Cannot create"}, CodeSafeMode, true},
		{javaError{org + "ipc.StandbyException", "Operation category READ"}, CodeConnection, true},
		{javaError{org + "hdfs.server.namenode.LeaseExpiredException", "No lease"}, CodeConnection, true},
		{javaError{org + "fs.ParentNotDirectoryException", "/x is not a directory"}, CodeInvalid, false},
		{javaError{"java.lang.NullPointerException", ""}, CodeIO, false},
		{errors.New("no available namenodes: Operation category READ is not supported in state standby"), CodeConnection, true},
		{errors.New("unexpected sequence number"), CodeConnection, true},
		{io.EOF, CodeConnection, true},
		{io.ErrShortWrite, CodeConnection, true},
		{net.ErrClosed, CodeConnection, true},
		{&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, CodeConnection, true},
		{&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}, CodeTimeout, true},
		{context.Canceled, CodeCanceled, false},
		{errChanged, CodeDamaged, false},
		{errStriped, CodeUnsupported, false},
		{errSealed, CodeUnsupported, false},
		{errClosed, CodeClosed, false},
		{fs.ErrInvalid, CodeInvalid, false},
		{syscall.ENOTEMPTY, CodeNotEmpty, false},
		{fmt.Errorf("keep it: %w", syscall.ENOSPC), CodeNoSpace, false},
	} {
		if code, passes := codeOfHDFS(test.err), passesOnHDFS(test.err); code != test.code || passes != test.passes {
			t.Errorf("%v: %s, %v; want %s, %v", test.err, code, passes, test.code, test.passes)
		}
	}
}

// TestWhatNameNodesSayFitsOnALine: the class stays for programs, the stack trace goes.
func TestWhatNameNodesSayFitsOnALine(t *testing.T) {
	trace := javaError{"java.io.IOException", "No room for /x\n\tat org.apache.hadoop.Foo(Foo.java:1)\n\tat more"}
	err := readable(fmt.Errorf("try: %w", trace))
	if !strings.Contains(err.Error(), "No room for /x") || strings.Contains(err.Error(), "Foo.java") {
		t.Fatalf("%v", err)
	}
	if remote, ok := isRemote(err); !ok || remote.Exception() != "java.io.IOException" {
		t.Fatalf("%v", err)
	}
}
