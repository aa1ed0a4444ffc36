package wire

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// errLinkDead tells conn to take another link; callers never see it.
var errLinkDead = errors.New("link is dead")

// link is one TCP connection from the decision to dial it to its death. Calls may
// be started while it is still dialling; they wait in the buffer.
type link struct {
	addr     string
	maxFrame int
	maxOut   int
	observe  func(Point)
	// onDead tells the owner, once, outside of mu.
	onDead func(l *link, err error)
	// abort ends a dial in progress.
	abort context.CancelFunc

	epoch    time.Time    // zero of all int64 times here
	lastRead atomic.Int64 // when bytes last came in
	answered atomic.Bool  // the server has sent a good frame

	wake  chan struct{} // capacity 1: the writer has work
	sweep chan struct{} // capacity 1: a deadline is earlier than the sweeper thinks
	dead  chan struct{} // closed when err is set
	// buried is closed after onDead: the owner no longer offers this link.
	buried chan struct{}

	mu       sync.Mutex
	err      error    // why it died
	nc       net.Conn // nil while dialling
	out      []byte   // encoded, not yet taken by the writer
	spare    []byte   // the writer's other buffer
	calls    pending
	seq      int32 // the last id given out
	wrapped  bool  // all positive ids have been given out
	earliest int64 // no deadline in calls is before this
	resting  bool  // the writer waits for wake
	room     chan struct{}
}

func newLink(addr string, opts *Options, onDead func(*link, error)) *link {
	return &link{
		addr:     addr,
		maxFrame: opts.MaxFrame,
		maxOut:   opts.WriteBuffer,
		observe:  opts.Observe,
		onDead:   onDead,
		epoch:    time.Now(),
		earliest: math.MaxInt64,
		wake:     make(chan struct{}, 1),
		sweep:    make(chan struct{}, 1),
		dead:     make(chan struct{}),
		buried:   make(chan struct{}),
	}
}

// now is the time since epoch, from the monotonic clock.
func (l *link) now() int64 { return int64(time.Since(l.epoch)) }

// start queues a call. On an error the call is still the caller's, unsent;
// errLinkDead means that another link may take it. It blocks only for room.
func (l *link) start(ctx context.Context, c *Call) error {
	now := l.now()
	c.started = now
	c.deadline = l.deadlineOf(c)
	if c.deadline <= now {
		return &DeadlineError{RPC: c.name(), Addr: l.addr}
	}
	l.mu.Lock()
	for l.err == nil && len(l.out) >= l.maxOut {
		if err := l.waitRoom(ctx, c); err != nil {
			l.mu.Unlock()
			return err
		}
	}
	if l.err != nil {
		l.mu.Unlock()
		return errLinkDead
	}
	l.encode(c, now)
	rouse := l.resting
	l.resting = false
	l.mu.Unlock()
	if rouse {
		l.wake <- struct{}{}
	}
	return nil
}

// deadlineOf is the moment at which a call that starts now fails.
func (l *link) deadlineOf(c *Call) int64 {
	deadline := int64(math.MaxInt64)
	if c.Timeout > 0 {
		deadline = c.started + int64(c.Timeout)
	}
	if !c.Deadline.IsZero() {
		deadline = min(deadline, int64(c.Deadline.Sub(l.epoch)))
	}
	if deadline == math.MaxInt64 {
		deadline = c.started + int64(defaultCallTimeout)
	}
	return deadline
}

// encode gives the call its id and puts it into the buffer; mu is held.
func (l *link) encode(c *Call, now int64) {
	if l.seq == math.MaxInt32 {
		l.seq, l.wrapped = 0, true
	}
	l.seq++
	c.seq = l.seq
	h := c.Header
	if h.TimeoutMs == 0 {
		h.TimeoutMs = uint32(min(max((c.deadline-now)/int64(time.Millisecond), 1), math.MaxInt32))
	}
	l.out = idl.AppendRequest(l.out, h, c.RPC.Name, c.seq, c.Req)
	l.calls.add(c)
	if c.deadline < l.earliest {
		l.earliest = c.deadline
		select {
		case l.sweep <- struct{}{}:
		default:
		}
	}
}

// sendOneWay queues a request that has no reply. It never blocks: without room the
// request is dropped, which such requests must stand.
func (l *link) sendOneWay(h idl.RequestHeader, name string, req idl.Message) {
	l.mu.Lock()
	if l.err != nil || len(l.out) >= l.maxOut {
		l.mu.Unlock()
		return
	}
	if l.seq == math.MaxInt32 {
		l.seq, l.wrapped = 0, true
	}
	l.seq++
	l.out = idl.AppendRequest(l.out, h, name, l.seq, req)
	rouse := l.resting
	l.resting = false
	l.mu.Unlock()
	if rouse {
		l.wake <- struct{}{}
	}
}

// waitRoom waits until the writer has taken the buffer, without mu but called and
// returning with it. Its errors mean that the call was not queued.
func (l *link) waitRoom(ctx context.Context, c *Call) error {
	if c.NoWait {
		return &ConnError{Addr: l.addr, Err: ErrBufferFull}
	}
	if l.room == nil {
		l.room = make(chan struct{})
	}
	room := l.room
	l.mu.Unlock()
	defer l.mu.Lock()
	timer := time.NewTimer(time.Duration(c.deadline - l.now()))
	defer timer.Stop()
	select {
	case <-room:
		return nil
	case <-l.dead:
		return nil
	case <-ctx.Done():
		return &AbandonedError{RPC: c.name(), Addr: l.addr, Err: context.Cause(ctx)}
	case <-timer.C:
		return &DeadlineError{RPC: c.name(), Addr: l.addr, Elapsed: time.Duration(l.now() - c.started)}
	}
}

// abandon takes a call back before its reply. It is false when the call has ended
// or is ending, in which case Done runs or has run.
func (l *link) abandon(c *Call) (taken, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls.get(c.seq) != c {
		return false, true
	}
	l.calls.remove(c.seq)
	return true, l.nc != nil
}

// opened says that the dial succeeded; false when the link has died meanwhile.
func (l *link) opened(nc net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.nc = nc
	l.lastRead.Store(l.now())
	return true
}

// fail ends the link and all calls in it. Only the first call does anything.
func (l *link) fail(cause error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = cause
	nc, sent := l.nc, l.nc != nil
	orphans := make([]*Call, 0, l.calls.n)
	l.calls.each(func(c *Call) { orphans = append(orphans, c) })
	l.calls, l.out, l.spare = pending{}, nil, nil
	l.mu.Unlock()

	close(l.dead)
	if l.abort != nil {
		l.abort()
	}
	if nc != nil {
		// The link is over; what Close says changes nothing.
		_ = nc.Close()
	}
	l.onDead(l, cause)
	close(l.buried)
	err := &ConnError{Addr: l.addr, Err: cause, Sent: sent}
	for _, c := range orphans {
		finish(c, err)
	}
}

// finish ends a call that was taken out of pending.
func finish(c *Call, err error) {
	c.Err = err
	c.Done(c)
}
