package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func echoGet(r *request) {
	var arg idl.BlobRequest
	var d idl.Decoder
	if r.DecodeArgs(&d, &arg) == nil {
		r.reply(idl.ErrOK, &idl.GetResponse{Value: arg.Key, Server: "fake"})
	}
}

func get(ctx context.Context, c *ReplicaConn, key string, timeout time.Duration) (string, error) {
	var resp idl.GetResponse
	err := c.Call(ctx, header(timeout), idl.NameGet, &idl.BlobRequest{Key: []byte(key)}, &resp)
	return string(resp.Value), err
}

func TestCallsShareAConnection(t *testing.T) {
	f := newFake(t, echoGet)
	c := replica(t, f.addr(), Options{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			want := fmt.Sprintf("key-%d", i)
			if got, err := get(t.Context(), c, want, 5*time.Second); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	wg.Wait()
	if n := f.dialCount(); n != 1 {
		t.Errorf("%d connections for 200 calls", n)
	}
}

func TestRepliesOutOfOrder(t *testing.T) {
	var mu sync.Mutex
	var held []*request
	const n = 600 // more than the first ring
	f := newFake(t, func(r *request) {
		mu.Lock()
		defer mu.Unlock()
		held = append(held, r)
		if len(held) < n {
			return
		}
		for i := range held {
			echoGet(held[len(held)-1-i])
		}
	})
	c := replica(t, f.addr(), Options{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			want := fmt.Sprint(i)
			if got, err := get(t.Context(), c, want, 10*time.Second); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
	wg.Wait()
}

func TestUnknownErrorCodeIsAValue(t *testing.T) {
	f := newFake(t, func(r *request) { r.reply("ERR_FROM_THE_FUTURE", nil) })
	c := replica(t, f.addr(), Options{})
	for range 2 {
		_, err := get(t.Context(), c, "k", time.Second)
		var he *HeaderError
		if !errors.As(err, &he) || he.Code != "ERR_FROM_THE_FUTURE" || he.Addr != f.addr() {
			t.Fatalf("got %v", err)
		}
	}
	if f.dialCount() != 1 {
		t.Error("an unknown code cost the connection")
	}
}

func TestDeadlineAndLateReply(t *testing.T) {
	held := make(chan *request, 1)
	n := 0
	f := newFake(t, func(r *request) {
		if n++; n == 1 {
			held <- r
			return
		}
		echoGet(r)
	})
	c := replica(t, f.addr(), Options{})
	_, err := get(t.Context(), c, "slow", 20*time.Millisecond)
	var de *DeadlineError
	if !errors.As(err, &de) || !errors.Is(err, context.DeadlineExceeded) || de.RPC != idl.NameGet ||
		de.Addr != f.addr() || de.Elapsed < 20*time.Millisecond || !MaybeSent(err) {
		t.Fatalf("got %v", err)
	}
	echoGet(receive(t, held)) // late: must be ignored
	if got, err := get(t.Context(), c, "next", 5*time.Second); err != nil || got != "next" {
		t.Fatalf("after a late reply: %q, %v", got, err)
	}
	if f.dialCount() != 1 {
		t.Error("a late reply cost the connection")
	}
}

func TestCancelReturnsAtOnce(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFake(t, func(*request) { arrived <- struct{}{} })
	c := replica(t, f.addr(), Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("operator pressed Ctrl-C")
	done := make(chan error, 1)
	go func() {
		_, err := get(ctx, c, "k", time.Hour)
		done <- err
	}()
	receive(t, arrived)
	cancel(stop)
	if err := receive(t, done); !errors.Is(err, stop) || !MaybeSent(err) {
		t.Fatalf("got %v", err)
	}
	if _, err := get(ctx, c, "k", time.Hour); !errors.Is(err, stop) || MaybeSent(err) {
		t.Fatalf("call with a cancelled context: %v", err)
	}
}

func TestLossFailsCallsInFlightAndRedials(t *testing.T) {
	arrived := make(chan struct{}, 10)
	var silent atomic.Bool
	silent.Store(true)
	f := newFake(t, func(r *request) {
		if silent.Load() && string(r.Args) != "" {
			arrived <- struct{}{}
			return
		}
		echoGet(r)
	})
	c := replica(t, f.addr(), Options{})
	errs := make(chan error, 10)
	for range 10 {
		go func() {
			_, err := get(t.Context(), c, "k", time.Hour)
			errs <- err
		}()
	}
	for range 10 {
		receive(t, arrived)
	}
	silent.Store(false)
	f.drop()
	for range 10 {
		var ce *ConnError
		if err := receive(t, errs); !errors.As(err, &ce) || !ce.Sent || ce.Addr != f.addr() {
			t.Fatalf("got %v", err)
		}
	}
	eventually(t, "the connection comes back within milliseconds", func() bool {
		_, err := get(t.Context(), c, "k", time.Second)
		return err == nil
	})
}

func TestRefusedConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	c := replica(t, addr, Options{MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	_, err = get(t.Context(), c, "k", time.Second)
	var ce *ConnError
	if !errors.As(err, &ce) || ce.Sent || MaybeSent(err) || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("got %v", err)
	}
	// In the pause calls fail at once with the same reason.
	if _, err := get(t.Context(), c, "k", time.Second); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("got %v", err)
	}
	// And the server is found when it comes.
	ln, err = net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("port was taken: %v", err)
	}
	fakeOn(t, ln, echoGet)
	eventually(t, "the server is found", func() bool {
		_, err := get(t.Context(), c, "k", time.Second)
		return err == nil
	})
}

func TestDialTimeoutAndDeadlineWhileDialling(t *testing.T) {
	opts := Options{DialTimeout: time.Hour,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	c := replica(t, "nowhere", opts)
	_, err := get(t.Context(), c, "k", 10*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || MaybeSent(err) {
		t.Fatalf("got %v", err)
	}
}

func TestCloseFailsEverything(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := newFake(t, func(*request) { arrived <- struct{}{} })
	c := NewReplicaConn(f.addr(), Options{})
	errs := make(chan error, 1)
	go func() {
		_, err := get(t.Context(), c, "k", time.Hour)
		errs <- err
	}()
	receive(t, arrived)
	c.Close()
	if err := receive(t, errs); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
	if _, err := get(t.Context(), c, "k", time.Hour); !errors.Is(err, ErrClosed) || MaybeSent(err) {
		t.Fatalf("after Close: %v", err)
	}
	c.Close()
}

func TestMetaConnRefusesDataRequests(t *testing.T) {
	f := newFake(t, func(r *request) {
		if r.RPC == nil || r.RPC.Kind != idl.KindMeta {
			t.Errorf("%s arrived at a meta server", r.Name)
		}
		r.reply(idl.ErrOK, &idl.ListNodesResponse{Err: idl.ErrOK})
	})
	m := NewMetaConn(f.addr(), Options{})
	defer m.Close()
	for _, rpc := range idl.All() {
		if rpc.Kind == idl.KindMeta || rpc.Kind == idl.KindRemote {
			continue
		}
		var ke *KindError
		if err := m.Call(t.Context(), header(time.Second), rpc.Name, rpc.NewRequest(), nil); !errors.As(err, &ke) {
			t.Errorf("%s: %v", rpc.Name, err)
		}
	}
	var resp idl.ListNodesResponse
	if err := m.Call(t.Context(), header(time.Second), idl.NameListNodes, &idl.ListNodesRequest{}, &resp); err != nil {
		t.Error(err)
	}
	r := replica(t, f.addr(), Options{})
	var ke *KindError
	if err := r.Call(t.Context(), header(time.Second), idl.NameListNodes, &idl.ListNodesRequest{}, &resp); !errors.As(err, &ke) {
		t.Errorf("meta request on a replica connection: %v", err)
	}
	if err := r.Call(t.Context(), header(time.Second), "RPC_NO_SUCH", &idl.ListNodesRequest{}, &resp); err == nil {
		t.Error("an unknown request was sent")
	}
}

func TestOneWayRequestIsSent(t *testing.T) {
	got := make(chan int64, 1)
	f := newFake(t, func(r *request) {
		if r.Name != idl.NameClearScanner {
			echoGet(r)
			return
		}
		var arg idl.ClearScannerRequest
		var d idl.Decoder
		if err := r.DecodeArgs(&d, &arg); err != nil {
			t.Error(err)
		}
		got <- arg.ContextID
	})
	c := replica(t, f.addr(), Options{})
	c.Send(header(0), idl.NameClearScanner, &idl.ClearScannerRequest{ContextID: 1}) // no link: dropped
	if _, err := get(t.Context(), c, "k", time.Second); err != nil {
		t.Fatal(err)
	}
	c.Send(header(0), idl.NameClearScanner, &idl.ClearScannerRequest{ContextID: -7})
	if id := receive(t, got); id != -7 {
		t.Errorf("context %d was cleared", id)
	}
}

func TestObserve(t *testing.T) {
	var mu sync.Mutex
	var points []string
	f := newFake(t, echoGet)
	c := replica(t, f.addr(), Options{Observe: func(p Point) {
		mu.Lock()
		defer mu.Unlock()
		points = append(points, fmt.Sprint(p.RPC, " ", p.Phase, " ", p.Control, " ", p.Addr == f.addr()))
	}})
	if _, err := get(t.Context(), c, "k", time.Second); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	c.Start(&Call{RPC: mustLookup(t, idl.NameGet), Req: &idl.BlobRequest{}, Done: func(c *Call) { done <- c.Err }})
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("RPC_RRDB_RRDB_GET before-send false true,RPC_RRDB_RRDB_GET after-reply false true,", 2)
	if got := strings.Join(points, ",") + ","; got != want {
		t.Errorf("got %s", got)
	}
}

func TestFullWriteBufferHoldsCallersBack(t *testing.T) {
	server, client := net.Pipe() // unbuffered: nothing is taken until the server reads
	opts := Options{WriteBuffer: 1000, Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
	c := replica(t, "pipe", opts)
	put := mustLookup(t, idl.NamePut)
	results := make(chan error, 100)
	start := func(ctx context.Context, timeout time.Duration, noWait bool) {
		c.StartContext(ctx, &Call{RPC: put, Req: &idl.UpdateRequest{Value: make([]byte, 600)}, NoWait: noWait,
			Deadline: time.Now().Add(timeout), Done: func(c *Call) { results <- c.Err }})
	}
	for range 4 { // some in the writer's hands, the rest fills the buffer
		start(t.Context(), 100*time.Millisecond, true)
	}
	start(t.Context(), time.Hour, true)
	if err := receive(t, results); !errors.Is(err, ErrBufferFull) {
		t.Fatalf("got %v", err)
	}
	start(t.Context(), 10*time.Millisecond, false)
	if err := receive(t, results); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrBufferFull) {
		t.Fatalf("got %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, server) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start(ctx, time.Hour, false) // gets room now
	_ = server.Close()
}
