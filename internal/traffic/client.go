package traffic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Key names a row. The hash key must not be empty.
type Key struct{ Hash, Sort string }

// Client is an application's connection to one table. Its methods end within the operation timeout
// or with the context, and are safe for concurrent use.
type Client interface {
	// Put stores a row that expires after ttl, in whole seconds; 0 is never.
	Put(ctx context.Context, k Key, value []byte, ttl time.Duration) Result
	Delete(ctx context.Context, k Key) Result
	// Get reads a row; nil without an error is a row that is not there.
	Get(ctx context.Context, k Key) ([]byte, Result)
	Incr(ctx context.Context, k Key, by int64) Result
	// Stats tells how often the client asked for the configuration of the table again, and how often
	// it was opened anew.
	Stats() ClientStats
	// Close ends all connections and returns when nothing of the client runs any more.
	Close() error
}

// ClientStats counts what a client does besides requests.
type ClientStats struct {
	Queries, Reopened int64
	// Repeated writes were not taken by a side of a dual writer at first.
	Repeated int64
}

// Result is how one operation ended.
type Result struct {
	// Err is nil for what was acknowledged.
	Err error
	// Unsure tells that a request was sent and not answered: with Err the operation may have been
	// done, and with or without it may be done yet, after whatever follows.
	Unsure bool
	// Code is the last error code of a server; ErrTimeout when none answered.
	Code idl.ErrorCode
	// Server acknowledged, "ip:port".
	Server string
	// Attempts is how many requests were sent.
	Attempts int
	// Expire is the earliest expiry that may have been written, in seconds since 2016, 0 for never.
	Expire uint32
	// Later is by how many seconds the latest one was later: a dual writer has several attempts, and the Go
	// client does not tell the moment that it counted from.
	Later uint32
}

// OperationError is an operation that failed.
type OperationError struct {
	Op       string
	Code     idl.ErrorCode
	Attempts int
	Cause    error
}

// Error names the operation and the code.
func (e *OperationError) Error() string {
	text := fmt.Sprintf("%s: %s after %d attempts", e.Op, string(e.Code), e.Attempts)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap makes errors.Is work with the code and the cause.
func (e *OperationError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Code}
	}
	return []error{e.Code, e.Cause}
}

// errClosed says that the client was closed.
var errClosed = errors.New("the client is closed")

// refuses tells whether a code in the header of an answer says that the server did not execute the
// request and never will.
func refuses(code idl.ErrorCode) bool {
	switch code {
	case idl.ErrInvalidState, idl.ErrObjectNotFound, idl.ErrOperationDisabled, idl.ErrBusy, idl.ErrNotEnoughMember,
		idl.ErrCapacityExceeded, idl.ErrACLDeny, idl.ErrSplitting, idl.ErrParentPartitionMisused, idl.ErrDiskInsufficient,
		idl.ErrInvalidData, idl.ErrHandlerNotFound:
		return true
	}
	return false
}
