package blobstore

import (
	"context"
	"net"
	"sync"
	"time"
)

// The library gives its connections no deadlines where none can be set through it (requests to name nodes, the opening of
// blocks) and dials without the caller's context. So it is given connections that have deadlines of their own and that
// can be cut from outside.

// connections are those of one session.
type connections struct {
	// end closes over, and with it every dial ends.
	end  context.CancelFunc
	over <-chan struct{}

	mu       sync.Mutex
	open     map[*timedConn]bool // true for connections to name nodes
	nameNode string              // the one that was dialed last
	broken   bool
}

func newConnections() *connections {
	ctx, cancel := context.WithCancel(context.Background())
	return &connections{end: cancel, over: ctx.Done(), open: make(map[*timedConn]bool)}
}

// dial gives the function that the library dials with. step is the deadline of a dial and of every read and write.
func (c *connections) dial(toNameNode bool, step time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, step)
		defer cancel()
		finished := make(chan struct{})
		defer close(finished)
		go func() {
			select {
			case <-c.over:
				cancel()
			case <-finished:
			}
		}()
		if toNameNode {
			c.mu.Lock()
			c.nameNode = address
			c.mu.Unlock()
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			if toNameNode {
				c.breakDown()
			}
			select {
			case <-c.over:
				err = net.ErrClosed // the end of a session is not that of the caller's context
			default:
			}
			return nil, err
		}
		t := &timedConn{Conn: conn, owner: c, step: step, vital: toNameNode}
		c.mu.Lock()
		defer c.mu.Unlock()
		select {
		case <-c.over:
			_ = conn.Close() // it was never used
			return nil, net.ErrClosed
		default:
		}
		c.open[t] = toNameNode
		return t, nil
	}
}

// breakDown marks the session as not to be used again: the library keeps a name node's connection on which a reply was
// not read to its end, and takes the rest of it for the reply to another request.
func (c *connections) breakDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = true
}

func (c *connections) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.broken
}

// lastNameNode is the address that was dialed last.
func (c *connections) lastNameNode() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nameNode
}

// cut closes connections, and with all set ends the session. Whoever reads or writes comes back with an error.
func (c *connections) cut(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all {
		c.broken = true
		c.end()
	}
	for t, nameNode := range c.open {
		if all || !nameNode {
			_ = t.Conn.Close() // being closed is all that is wanted
			delete(c.open, t)
		}
	}
}

// timedConn gives every read and write a deadline.
type timedConn struct {
	net.Conn
	owner *connections
	step  time.Duration
	vital bool // to a name node
}

// Read implements net.Conn.
func (t *timedConn) Read(p []byte) (int, error) {
	return t.timed(t.Conn.SetReadDeadline, t.Conn.Read, p)
}

// Write implements net.Conn.
func (t *timedConn) Write(p []byte) (int, error) {
	return t.timed(t.Conn.SetWriteDeadline, t.Conn.Write, p)
}

func (t *timedConn) timed(deadline func(time.Time) error, move func([]byte) (int, error), p []byte) (int, error) {
	err := deadline(time.Now().Add(t.step))
	n := 0
	if err == nil {
		n, err = move(p)
	}
	if err != nil && t.vital {
		t.owner.breakDown()
	}
	return n, err
}

// Close implements net.Conn.
func (t *timedConn) Close() error {
	t.owner.mu.Lock()
	delete(t.owner.open, t)
	t.owner.mu.Unlock()
	return t.Conn.Close()
}

// SetDeadline and its like do nothing: the library sets a time of zero, and would take ours away.
func (*timedConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (*timedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (*timedConn) SetWriteDeadline(time.Time) error { return nil }
