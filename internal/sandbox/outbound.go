package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

const (
	// dialTimeout bounds a connection attempt to another server, in the machine's time.
	dialTimeout = 2 * time.Second
	// minRPCTimeout is the shortest timeout of a request between servers. It is not
	// scaled below this, or a busy machine would look like a dead cluster.
	minRPCTimeout = 2 * time.Second
)

// Errors that end a request to another server without an answer.
var (
	errNoAnswer   = errors.New("sandbox: no answer in time")
	errConnection = errors.New("sandbox: the connection ended")
)

// outbound is the client side of a server: what it asks servers of other clusters. It
// speaks to them over TCP like any client, so that everything that can happen to a
// client's request happens to these.
type outbound struct {
	s     *server
	mu    sync.Mutex
	links map[string]*link
	down  bool // the process is dead
	// asking counts requests that were not answered yet.
	asking atomic.Int64
}

// link is one connection to another server with the requests under way.
type link struct {
	conn    net.Conn
	mu      sync.Mutex
	seq     int32
	closed  bool
	pending map[int32]*waiter
}

// call sends a request and calls done once, on another goroutine, with the answer or
// an error. The caller must hold no lock. Nothing is called once the cluster is closed.
func (o *outbound) call(addr string, h idl.RequestHeader, name string, req idl.Message, timeout time.Duration, done func(idl.ResponseHead, error)) {
	c := o.s.c
	if !c.begin() {
		return
	}
	timeout = max(timeout, minRPCTimeout)
	h.TimeoutMs = uint32(timeout.Milliseconds())
	answer := done
	done = func(head idl.ResponseHead, err error) {
		answer(head, err)
		o.asking.Add(-1)
	}
	o.asking.Add(1)
	go func() {
		defer c.wg.Done()
		l, err := o.link(addr)
		if err != nil {
			done(idl.ResponseHead{}, err)
			return
		}
		w := &waiter{done: done}
		seq, ok := l.expect(w)
		if !ok {
			done(idl.ResponseHead{}, errConnection)
			return
		}
		w.setTimer(c.cfg.Clock.AfterFunc(timeout, func() {
			if l.forget(seq) && c.begin() {
				defer c.wg.Done()
				done(idl.ResponseHead{}, errNoAnswer)
			}
		}))
		if _, err := l.conn.Write(idl.AppendRequest(nil, h, name, seq, req)); err != nil {
			l.fail()
		}
	}()
}

// waiter is a request under way.
type waiter struct {
	done func(idl.ResponseHead, error)
	mu   sync.Mutex
	stop func() bool // of the timeout
	over bool
}

// setTimer keeps what cancels the timeout, or cancels it when the answer came first.
func (w *waiter) setTimer(stop func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop = stop; w.over {
		stop()
	}
}

// finish hands out the answer.
func (w *waiter) finish(head idl.ResponseHead, err error) {
	w.mu.Lock()
	if w.over = true; w.stop != nil {
		w.stop()
	}
	w.mu.Unlock()
	w.done(head, err)
}

// link is an open connection to an address, a new one when there is none. mu is not held
// while Cluster.mu is taken or the network is waited for: servers are stopped under
// Cluster.mu.
func (o *outbound) link(addr string) (*link, error) {
	if l, err := o.known(addr); l != nil || err != nil {
		return l, err
	}
	conn, err := net.DialTimeout("tcp4", addr, dialTimeout)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %s: %w", o.s.addr, err)
	}
	c := o.s.c
	if !c.begin() {
		return nil, errors.Join(errClosed, conn.Close())
	}
	l, added := o.add(addr, &link{conn: conn, pending: map[int32]*waiter{}})
	if !added {
		c.wg.Done()
		if err := conn.Close(); l == nil {
			return nil, errors.Join(errConnection, err)
		}
		return l, nil
	}
	go func() {
		defer c.wg.Done()
		l.read()
		o.mu.Lock()
		if o.links[addr] == l {
			delete(o.links, addr)
		}
		o.mu.Unlock()
	}()
	return l, nil
}

// known is the open connection to an address, nil for none.
func (o *outbound) known(addr string) (*link, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, errConnection
	}
	return o.links[addr], nil
}

// add registers a new connection, unless another one was faster, which is returned then,
// or the process has died: nil.
func (o *outbound) add(addr string, l *link) (_ *link, added bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down {
		return nil, false
	}
	if other := o.links[addr]; other != nil {
		return other, false
	}
	if o.links == nil {
		o.links = map[string]*link{}
	}
	o.links[addr] = l
	return l, true
}

// open lets a process that starts ask others.
func (o *outbound) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = false
}

// close ends all connections, as the death of the process does.
func (o *outbound) close() {
	o.mu.Lock()
	links := o.links
	o.links, o.down = nil, true
	o.mu.Unlock()
	for _, l := range links {
		_ = l.conn.Close() // the reader notices and ends the requests
	}
}

// expect registers a request; false on a connection that has ended.
func (l *link) expect(w *waiter) (int32, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, false
	}
	l.seq++
	l.pending[l.seq] = w
	return l.seq, true
}

// forget takes a request back; false when it has been answered.
func (l *link) forget(seq int32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.pending[seq]
	delete(l.pending, seq)
	return ok
}

// read hands out answers until the connection ends.
func (l *link) read() {
	defer l.fail()
	r := bufio.NewReader(l.conn)
	for {
		prefix, err := r.Peek(idl.ResponsePrefix)
		if err != nil {
			return
		}
		n, err := idl.ResponseLength(prefix)
		if err != nil {
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		head, err := idl.DecodeResponseHead(frame)
		if err != nil {
			return
		}
		l.mu.Lock()
		w := l.pending[head.Seq]
		delete(l.pending, head.Seq)
		l.mu.Unlock()
		if w != nil {
			w.finish(head, nil)
		}
	}
}

// fail ends the connection and everything that waits for an answer on it.
func (l *link) fail() {
	_ = l.conn.Close() // may have been closed before
	l.mu.Lock()
	waiting := l.pending
	l.pending, l.closed = map[int32]*waiter{}, true
	l.mu.Unlock()
	for _, w := range waiting {
		w.finish(idl.ResponseHead{}, errConnection)
	}
}

// askMetas asks metas of another cluster, one after the other until one leads, and
// calls done with the decoded answer. newResp makes the answer, code finds the error
// in it.
func (o *outbound) askMetas(metas []string, name string, req idl.Message, newResp func() idl.Message, code func(idl.Message) idl.ErrorCode, done func(idl.Message, error)) {
	if len(metas) == 0 {
		done(nil, errNoAnswer)
		return
	}
	next := func(err error) {
		if len(metas) == 1 {
			done(nil, err)
			return
		}
		o.askMetas(metas[1:], name, req, newResp, code, done)
	}
	o.call(metas[0], idl.RequestHeader{}, name, req, metaRPCTimeout, func(head idl.ResponseHead, err error) {
		if err != nil {
			next(err)
			return
		}
		resp := newResp()
		var d idl.Decoder
		if err := head.DecodeResult(&d, resp); err != nil {
			next(err)
			return
		}
		if got := code(resp); got == idl.ErrForwardToOthers {
			next(got)
			return
		}
		done(resp, nil)
	})
}

// metaRPCTimeout is how long a server waits for another cluster's meta, unscaled: the
// default of rpc_timeout_milliseconds.
const metaRPCTimeout = 5 * time.Second
