package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ErrClosed is wrapped by the error of calls on a connection that was closed by
// its owner.
var ErrClosed = errors.New("connection was closed by us")

// ErrBufferFull is the error of a call with NoWait whose connection has no room for
// it. Nothing was sent.
var ErrBufferFull = errors.New("write buffer is full")

// ErrProtocol is wrapped by errors about bytes that no Pegasus server sends. The
// connection that gave them is closed.
var ErrProtocol = errors.New("not the Pegasus protocol")

// ErrFrameTooLarge is wrapped, together with ErrProtocol, when a reply announces
// more than Options.MaxFrame bytes.
var ErrFrameTooLarge = errors.New("reply is too large")

// HeaderError is a reply whose frame header carries a code other than ERR_OK; it
// has no body. Any string can be a code: servers know more than we do.
type HeaderError struct {
	// RPC is the request's task-code name, Addr the server that answered.
	RPC, Addr string
	Code      idl.ErrorCode
}

// Error names request, server and code.
func (e *HeaderError) Error() string { return fmt.Sprintf("%s to %s: %s", e.RPC, e.Addr, e.Code) }

// Unwrap makes errors.Is(err, idl.ErrInvalidState) and the like work.
func (e *HeaderError) Unwrap() error { return e.Code }

// ConnError says that a connection could not be made or was lost. Calls in flight
// fail with it at once.
type ConnError struct {
	Addr string
	Err  error
	// Sent is false when the request certainly did not leave this process.
	Sent bool
}

// Error names the server and the cause.
func (e *ConnError) Error() string {
	if e.Sent {
		return fmt.Sprintf("connection to %s lost: %v", e.Addr, e.Err)
	}
	return fmt.Sprintf("connect to %s: %v", e.Addr, e.Err)
}

// Unwrap gives the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// MaybeSent reports Sent.
func (e *ConnError) MaybeSent() bool { return e.Sent }

// DeadlineError is a call that had no reply by its deadline. It wraps
// context.DeadlineExceeded.
type DeadlineError struct {
	RPC, Addr string
	// Elapsed is the time from Start to the deadline.
	Elapsed time.Duration
	// Sent is false when the request certainly did not leave this process.
	Sent bool
}

// Error names request, server and time.
func (e *DeadlineError) Error() string {
	if !e.Sent {
		return fmt.Sprintf("%s to %s: not sent within %v", e.RPC, e.Addr, e.Elapsed.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s to %s: no reply within %v", e.RPC, e.Addr, e.Elapsed.Round(time.Millisecond))
}

// Unwrap gives context.DeadlineExceeded.
func (e *DeadlineError) Unwrap() error { return context.DeadlineExceeded }

// MaybeSent reports Sent.
func (e *DeadlineError) MaybeSent() bool { return e.Sent }

// AbandonedError is a call that its caller gave up by context before the reply.
type AbandonedError struct {
	RPC, Addr string
	// Err is the context's cause.
	Err error
	// Sent is false when the request certainly did not leave this process.
	Sent bool
}

// Error names request, server and cause.
func (e *AbandonedError) Error() string { return fmt.Sprintf("%s to %s: %v", e.RPC, e.Addr, e.Err) }

// Unwrap gives the context's cause.
func (e *AbandonedError) Unwrap() error { return e.Err }

// MaybeSent reports Sent.
func (e *AbandonedError) MaybeSent() bool { return e.Sent }

// ReplyError is a reply to a call of ours that cannot be read. It wraps ErrProtocol
// and the cause. The server has seen the request.
type ReplyError struct {
	RPC, Addr string
	Err       error
}

// Error names request, server and cause.
func (e *ReplyError) Error() string {
	return fmt.Sprintf("unreadable reply to %s from %s: %v", e.RPC, e.Addr, e.Err)
}

// Unwrap gives ErrProtocol and the cause.
func (e *ReplyError) Unwrap() []error { return []error{ErrProtocol, e.Err} }

// MaybeSent is true.
func (e *ReplyError) MaybeSent() bool { return true }

// KindError is a request that must not be sent on this kind of connection.
type KindError struct {
	RPC, Addr string
	// Conn is "meta" or "replica".
	Conn string
}

// Error says what was refused, and that nothing was sent.
func (e *KindError) Error() string {
	return fmt.Sprintf("%s must not be sent to the %s server %s (nothing was sent)", e.RPC, e.Conn, e.Addr)
}

// MaybeSent tells whether a request that failed with err may have reached its server
// without an answer saying what became of it. It is false for errors that exclude
// that, for a HeaderError, which is such an answer, and for everything else.
func MaybeSent(err error) bool {
	var m interface{ MaybeSent() bool }
	if errors.As(err, &m) {
		return m.MaybeSent()
	}
	return false
}
