package wire

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// MetaConn is a connection to one meta server. It is safe for concurrent use.
type MetaConn struct{ c *conn }

// NewMetaConn prepares a connection to addr ("host:port"); the first call dials.
// The owner must Close it.
func NewMetaConn(addr string, opts Options) *MetaConn { return &MetaConn{newConn(addr, opts)} }

// Addr is the address given to NewMetaConn.
func (m *MetaConn) Addr() string { return m.c.addr }

// Call sends a meta request or a remote command and waits until the reply is in
// resp, or ctx ends, or h.TimeoutMs or the deadline of ctx is over (10 s without
// either). It refuses every other kind of request with a KindError: data requests
// kill meta servers. resp must not be read after an error and may be nil.
func (m *MetaConn) Call(ctx context.Context, h idl.RequestHeader, name string, req, resp idl.Message) error {
	rpc, err := lookup(name, m.c.addr)
	if err != nil {
		return err
	}
	if rpc.Kind != idl.KindMeta && rpc.Kind != idl.KindRemote {
		return &KindError{RPC: name, Addr: m.c.addr, Conn: "meta"}
	}
	return m.c.call(ctx, rpc, h, req, resp)
}

// Close fails the calls in flight with ErrClosed and returns when all goroutines of
// the connection have ended. It must not be called from a Done function.
func (m *MetaConn) Close() { m.c.close() }
