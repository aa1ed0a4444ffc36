package wire

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A server that accepts connections and drops them is one that does not answer: the
// pauses must grow, or the client would dial in a loop.
func TestBackoffGrowsForServersThatNeverAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials []time.Duration
		began := time.Now()
		opts := Options{MinBackoff: 20 * time.Millisecond, MaxBackoff: time.Hour,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				dials = append(dials, time.Since(began))
				server, client := net.Pipe()
				_ = server.Close()
				return client, nil
			}}
		c := NewReplicaConn("pipe", opts)
		defer c.Close()
		for time.Since(began) < 2*time.Second {
			if _, err := get(t.Context(), c, "k", time.Second); err == nil {
				t.Fatal("a closed pipe answered")
			}
			time.Sleep(time.Millisecond)
		}
		// 0, then after 20, 40, 80 ... ms, each spread by 30 %.
		if len(dials) < 5 || len(dials) > 9 {
			t.Fatalf("%d dials: %v", len(dials), dials)
		}
		want := 20 * time.Millisecond
		for i := 1; i < len(dials); i++ {
			if gap := dials[i] - dials[i-1]; gap < want*6/10 || gap > want*15/10+5*time.Millisecond {
				t.Errorf("pause %d is %v, want about %v", i, gap, want)
			}
			want *= 2
		}
	})
}

func TestServerThatHasAnsweredIsDialledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		c := NewReplicaConn("pipe", pipes(func(nc net.Conn) {
			dials++
			buf := make([]byte, 1<<10)
			_, _ = nc.Read(buf)
			_, _ = nc.Write(okReply(1))
			_, _ = nc.Read(buf)
			_ = nc.Close()
		}))
		defer c.Close()
		for range 3 {
			began := time.Now()
			if _, err := get(t.Context(), c, "k", time.Second); err != nil {
				t.Fatal(err)
			}
			if _, err := get(t.Context(), c, "k", time.Second); err == nil {
				t.Fatal("a connection that was closed answered")
			}
			synctest.Wait()
			if took := time.Since(began); took != 0 {
				t.Errorf("took %v", took)
			}
		}
		if dials != 3 {
			t.Errorf("%d dials", dials)
		}
	})
}
