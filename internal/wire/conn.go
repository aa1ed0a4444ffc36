package wire

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// conn is a connection to an address: one link after the other.
type conn struct {
	addr string
	opts Options
	// live is the link that takes calls; nil when the next call has to dial.
	live atomic.Pointer[link]
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	pause   *backoff.ExponentialBackOff
	retryAt time.Time // no dial before
	lastErr error     // why not
}

func newConn(addr string, opts Options) *conn {
	opts = opts.withDefaults()
	pause := &backoff.ExponentialBackOff{
		InitialInterval:     opts.MinBackoff,
		MaxInterval:         opts.MaxBackoff,
		Multiplier:          2,
		RandomizationFactor: 0.3,
	}
	pause.Reset()
	return &conn{addr: addr, opts: opts, pause: pause}
}

// start queues a call, or ends it with the reason why not, on this goroutine.
func (c *conn) start(ctx context.Context, call *Call) (l *link) {
	if c.opts.Observe != nil {
		c.opts.Observe(Point{RPC: call.name(), Addr: c.addr, Phase: BeforeSend, Control: control(call.RPC)})
	}
	call.replied = false
	for {
		l, err := c.link()
		if err == nil {
			err = l.start(ctx, call)
		}
		switch err {
		case nil:
			return l
		case errLinkDead:
			<-l.buried
		default:
			finish(call, err)
			return nil
		}
	}
}

// link is the live link, or a new one that has begun to dial.
func (c *conn) link() (*link, error) {
	if l := c.live.Load(); l != nil {
		return l, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.live.Load(); l != nil {
		return l, nil
	}
	if c.closed {
		return nil, &ConnError{Addr: c.addr, Err: ErrClosed}
	}
	if time.Now().Before(c.retryAt) {
		return nil, &ConnError{Addr: c.addr, Err: c.lastErr}
	}
	l := newLink(c.addr, &c.opts, c.linkDied)
	ctx, abort := context.WithTimeout(context.Background(), c.opts.DialTimeout)
	l.abort = abort
	c.live.Store(l)
	c.wg.Add(1)
	go c.run(ctx, l)
	return l, nil
}

// run dials and then reads; it owns the other goroutines of the link.
func (c *conn) run(ctx context.Context, l *link) {
	defer c.wg.Done()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(l.sweepLoop)
	nc, err := c.opts.Dial(ctx, "tcp", c.addr)
	if err != nil {
		l.fail(err)
		return
	}
	if !l.opened(nc) {
		_ = nc.Close()
		return
	}
	wg.Go(func() { l.writeLoop(nc) })
	l.readLoop(nc)
}

// linkDied makes room for the next link and decides when it may dial: at once
// after a server that had answered, after a growing pause otherwise. A server that
// accepts connections and drops them counts as one that does not answer.
func (c *conn) linkDied(l *link, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live.CompareAndSwap(l, nil)
	c.lastErr = err
	if l.answered.Load() {
		c.pause.Reset()
		c.retryAt = time.Time{}
		return
	}
	c.retryAt = time.Now().Add(c.pause.NextBackOff())
}

// call sends a request and waits for its reply, its deadline or ctx.
func (c *conn) call(ctx context.Context, rpc *idl.RPC, h idl.RequestHeader, req, resp idl.Message) error {
	if err := context.Cause(ctx); err != nil {
		return &AbandonedError{RPC: rpc.Name, Addr: c.addr, Err: err}
	}
	done := make(chan struct{})
	call := &Call{RPC: rpc, Header: h, Req: req, Resp: resp, OwnFrame: true, waited: true}
	call.Done = func(*Call) { close(done) }
	call.Deadline = time.Now().Add(defaultCallTimeout)
	if h.TimeoutMs > 0 {
		call.Deadline = time.Now().Add(time.Duration(h.TimeoutMs) * time.Millisecond)
	}
	if d, ok := ctx.Deadline(); ok && (d.Before(call.Deadline) || h.TimeoutMs == 0) {
		call.Deadline = d
	}
	l := c.start(ctx, call)
	if l == nil {
		return call.Err
	}
	select {
	case <-done:
	case <-ctx.Done():
		if taken, sent := l.abandon(call); taken {
			return &AbandonedError{RPC: rpc.Name, Addr: c.addr, Err: context.Cause(ctx), Sent: sent}
		}
		<-done
	}
	if call.replied && c.opts.Observe != nil {
		c.opts.Observe(Point{RPC: rpc.Name, Addr: c.addr, Phase: AfterReply, Control: control(rpc)})
	}
	return call.Err
}

// sendOneWay sends a request that is never answered, if a link is up.
func (c *conn) sendOneWay(h idl.RequestHeader, rpc *idl.RPC, req idl.Message) {
	if l := c.live.Load(); l != nil {
		l.sendOneWay(h, rpc.Name, req)
	}
}

// close fails what is in flight and waits for the goroutines.
func (c *conn) close() {
	c.mu.Lock()
	c.closed = true
	l := c.live.Load()
	c.mu.Unlock()
	if l != nil {
		l.fail(ErrClosed)
	}
	c.wg.Wait()
}

// control tells whether a request is something else than a read or write of rows.
func control(rpc *idl.RPC) bool { return rpc.Kind != idl.KindReplica }

// lookup finds an RPC by name.
func lookup(name, addr string) (*idl.RPC, error) {
	rpc, ok := idl.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("%s to %s: no such request is known (nothing was sent)", name, addr)
	}
	return rpc, nil
}
