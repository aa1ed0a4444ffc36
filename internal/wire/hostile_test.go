package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// okReply is a good reply to a get with the given id.
func okReply(seq int32) []byte {
	return idl.AppendResponse(nil, seq, idl.NameGet, idl.ErrOK, &idl.GetResponse{Value: []byte("v")})
}

// announce replaces the length of a frame.
func announce(frame []byte, n int32) []byte {
	binary.BigEndian.PutUint32(frame, uint32(n))
	return frame
}

func TestHostileReplies(t *testing.T) {
	otherName := func(seq int32) []byte {
		return idl.AppendResponse(nil, seq, idl.NameTTL, idl.ErrOK, &idl.TTLResponse{})
	}
	for _, tc := range []struct {
		name string
		sent func(seq int32) []byte
		want string
	}{
		{"negative length", func(seq int32) []byte { return announce(okReply(seq), -5) }, "-5 bytes announced"},
		{"zero length", func(seq int32) []byte { return announce(okReply(seq), 0) }, "0 bytes announced"},
		{"huge length", func(seq int32) []byte { return announce(okReply(seq), 1<<30) }, "reply is too large"},
		{"HTTP", func(int32) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, `"HTTP/1.1`},
		{"seq never given", func(seq int32) []byte { return okReply(seq + 1) }, "which was never made"},
		{"negative seq", func(int32) []byte { return okReply(-1) }, "which was never made"},
		{"zero seq", func(int32) []byte { return okReply(0) }, "which was never made"},
		{"other name", otherName, "the reply is \"RPC_RRDB_RRDB_TTL_ACK\""},
		{"cut body", func(seq int32) []byte { f := okReply(seq); return announce(f[:len(f)-4], int32(len(f)-4)) }, "unreadable reply"},
		{"bytes behind the body", func(seq int32) []byte { f := okReply(seq); return announce(append(f, 0), int32(len(f)+1)) }, "unreadable reply"},
		{"code longer than the frame", func(seq int32) []byte { f := okReply(seq); f[6] = 0x7f; return f }, "error code has length"},
		{"wrong thrift version", func(seq int32) []byte { f := okReply(seq); f[14] = 0; return f }, "message version"},
		{"end inside a frame", func(seq int32) []byte { return okReply(seq)[:30] }, "EOF"},
		{"end inside a large frame", func(seq int32) []byte { return announce(append(okReply(seq), make([]byte, 1<<20)...), 2<<20) }, "EOF"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake(t, func(r *request) {
				r.raw(tc.sent(r.Seq))
				_ = r.conn.Close()
			})
			c := replica(t, f.addr(), Options{})
			_, err := get(t.Context(), c, "k", 10*time.Second)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want ... %s ...", err, tc.want)
			}
			if !MaybeSent(err) {
				t.Error("the error says that the request was not sent")
			}
			if !strings.Contains(tc.want, "EOF") && !errors.Is(err, ErrProtocol) {
				t.Errorf("%v is not an ErrProtocol", err)
			}
		})
	}
}

func TestBadReplyLeavesLaterConnectionUsable(t *testing.T) {
	n := 0
	f := newFake(t, func(r *request) {
		if n++; n == 1 {
			r.raw(bytes.Repeat([]byte{0xff}, 100))
			return
		}
		echoGet(r)
	})
	c := replica(t, f.addr(), Options{MinBackoff: time.Millisecond})
	if _, err := get(t.Context(), c, "k", 5*time.Second); !errors.Is(err, ErrProtocol) {
		t.Fatalf("got %v", err)
	}
	eventually(t, "a new connection works", func() bool {
		_, err := get(t.Context(), c, "k", time.Second)
		return err == nil
	})
}

func TestFrames(t *testing.T) {
	// Sizes around the reader's buffer, and larger than what is reserved at once.
	sizes := []int{0, 1, readBuffer - 200, readBuffer - 100, readBuffer, readBuffer + 1, 3 * growStep, 5*growStep + 17}
	f := newFake(t, echoGet)
	c := replica(t, f.addr(), Options{})
	for _, lend := range []int{0, 100, 8 * growStep} {
		for _, n := range sizes {
			t.Run(fmt.Sprint(lend, "/", n), func(t *testing.T) {
				want := bytes.Repeat([]byte{byte(n), 1, 2}, n/3+1)[:n]
				var resp idl.GetResponse
				lent := make([]byte, 0, lend)
				done := make(chan error, 1)
				call := &Call{RPC: mustLookup(t, idl.NameGet), Header: header(0), Req: &idl.BlobRequest{Key: want},
					Resp: &resp, OwnFrame: true, Frame: lent, Done: func(c *Call) { done <- c.Err }}
				c.Start(call)
				if err := receive(t, done); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(resp.Value, want) {
					t.Fatal("value differs")
				}
				if len(call.Frame) < n {
					t.Errorf("frame of %d bytes for a value of %d", len(call.Frame), n)
				}
				if cap(lent) >= n+200 && &call.Frame[0] != &lent[:1][0] {
					t.Error("the lent buffer was not used")
				}
			})
		}
	}
}

func TestOwnFrameSurvivesLaterReplies(t *testing.T) {
	f := newFake(t, echoGet)
	c := replica(t, f.addr(), Options{})
	var first idl.GetResponse
	if err := c.Call(t.Context(), header(0), idl.NameGet, &idl.BlobRequest{Key: []byte("first")}, &first); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := get(t.Context(), c, "later", 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if string(first.Value) != "first" {
		t.Errorf("value became %q", first.Value)
	}
}

// FuzzReader feeds the reader a server's bytes while calls 1 to 3 are waiting. It
// must end, without a panic, and end every call.
func FuzzReader(f *testing.F) {
	f.Add([]byte{})
	f.Add(okReply(1))
	f.Add(append(okReply(2), okReply(1)...))
	f.Add(append(okReply(3), okReply(3)...))
	f.Add(announce(okReply(1), -1))
	f.Add(idl.AppendResponse(nil, 2, idl.NameGet, "ERR_STRANGE", nil))
	f.Add(announce(append(okReply(1), make([]byte, 80<<10)...), 70<<10))
	rpc, _ := idl.Lookup(idl.NameGet)
	f.Fuzz(func(t *testing.T, in []byte) {
		opts := Options{MaxFrame: 1 << 20}.withDefaults()
		l := newLink("fuzz", &opts, func(*link, error) {})
		ended := 0
		for range 3 {
			c := &Call{RPC: rpc, Req: &idl.BlobRequest{}, Resp: &idl.GetResponse{}, OwnFrame: true,
				Deadline: time.Now().Add(time.Hour), Done: func(*Call) { ended++ }}
			if err := l.start(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		l.readLoop(io.MultiReader(bytes.NewReader(in[:len(in)/2]), bytes.NewReader(in[len(in)/2:])))
		if ended != 3 || l.calls.n != 0 {
			t.Errorf("%d of 3 calls ended, %d left", ended, l.calls.n)
		}
	})
}
