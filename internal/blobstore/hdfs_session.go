package blobstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/colinmarc/hdfs/v2"
)

// session is a client of the library, used by one call at a time: a connection that a call shares with others cannot be
// cut when the call is over.
type session struct {
	client *hdfs.Client
	conns  *connections
}

// maxIdle is how many sessions are kept between calls. Each one asks the name node to renew its leases once a second,
// whether it has some or not: the library does so.
const maxIdle = 4

// sessions hands them out.
type sessions struct {
	setup hdfsSetup

	mu        sync.Mutex
	addresses []string // the one to try first, first
	idle      []*session
	closed    bool
}

func newSessions(s hdfsSetup) *sessions {
	return &sessions{setup: s, addresses: slices.Clone(s.client.Addresses)}
}

// use runs f with a session. When the context ends meanwhile, f comes back at once, and the error says why.
func use[T any](ctx context.Context, p *sessions, f func(*session) (T, error)) (T, error) {
	var none T
	s, err := p.take(ctx)
	if err != nil {
		return none, err
	}
	value, err := during(ctx, s, func() (T, error) { return f(s) })
	p.giveAfter(s, err)
	return value, err
}

// during cuts the session's connections when the context ends before f does.
func during[T any](ctx context.Context, s *session, f func() (T, error)) (T, error) {
	stop := context.AfterFunc(ctx, func() { s.conns.cut(true) })
	value, err := f()
	if !stop() && err != nil {
		err = ended(ctx)
	}
	return value, err
}

func (p *sessions) take(ctx context.Context) (*session, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	for {
		s, addresses, err := p.pop()
		switch {
		case err != nil:
			return nil, err
		case s == nil:
			return p.connect(ctx, addresses)
		case s.conns.usable():
			return s, nil
		}
		p.discard(s)
	}
}

func (p *sessions) pop() (*session, []string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	n := len(p.idle)
	if n == 0 {
		return nil, slices.Clone(p.addresses), nil
	}
	s := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return s, nil, nil
}

func (p *sessions) connect(ctx context.Context, addresses []string) (*session, error) {
	s := &session{conns: newConnections()}
	o := p.setup.client
	o.Addresses = addresses
	o.NamenodeDialFunc = s.conns.dial(true, p.setup.deadlines.Try)
	// A transfer that stalls has time for a second data node.
	o.DatanodeDialFunc = s.conns.dial(false, p.setup.deadlines.Stall/2)
	_, err := during(ctx, s, func() (_ struct{}, err error) {
		s.client, err = hdfs.NewClient(o)
		return struct{}{}, err
	})
	if err != nil {
		p.discard(s)
		return nil, err
	}
	// The library dials the next name node when one answers that it is on standby; only a failure to do so breaks the
	// session, not the dials that went before.
	s.conns.mend()
	return s, nil
}

// mend forgets failed dials after one that worked.
func (c *connections) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nameNode := range c.open {
		if nameNode {
			c.broken = false
		}
	}
}

// give takes a session back, when it can still be used, and remembers which name node answered.
func (p *sessions) give(s *session) {
	s.conns.cut(false) // the library leaves some open to data nodes
	good := s.conns.usable()
	p.prefer(s.conns.lastNameNode(), good)
	p.mu.Lock()
	keep := good && !p.closed && len(p.idle) < maxIdle
	if keep {
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	if !keep {
		p.discard(s)
	}
}

// giveAfter takes a session back whose last exchange ended with err. Only an answer of a name node, or a look at what it
// said, proves that the connection is in order: a reply that was left half read is taken for the next one.
func (p *sessions) giveAfter(s *session, err error) {
	if code := codeOfHDFS(err); err != nil && (code == CodeConnection || code == CodeTimeout) {
		if _, remote := isRemote(err); !remote {
			s.conns.breakDown()
		}
	}
	p.give(s)
}

// prefer puts an address first, or last: the library begins with the first one each time, and stays with one that takes
// connections and does not answer.
func (p *sessions) prefer(address string, good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.Index(p.addresses, address)
	if at < 0 {
		return
	}
	rest := slices.Delete(slices.Clone(p.addresses), at, at+1)
	if good {
		p.addresses = slices.Concat([]string{address}, rest)
	} else {
		p.addresses = append(rest, address)
	}
}

// discard ends a session. Closing a client waits for the request that its lease renewal has under way, which ends at once
// when its connection is cut.
func (p *sessions) discard(s *session) {
	s.conns.cut(true)
	if s.client != nil {
		_ = s.client.Close() // of a connection that is closed already
	}
}

func (p *sessions) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range idle {
		p.discard(s)
	}
}

// isRemote says whether a name node answered with an error, and which Java class it was.
func isRemote(err error) (hdfs.Error, bool) {
	var remote hdfs.Error
	ok := errors.As(err, &remote)
	return remote, ok
}
