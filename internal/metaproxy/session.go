package metaproxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

const (
	// sessionTimeout is asked for; servers take at least two of their ticks (4 s by default,
	// minSessionTimeout). A session here lives for one call.
	sessionTimeout = 10 * time.Second
	// goodbye is how long a server may take to confirm the end of a session.
	goodbye = 300 * time.Millisecond
	// patience is how long the library may take to notice that its connection is cut, microseconds
	// on a machine that is not starved.
	patience = 2 * time.Second
)

// errNoSession says that a server took the connection and gave no session in time.
var errNoSession = errors.New("no session in time")

// session is one ZooKeeper session on one connection to one server; it is never connected again.
type session struct {
	addr   string
	conn   *zk.Conn
	events <-chan zk.Event // closed when the library's goroutines have ended
	cancel context.CancelFunc

	ready chan struct{} // the session is there
	lost  chan struct{} // the one connection could not be made, or broke
	idle  chan struct{} // the library has seen the loss and waits
	once  struct{ ready, lost, idle sync.Once }

	mu    sync.Mutex
	guard *guard
	err   error // why there is no connection
	dials int
	cut   bool
}

// errOneConnection ends every attempt of the library to connect again.
var errOneConnection = errors.New("the connection was lost")

// begin gets a session from one server, within limit and ctx. On an error nothing is left behind.
func begin(ctx context.Context, o Options, addr string, limit time.Duration) (*session, error) {
	dialing, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	s := &session{addr: addr, cancel: cancel, ready: make(chan struct{}), lost: make(chan struct{}), idle: make(chan struct{})}
	dial := func(network, address string, _ time.Duration) (net.Conn, error) {
		return s.dial(dialing, o, network, address)
	}
	conn, events, err := zk.Connect([]string{addr}, sessionTimeout, zk.WithDialer(dial), zk.WithLogger(quiet{}), zk.WithLogInfo(false),
		zk.WithHostProvider(&oneHost{addr: addr}), zk.WithEventCallback(s.event), zk.WithMaxBufferSize(maxFrame), zk.WithMaxConnBufferSize(maxFrame))
	if err != nil {
		cancel()
		return nil, err
	}
	s.conn, s.events = conn, events
	select {
	case <-s.ready:
		return s, nil
	case <-s.lost:
		err = s.why()
	case <-dialing.Done():
		err = errNoSession
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.drop()
	s.end()
	return nil, err
}

// dial makes the one connection.
func (s *session) dial(ctx context.Context, o Options, network, address string) (net.Conn, error) {
	s.mu.Lock()
	s.dials++
	again := s.dials > 1 || s.cut
	s.mu.Unlock()
	if again {
		return nil, errOneConnection
	}
	conn, err := o.dial(ctx, network, address)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.err = err
		s.once.lost.Do(func() { close(s.lost) })
		return nil, err
	case s.cut:
		_ = conn.Close()
		return nil, errOneConnection
	}
	s.guard = &guard{Conn: conn}
	return s.guard, nil
}

// event follows the library's state; it runs on the library's goroutine.
func (s *session) event(e zk.Event) {
	if e.Type != zk.EventSession {
		return
	}
	switch e.State {
	case zk.StateHasSession:
		s.once.ready.Do(func() { close(s.ready) })
	case zk.StateDisconnected, zk.StateExpired:
		s.once.lost.Do(func() { close(s.lost) })
	case zk.StateConnecting:
		s.mu.Lock()
		over := s.guard != nil || s.dials > 0
		s.mu.Unlock()
		if over {
			s.once.idle.Do(func() { close(s.idle) })
		}
	}
}

// why says how the connection was lost.
func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.guard != nil {
		if err := s.guard.why(); err != nil {
			return err
		}
	}
	return errOneConnection
}

// local is our address on the connection, nil without one.
func (s *session) local() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return nil
	}
	return s.guard.LocalAddr()
}

// bar lets no Set leave from now on and tells whether one left.
func (s *session) bar() bool {
	s.mu.Lock()
	g := s.guard
	s.mu.Unlock()
	return g != nil && g.bar()
}

// drop cuts the connection at once; whatever waits for an answer fails. Safe for concurrent use.
func (s *session) drop() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	if s.guard != nil {
		s.guard.bar()
		_ = s.guard.Conn.Close()
	}
}

// end ends the session and returns when the library's goroutines have ended.
func (s *session) end() {
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	if cut {
		// The library answers its own farewell only while it waits between two attempts to connect;
		// before that it would wait a second for an answer that cannot come.
		endsWithin(goodbye, s.idle)
	}
	slow := time.AfterFunc(goodbye, s.drop)
	s.conn.Close()
	slow.Stop()
	s.drop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range s.events {
			// The channel ends with the last goroutine.
		}
	}()
	// With its connection cut nothing is left for the library to wait for. Should it wait all the
	// same, a goroutine that stays is better than a cut-over that does not go on.
	endsWithin(patience, ended)
}

// endsWithin waits for a channel to be closed, for a while.
func endsWithin(d time.Duration, ended <-chan struct{}) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-ended:
		return true
	case <-limit.C:
		return false
	}
}

// do runs one request of the library, which knows no context: when ctx or limit ends the connection
// is cut and the request fails.
func do[T any](ctx context.Context, s *session, limit time.Duration, request func() (T, error)) (T, error) {
	var value, none T
	var err error
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		value, err = request()
	}()
	select {
	case <-ended:
		return value, err
	case <-ctx.Done():
	}
	s.drop()
	if endsWithin(patience, ended) && err == nil {
		return value, nil // it came in the last moment
	}
	return none, context.Cause(ctx)
}

var errNoAnswer = errors.New("no answer in time")

// quiet is the library's log, which goes nowhere: what matters comes back as errors.
type quiet struct{}

// Printf implements zk.Logger.
func (quiet) Printf(string, ...any) {}

// oneHost is a list of one server that says from the second time on that all were tried, so that
// the library pauses.
type oneHost struct {
	addr string
	mu   sync.Mutex
	used bool
}

// Init implements zk.HostProvider.
func (h *oneHost) Init([]string) error { return nil }

// Len implements zk.HostProvider.
func (h *oneHost) Len() int { return 1 }

// Next implements zk.HostProvider.
func (h *oneHost) Next() (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	again := h.used
	h.used = true
	return h.addr, again
}

// Connected implements zk.HostProvider.
func (h *oneHost) Connected() {}
