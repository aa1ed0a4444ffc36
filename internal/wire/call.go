package wire

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Call is one request in flight. Its owner fills the exported fields, starts it and
// must not touch it until Done runs. It may be used again afterwards, so that owners
// can pool calls: starting one costs no allocation.
type Call struct {
	// RPC says which request it is. It comes from idl.Lookup.
	RPC *idl.RPC
	// Header goes in front of the request; ThreadHash must be set, BodyLength is not
	// looked at, and a TimeoutMs of 0 is replaced by the time left to Deadline.
	Header idl.RequestHeader
	// Req is encoded before Start returns and not looked at afterwards.
	Req idl.Message
	// Resp is filled by the reply. Byte slices in it alias the frame: without
	// OwnFrame they are valid only until Done returns. Nil ignores the body.
	Resp idl.Message
	// Deadline is when the call fails with a DeadlineError, and Timeout is how long
	// after Start; the earlier one counts, a zero one does not. Without either the call
	// has 10 s. With a Timeout alone Start needs no clock beyond its own.
	Deadline time.Time
	Timeout  time.Duration
	// NoWait makes Start fail the call with ErrBufferFull instead of waiting for room
	// in the write buffer. Calls that are started from a Done function need it.
	NoWait bool
	// OwnFrame asks for a reply frame of its own, so that Resp stays valid. Frame is
	// the buffer for it, used when large enough, and holds the frame afterwards. After
	// an error it may be nil: then the reader is still writing into the buffer.
	OwnFrame bool
	Frame    []byte
	// Done is called exactly once: after the reply on the reader's goroutine, after a
	// failure on the goroutine that found it, which may be the one that calls Start.
	// It must not block and must not close the connection.
	Done func(*Call)
	// User is for the owner. Storing a pointer does not allocate.
	User any
	// Err is nil or one of the errors of this package.
	Err error

	waited   bool // a goroutine waits in conn.call; it reports the reply
	replied  bool // the server has answered
	seq      int32
	started  int64 // nanoseconds since the link's epoch
	deadline int64 // the same
}

// name is the task code on the wire.
func (c *Call) name() string { return c.RPC.Name }
