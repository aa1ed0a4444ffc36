package wire

import (
	"context"
	"net"
	"time"
)

// Defaults and limits of Options. The go-client waits 60 s after a lost connection
// and 3 s for a dial; the first costs a migration a minute per restarted server.
const (
	defaultDialTimeout = 3 * time.Second
	defaultMinBackoff  = 5 * time.Millisecond
	defaultMaxBackoff  = 500 * time.Millisecond
	// defaultMaxFrame bounds a reply. A scan page is at most 1000 rows, adapted by
	// the scanner to a few MiB; a multi_get stops at 30 MiB
	// (rocksdb_multi_get_max_iteration_size).
	defaultMaxFrame = 128 << 20
	// defaultWriteBuffer is how much may wait for the writer before callers do.
	// 256 KiB is thousands of rows and still few system calls.
	defaultWriteBuffer = 256 << 10
	// keepBuffer is the largest write buffer that is kept for further use.
	keepBuffer = 2 << 20
	// writeTimeout ends a link whose server takes nothing (go-client uses the same).
	writeTimeout = 10 * time.Second
	// silentLimit: a call that times out after at least this long, on a link that
	// has not given a byte since the call was made, takes the link with it. A fresh
	// connection is the only way past a half-open one.
	silentLimit = 3 * time.Second
	// defaultCallTimeout is for calls that name no deadline: every wait has one.
	defaultCallTimeout = 10 * time.Second
)

// Options tune connections. The zero value is usable.
type Options struct {
	// DialTimeout bounds one dial (default 3 s).
	DialTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause before a server that did not answer
	// is dialled again (default 5 ms and 500 ms). Calls in the pause fail at once.
	MinBackoff, MaxBackoff time.Duration
	// Dial opens connections (default net.Dialer). It must honour ctx.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxFrame is the largest reply in bytes that is accepted (default 128 MiB).
	MaxFrame int
	// WriteBuffer is the number of unsent bytes at which Start blocks (default 256 KiB).
	WriteBuffer int
	// Observe, when set, is told of every request before it is queued, on the
	// caller's goroutine, and of every reply before the call ends: on the caller's
	// goroutine for Call, on the reader's for Start. It is for tests that stop the
	// process at such points; it must be safe for concurrent use.
	Observe func(Point)
}

// Phase says on which side of a request a Point lies.
type Phase int

// The phases of a Point.
const (
	// BeforeSend: nothing of the request has left the process.
	BeforeSend Phase = iota + 1
	// AfterReply: the server has answered; the caller does not know yet.
	AfterReply
)

// String names the phase.
func (p Phase) String() string {
	if p == BeforeSend {
		return "before-send"
	}
	return "after-reply"
}

// Point is a moment in the life of a request.
type Point struct {
	// RPC is the task-code name, e.g. "RPC_CM_CREATE_APP".
	RPC string
	// Addr is the server, as given to NewMetaConn or NewReplicaConn.
	Addr  string
	Phase Phase
	// Control is true for everything but reads and writes of rows.
	Control bool
}

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.DialTimeout, defaultDialTimeout)
	def(&o.MinBackoff, defaultMinBackoff)
	def(&o.MaxBackoff, max(defaultMaxBackoff, o.MinBackoff))
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.MaxFrame <= 0 {
		o.MaxFrame = defaultMaxFrame
	}
	if o.WriteBuffer <= 0 {
		o.WriteBuffer = defaultWriteBuffer
	}
	return o
}
