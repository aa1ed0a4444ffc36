package pegasus

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ErrOutcomeUnknown is wrapped by the error of a request that must not be repeated and
// whose answer was lost: the cluster may or may not have done it. Look before doing
// it again.
var ErrOutcomeUnknown = errors.New("outcome unknown")

// ErrClosed is wrapped by errors of requests on a Cluster that was closed.
var ErrClosed = errors.New("the cluster client was closed")

// errNoPrimary is why a request for a partition could not be sent.
var errNoPrimary = errors.New("partition has no primary")

// CodeOf is the Pegasus error code in err, from a frame header or a response body.
func CodeOf(err error) (idl.ErrorCode, bool) {
	var code idl.ErrorCode
	ok := errors.As(err, &code)
	return code, ok
}

// MetaError is a meta or replica server's refusal, from the body of its answer. It
// unwraps to its code: errors.Is(err, idl.ErrAppNotExist).
type MetaError struct {
	// RPC is the task-code name, Addr the server that answered.
	RPC, Addr string
	Code      idl.ErrorCode
	// Hint is the server's own text, often empty.
	Hint string
}

// Error names request, server, code and hint.
func (e *MetaError) Error() string {
	s := fmt.Sprintf("%s: %s answered %s", e.RPC, e.Addr, string(e.Code))
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap gives the code.
func (e *MetaError) Unwrap() error { return e.Code }

// StatusError is a RocksDB status in the body of a data response.
type StatusError struct {
	RPC, Addr string
	Status    idl.Status
}

// Error names request, server and status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s to %s: storage engine says %v (%d)", e.RPC, e.Addr, e.Status, int32(e.Status))
}

// MetaAnswer is what one meta address said when it was asked for the leader.
type MetaAnswer struct {
	// Addr is the address asked, as configured when it could not be resolved.
	Addr string
	// Answer is one phrase, e.g. "connection refused" or "forwards to 10.0.0.2:34601".
	Answer string
	Err    error
}

// NoLeaderError says that no meta leader was found, and what each address answered.
type NoLeaderError struct {
	Cluster string
	Answers []MetaAnswer
}

// Error lists the answers, one phrase per address.
func (e *NoLeaderError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no meta leader of cluster %q found", e.Cluster)
	for i, a := range e.Answers {
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		b.WriteString(a.Addr + " " + a.Answer)
	}
	return b.String()
}

// Unwrap gives the underlying errors.
func (e *NoLeaderError) Unwrap() []error {
	var errs []error
	for _, a := range e.Answers {
		if a.Err != nil {
			errs = append(errs, a.Err)
		}
	}
	return errs
}

// TableChangedError says that a table is no longer the one that was opened.
type TableChangedError struct {
	Table string
	// What says it in words.
	What string
	// Err is the meta's answer, when there was one.
	Err error
}

// Error names table and change.
func (e *TableChangedError) Error() string {
	return fmt.Sprintf("table %s changed while it was in use: %s", e.Table, e.What)
}

// Unwrap gives the meta's answer.
func (e *TableChangedError) Unwrap() error { return e.Err }

// OpError is a read or write that failed for good.
type OpError struct {
	// Op is put, multi_put, get, ttl, remove or scan.
	Op        string
	Table     string
	Partition int32
	// Attempts is how often it was sent or could not be sent.
	Attempts int
	// Detail says what the user should know beyond the cause, "" for nothing.
	Detail string
	// Err is the last cause.
	Err error
}

// Error names operation, partition, attempts, cause and detail.
func (e *OpError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, table %s partition %d", e.Op, e.Table, e.Partition)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, ", given up after %d attempts", e.Attempts)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	return b.String()
}

// Unwrap gives the last cause.
func (e *OpError) Unwrap() error { return e.Err }
