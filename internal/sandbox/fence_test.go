package sandbox

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// manual is a cluster whose time stands still, with a healthy table of four
// partitions.
func manual(t *testing.T) (*Cluster, *ManualClock, *tableClient) {
	t.Helper()
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Clock = clock
	cfg.TimeFactor = 1
	c := start(t, cfg)
	return c, clock, openManual(t, c, clock, TableSpec{Name: "t"})
}

// probe removes a reserved row from each partition and tells the header codes.
func (tc *tableClient) probe() []idl.ErrorCode {
	tc.t.Helper()
	codes := make([]idl.ErrorCode, tc.count)
	for p := range tc.count {
		raw := key("probe", "")
		codes[p] = tc.at(p).try(tc.header(p, 0), idl.NameRemove, &idl.BlobRequest{Key: raw}, &idl.UpdateResponse{})
	}
	return codes
}

func count(codes []idl.ErrorCode, want idl.ErrorCode) int {
	n := 0
	for _, c := range codes {
		if c == want {
			n++
		}
	}
	return n
}

func TestFenceSpreadsWithConfigSync(t *testing.T) {
	c, clock, tc := manual(t)
	if err := c.SetEnvs("t", map[string]string{envDeny: "reconfig*write"}); err != nil {
		t.Fatal(err)
	}
	if n := count(tc.probe(), idl.ErrOK); n != 4 {
		t.Fatalf("%d of 4 partitions take writes right after the env was set", n)
	}
	partly, fenced := false, 0
	for waited := time.Duration(0); waited < c.Timing().ConfigSync; waited += time.Second {
		clock.Advance(time.Second)
		if fenced = count(tc.probe(), idl.ErrInvalidState); fenced > 0 && fenced < 4 {
			partly = true
		}
	}
	if fenced != 4 || !partly {
		t.Errorf("%d of 4 fenced after one config sync, some before others: %v", fenced, partly)
	}
	if _, st := tc.get("k", "s"); st != idl.StatusNotFound {
		t.Errorf("read through a write fence: %v", st)
	}
	if err := c.DeleteEnvs("t", envDeny); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().ConfigSync)
	if n := count(tc.probe(), idl.ErrOK); n != 4 {
		t.Errorf("%d of 4 partitions take writes after the fence was lifted", n)
	}
}

func TestFenceLeaksThroughAPromotedSecondary(t *testing.T) {
	c, clock, tc := manual(t)
	// Just after a group check, so that the next one is far.
	clock.Advance(c.Timing().GroupCheck)
	if err := c.SetEnvs("t", map[string]string{envDeny: "reconfig*write"}); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	for _, n := range c.nodes {
		c.configSync(n)
	}
	c.mu.Unlock()
	if n := count(tc.probe(), idl.ErrInvalidState); n != 4 {
		t.Fatalf("%d of 4 fenced", n)
	}
	if err := c.MovePrimary("t", 0); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().MoveGap + c.Timing().Inactive)
	if got := tc.probe()[0]; got != idl.ErrOK {
		t.Errorf("the new primary answers %s; it knows nothing of the fence yet", string(got))
	}
	clock.Advance(c.Timing().ConfigSync)
	if got := tc.probe()[0]; got != idl.ErrInvalidState {
		t.Errorf("the new primary answers %s after a config sync", string(got))
	}
}

func TestGroupCheckTellsSecondaries(t *testing.T) {
	c, clock, tc := manual(t)
	if err := c.SetEnvs("t", map[string]string{envDeny: "reconfig*write"}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().ConfigSync + c.Timing().GroupCheck)
	if err := c.MovePrimary("t", 0); err != nil {
		t.Fatal(err)
	}
	clock.Advance(c.Timing().MoveGap + c.Timing().Inactive)
	if got := tc.probe()[0]; got != idl.ErrInvalidState {
		t.Errorf("the new primary answers %s", string(got))
	}
}

