package wire

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ReplicaConn is a connection to one replica server. It is safe for concurrent use.
type ReplicaConn struct{ c *conn }

// NewReplicaConn prepares a connection to addr ("host:port"); the first call dials.
// The owner must Close it.
func NewReplicaConn(addr string, opts Options) *ReplicaConn {
	return &ReplicaConn{newConn(addr, opts)}
}

// Addr is the address given to NewReplicaConn.
func (r *ReplicaConn) Addr() string { return r.c.addr }

// Call sends a request and waits until the reply is in resp, or ctx ends, or
// h.TimeoutMs or the deadline of ctx is over (10 s without either). It refuses meta
// requests with a KindError. resp keeps its frame; it must not be read after an
// error and may be nil.
func (r *ReplicaConn) Call(ctx context.Context, h idl.RequestHeader, name string, req, resp idl.Message) error {
	rpc, err := lookup(name, r.c.addr)
	if err != nil {
		return err
	}
	if rpc.Kind == idl.KindMeta {
		return &KindError{RPC: name, Addr: r.c.addr, Conn: "replica"}
	}
	return r.c.call(ctx, rpc, h, req, resp)
}

// Start sends a request without waiting for the reply; call.Done tells the outcome,
// possibly before Start returns. It blocks only while the write buffer is full, at
// most until the call's deadline, and not at all with call.NoWait.
func (r *ReplicaConn) Start(call *Call) { r.c.start(context.Background(), call) }

// StartContext is Start whose wait for room in the write buffer also ends with ctx.
// Once the request is queued, ctx has no influence on it.
func (r *ReplicaConn) StartContext(ctx context.Context, call *Call) { r.c.start(ctx, call) }

// Send sends a request that servers never answer (CLEAR_SCANNER), if a connection
// is up and has room. Whether it arrived is not known.
func (r *ReplicaConn) Send(h idl.RequestHeader, name string, req idl.Message) {
	if rpc, ok := idl.Lookup(name); ok && rpc.OneWay {
		r.c.sendOneWay(h, rpc, req)
	}
}

// Close fails the calls in flight with ErrClosed and returns when all goroutines of
// the connection have ended. It must not be called from a Done function.
func (r *ReplicaConn) Close() { r.c.close() }
