package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// pipes dials in-memory connections whose servers are given to serve.
func pipes(serve func(net.Conn)) Options {
	return Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		server, client := net.Pipe()
		go serve(server)
		return client, nil
	}}
}

func TestEveryCallEndsAtItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewReplicaConn("pipe", pipes(func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }))
		defer c.Close()
		began := time.Now()
		ended := make(chan time.Duration, 3)
		rpc := mustLookup(t, idl.NameGet)
		for _, after := range []time.Duration{2 * time.Second, time.Second, 1500 * time.Millisecond} {
			c.Start(&Call{RPC: rpc, Req: &idl.BlobRequest{}, Deadline: began.Add(after), Done: func(c *Call) {
				if !errors.Is(c.Err, context.DeadlineExceeded) {
					t.Error(c.Err)
				}
				ended <- time.Since(began)
			}})
		}
		for _, want := range []time.Duration{time.Second, 1500 * time.Millisecond, 2 * time.Second} {
			if got := <-ended; got < want || got > want+2*time.Millisecond {
				t.Errorf("a call ended after %v, want %v", got, want)
			}
		}
	})
}

func TestSilentServerLosesItsLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		c := NewReplicaConn("pipe", pipes(func(nc net.Conn) {
			dials++
			_, _ = io.Copy(io.Discard, nc)
		}))
		defer c.Close()
		long := make(chan error, 1)
		c.Start(&Call{RPC: mustLookup(t, idl.NameGet), Req: &idl.BlobRequest{}, Deadline: time.Now().Add(time.Hour),
			Done: func(c *Call) { long <- c.Err }})
		if _, err := get(t.Context(), c, "k", silentLimit/2); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		select {
		case err := <-long:
			t.Fatalf("a short silence ended the link: %v", err)
		default:
		}
		if _, err := get(t.Context(), c, "k", silentLimit); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := <-long; !errors.Is(err, errSilent) {
			t.Errorf("the call that still waited: %v", err)
		}
	})
}

func TestStalledMidFrameDoesNotHoldCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewReplicaConn("pipe", pipes(func(nc net.Conn) {
			go func() { _, _ = nc.Write(announce(append(okReply(1), make([]byte, 80<<10)...), 90<<10)) }()
			_, _ = io.Copy(io.Discard, nc)
		}))
		defer c.Close()
		if _, err := get(t.Context(), c, "k", time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := get(ctx, c, "k", time.Hour); err == nil {
			t.Fatal("a stalled server answered")
		}
	})
}
