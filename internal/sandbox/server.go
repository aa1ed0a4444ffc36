package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Ports are taken from below the range that Linux gives to outgoing connections,
// so that a killed server finds its port free when it comes back.
const (
	firstPort = 12000
	lastPort  = 32000
	portTries = 2000
)

// server is one listening process of a cluster, a meta or a replica server. Killing
// and starting it again keeps its address.
type server struct {
	c    *Cluster
	addr string
	wire idl.Addr
	// table maps RPC names to what this kind of server does with them.
	table map[string]handlerEntry
	// meta is set on meta servers, node on replica servers.
	meta *metaServer
	node *replicaNode

	// epoch counts the processes that have run here, so that what one of them left
	// unfinished is not finished by the next.
	epoch atomic.Int64

	mu sync.Mutex
	ln net.Listener // nil while the process is dead
	// started is when the process last started.
	started time.Time
	conns   map[*conn]struct{}

	settings settings
	perf     perf
	peers    peerBook
	out      outbound
}

// newServer finds a free port and listens on it.
func newServer(c *Cluster, host string, table map[string]handlerEntry) (*server, error) {
	var last error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		s := &server{c: c, addr: net.JoinHostPort(host, strconv.Itoa(port)), table: table, conns: make(map[*conn]struct{})}
		s.out.s = s
		ln, err := net.Listen("tcp4", s.addr)
		if err != nil {
			last = err
			continue
		}
		if s.wire, err = idl.ParseAddr(s.addr); err != nil {
			return nil, errors.Join(fmt.Errorf("sandbox: listen host %q: %w", host, err), ln.Close())
		}
		s.ln = ln
		return s, nil
	}
	return nil, fmt.Errorf("sandbox: no free port on %s: %w", host, last)
}

// run accepts connections until the listener is closed.
func (s *server) run(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		cn := newConn(s, nc)
		if !s.add(cn, ln) {
			cn.close()
			return
		}
		s.c.wg.Go(func() {
			defer s.forget(cn)
			cn.serve()
		})
	}
}

// add registers a connection; false when the process died meanwhile.
func (s *server) add(cn *conn, ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln != ln {
		return false
	}
	s.conns[cn] = struct{}{}
	return true
}

func (s *server) forget(cn *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, cn)
}

// up tells whether the process runs.
func (s *server) up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ln != nil
}

// start runs the process; it must be dead or new.
func (s *server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln == nil {
		ln, err := net.Listen("tcp4", s.addr)
		if err != nil {
			return fmt.Errorf("sandbox: start %s again: %w", s.addr, err)
		}
		s.ln = ln
	}
	ln := s.ln
	s.started = s.c.now()
	s.settings.clear()
	s.perf.reset(s.started)
	s.out.open()
	s.c.wg.Go(func() { s.run(ln) })
	return nil
}

// stop ends the process: the port refuses connections and all that exist are
// closed. It does not wait for requests that are being handled.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln == nil {
		return
	}
	s.epoch.Add(1)
	_ = s.ln.Close() // only fails when closed already
	s.ln = nil
	for cn := range s.conns {
		cn.close()
	}
	s.out.close()
}

// cutAll closes every connection of a process that goes on.
func (s *server) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cn := range s.conns {
		cn.close()
	}
}

// kill is stop with the consequences for the cluster.
func (s *server) kill() {
	if s.meta != nil {
		s.c.killMeta(s.meta)
		return
	}
	s.c.killNode(s.node)
}
