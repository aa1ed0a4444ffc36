package wire

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// request is a request that the fake server got, and the way to answer it.
type request struct {
	idl.Request
	conn net.Conn
}

// reply answers with a code and, for ERR_OK, a result.
func (r *request) reply(code idl.ErrorCode, resp idl.Message) {
	r.raw(idl.AppendResponse(nil, r.Seq, r.Name, code, resp))
}

// raw sends bytes. The client may have gone, which is part of some tests.
func (r *request) raw(b []byte) { _, _ = r.conn.Write(b) }

// fake is a TCP server whose handler is called for one request after the other of
// each connection.
type fake struct {
	ln     net.Listener
	handle func(*request)
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool
	dials  int
}

func newFake(t testing.TB, handle func(*request)) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return fakeOn(t, ln, handle)
}

func fakeOn(t testing.TB, ln net.Listener, handle func(*request)) *fake {
	f := &fake{ln: ln, handle: handle, conns: make(map[net.Conn]bool)}
	f.wg.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *fake) addr() string { return f.ln.Addr().String() }

func (f *fake) accept() {
	for {
		nc, err := f.ln.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns[nc] = true
		f.dials++
		f.mu.Unlock()
		f.wg.Go(func() { f.serve(nc) })
	}
}

func (f *fake) serve(nc net.Conn) {
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
		f.handle(&request{Request: req, conn: nc})
	}
}

// drop closes all connections.
func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.conns {
		_ = nc.Close()
		delete(f.conns, nc)
	}
}

func (f *fake) dialCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (f *fake) close() {
	_ = f.ln.Close()
	f.drop()
	f.wg.Wait()
}

// header is that of requests whose routing does not matter.
func header(timeout time.Duration) idl.RequestHeader {
	return idl.RequestHeader{Gpid: idl.Gpid{AppID: 1}, ThreadHash: 7919, TimeoutMs: uint32(timeout / time.Millisecond)}
}

func mustLookup(t testing.TB, name string) *idl.RPC {
	t.Helper()
	rpc, ok := idl.Lookup(name)
	if !ok {
		t.Fatalf("%s is not in the table", name)
	}
	return rpc
}

// replica is a connection that is closed at the end of the test.
func replica(t testing.TB, addr string, opts Options) *ReplicaConn {
	c := NewReplicaConn(addr, opts)
	t.Cleanup(c.Close)
	return c
}

// eventually polls a condition for up to ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// receive waits for a value for up to ten seconds.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within ten seconds")
		panic("unreachable")
	}
}
