package zookeeper

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// defaultMinSession and defaultMaxSession are 2 and 20 ticks of 2 s, as in a shipped zoo.cfg.
	defaultMinSession = 4 * time.Second
	defaultMaxSession = 40 * time.Second
	// looksPerTimeout is how often within the shortest timeout sessions are looked at.
	looksPerTimeout = 4

	// Ports below those that systems give to outgoing connections, so that a server that was down
	// finds its own one free again.
	firstPort = 20000
	lastPort  = 32000
	portTries = 2000
)

// Config says how to serve. The zero value of a field means its default.
type Config struct {
	// Listen is the host to listen on. Default 127.0.0.1; the port is a free one.
	Listen string
	// MinSession and MaxSession bound the timeouts that clients ask for. Defaults 4 s and 40 s.
	MinSession, MaxSession time.Duration
	// Now is where time comes from. Default: the machine's clock.
	Now func() time.Time
}

// Server is a running server. All methods are safe for concurrent use.
type Server struct {
	cfg  Config
	addr string
	done chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	tree     *tree
	sessions map[int64]*session
	conns    map[*conn]struct{}
	ln       net.Listener // nil while the server is down
	closed   bool
	faults   faults
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1"
	}
	if cfg.MinSession <= 0 {
		cfg.MinSession = defaultMinSession
	}
	if cfg.MaxSession <= 0 {
		cfg.MaxSession = max(defaultMaxSession, cfg.MinSession)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, done: make(chan struct{}), sessions: map[int64]*session{}, conns: map[*conn]struct{}{}, tree: newTree(cfg.Now)}
	var last error
	for range portTries {
		s.addr = net.JoinHostPort(cfg.Listen, strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		if last = s.Resume(); last == nil {
			s.wg.Go(s.watchSessions)
			return s, nil
		}
	}
	return nil, fmt.Errorf("zookeeper: no free port on %s: %w", cfg.Listen, last)
}

// Addr is "host:port"; it stays the same for ever.
func (s *Server) Addr() string { return s.addr }

// Up tells whether the server takes connections.
func (s *Server) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln != nil
}

// Stop takes the server down: its port refuses connections, those that exist are cut. Nodes and
// sessions stay, as they do in the log of a real one.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down()
}

// down needs mu.
func (s *Server) down() {
	if s.ln == nil {
		return
	}
	_ = s.ln.Close() // only fails when closed already
	s.ln = nil
	for c := range s.conns {
		c.close()
	}
}

// Resume brings a server up that was stopped. Every session has its whole timeout again to come back.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("zookeeper: the server was closed")
	case s.ln != nil:
		return nil
	}
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("zookeeper: listen: %w", err)
	}
	s.ln = ln
	for _, x := range s.sessions {
		x.touch(s.cfg.Now())
	}
	s.wg.Go(func() { s.accept(ln) })
	return nil
}

// Close ends the server and returns when nothing of it runs any more. It may be called again.
func (s *Server) Close() error {
	s.mu.Lock()
	s.down()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

func (s *Server) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		c := newConn(s, nc)
		s.mu.Lock()
		if s.ln != ln {
			s.mu.Unlock()
			c.close()
			return
		}
		s.conns[c] = struct{}{}
		s.wg.Go(c.write)
		s.wg.Go(c.serve)
		s.mu.Unlock()
	}
}

// forget drops a connection that has ended. Its session goes on until it times out.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.tree.forget(c)
	if c.session != nil && c.session.conn == c {
		c.session.conn = nil
	}
}

// pause waits unless the server or the connection ends.
func (s *Server) pause(d time.Duration, c *conn) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	case <-c.done:
	}
}