func TestFenceKinds(t *testing.T) {
	for _, test := range []struct {
		value                 string
		silent                bool
		readDenied, writeDeny bool
	}{
		{"reconfig*all", false, true, true},
		{"reconfig*read", false, true, false},
		{"reconfig*write", false, false, true},
		{"timeout*all", true, true, true},
		{"timeout*read", true, true, false},
		{"timeout*write", true, false, true},
	} {
		t.Run(test.value, func(t *testing.T) {
			c := start(t, fast())
			tc := open(t, c, TableSpec{Name: "t", Partitions: 1})
			if err := c.SetEnvs("t", map[string]string{envDeny: test.value}); err != nil {
				t.Fatal(err)
			}
			c.SyncEnvs()
			cl := tc.at(0)
			check := func(denied bool, name string, req, resp idl.Message) {
				t.Helper()
				if denied && test.silent {
					cl.send(tc.header(0, 0), name, req)
					// Whatever answers next answers to this, not to the request before.
					cl.send(idl.RequestHeader{}, "RPC_NO_SUCH_THING", &idl.BlobRequest{})
					head, err := cl.receive(testTimeout)
					if err != nil || head.Seq != cl.seq {
						t.Errorf("%s was answered: %+v, %v", name, head, err)
					}
					return
				}
				want := idl.ErrOK
				if denied {
					want = idl.ErrInvalidState
				}
				if got := cl.try(tc.header(0, 0), name, req, resp); got != want {
					t.Errorf("%s: %s, want %s", name, string(got), string(want))
				}
			}
			check(test.readDenied, idl.NameGet, &idl.BlobRequest{Key: key("a", "")}, &idl.GetResponse{})
			check(test.writeDeny, idl.NameRemove, &idl.BlobRequest{Key: key("a", "")}, &idl.UpdateResponse{})
			// The fence comes before the test of size.
			check(test.writeDeny, idl.NamePut, &idl.UpdateRequest{Key: key("a", ""), Value: make([]byte, sizeFor(test.writeDeny))}, &idl.UpdateResponse{})
		})
	}
}

// sizeFor is a value size that only a fenced server does not complain about.
func sizeFor(fenced bool) int {
	if fenced {
		return maxWriteSize
	}
	return 1
}

func TestSizeLimit(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	raw := key("big", "")
	put := func(value int) idl.ErrorCode {
		return tc.try(raw, idl.NamePut, &idl.UpdateRequest{Key: raw, Value: make([]byte, value)}, &idl.UpdateResponse{})
	}
	frame := idl.AppendRequest(nil, idl.RequestHeader{}, idl.NamePut, 1, &idl.UpdateRequest{Key: raw})
	overhead := len(frame) - 48
	if got := put(maxWriteSize - overhead); got != idl.ErrOK {
		t.Errorf("body of 1 MiB: %s", string(got))
	}
	if got := put(maxWriteSize - overhead + 1); got != idl.ErrInvalidData {
		t.Errorf("one byte more: %s", string(got))
	}
}

func TestRouting(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1})
	get := &idl.BlobRequest{Key: key("a", "")}
	for _, addr := range c.ReplicaServers() {
		want := idl.ErrInvalidState
		if addr == c.Primary("t", 0) {
			want = idl.ErrOK
		}
		cl := dial(t, addr)
		if got := cl.try(tc.header(0, 0), idl.NameGet, get, &idl.GetResponse{}); got != want {
			t.Errorf("read at %s: %s, want %s", addr, string(got), string(want))
		}
		if got := cl.try(tc.header(0, 0), idl.NameRemove, get, &idl.UpdateResponse{}); got != want {
			t.Errorf("write at %s: %s, want %s", addr, string(got), string(want))
		}
		unknown := idl.RequestHeader{Gpid: idl.Gpid{AppID: 9999}}
		if got := cl.try(unknown, idl.NameGet, get, &idl.GetResponse{}); got != idl.ErrObjectNotFound {
			t.Errorf("unknown partition at %s: %s", addr, string(got))
		}
	}
}
