package pegasus

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// request is what a fake server got, and the way to answer it.
type request struct {
	idl.Request
	server *server
	conn   net.Conn
}

// reply answers with a result, fail with a header code. The client may have gone.
func (r *request) reply(resp idl.Message) {
	_, _ = r.conn.Write(idl.AppendResponse(nil, r.Seq, r.Name, idl.ErrOK, resp))
}

func (r *request) fail(code idl.ErrorCode) {
	_, _ = r.conn.Write(idl.AppendResponse(nil, r.Seq, r.Name, code, nil))
}

// args decodes the argument.
func args[R any, P metaReply[R]](r *request) P {
	arg := P(new(R))
	var d idl.Decoder
	if err := r.DecodeArgs(&d, arg); err != nil {
		panic(err) // a request of ours that we cannot read
	}
	return arg
}

// server is a TCP server of one address that can be stopped and started again.
type server struct {
	t      testing.TB
	addr   string
	handle func(*request)

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	wg    sync.WaitGroup
	seen  map[string]int // requests by name
}

// newServer reserves an address and listens on it.
func newServer(t testing.TB, handle func(*request)) *server {
	s := &server{t: t, addr: "127.0.0.1:0", handle: handle, seen: make(map[string]int)}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.ln, s.addr, s.conns = ln, ln.Addr().String(), make(map[net.Conn]bool)
	s.mu.Unlock()
	s.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[nc] = true
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(nc) })
		}
	})
}

// stop refuses connections and closes those that are open.
func (s *server) stop() {
	_ = s.ln.Close()
	s.dropConns()
	s.wg.Wait()
}

func (s *server) dropConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for nc := range s.conns {
		_ = nc.Close()
		delete(s.conns, nc)
	}
}

// count is how many requests of a name have come.
func (s *server) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[name]
}

func (s *server) serve(nc net.Conn) {
	defer func() { _ = nc.Close() }()
	in := bufio.NewReader(nc)
	for {
		prefix, err := in.Peek(idl.RequestPrefix)
		if err != nil {
			return
		}
		n, err := idl.RequestLength(prefix)
		if err != nil {
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		req, err := idl.DecodeRequest(frame)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen[req.Name]++
		s.mu.Unlock()
		s.handle(&request{Request: req, server: s, conn: nc})
	}
}

// eventually polls a condition for up to ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// receive waits for a value for up to twenty seconds.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came within twenty seconds")
		panic("unreachable")
	}
}
