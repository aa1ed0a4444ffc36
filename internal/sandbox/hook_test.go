package sandbox

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// quiet is how long a test waits to see that nothing comes.
const quiet = 20 * time.Millisecond

// verdictFor makes a hook that gives one verdict to one RPC in one phase.
func verdictFor(rpc string, phase Phase, v Verdict) Hook {
	return func(c Call) Verdict {
		if c.RPC == rpc && c.Phase == phase {
			return v
		}
		return Pass()
	}
}

// hooked is an open table of one partition in a cluster with a hook.
func hooked(t *testing.T, h Hook) *tableClient {
	t.Helper()
	cfg := fast()
	cfg.Hook = h
	return open(t, start(t, cfg), TableSpec{Name: "t", Partitions: 1})
}

// sendPut sends a put without waiting for an answer.
func (tc *tableClient) sendPut(value string) *client {
	cl := tc.at(0)
	cl.send(tc.header(0, 0), idl.NamePut, &idl.UpdateRequest{Key: key("k", "s"), Value: []byte(value)})
	return cl
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestVerdictFail(t *testing.T) {
	for _, phase := range []Phase{Before, After} {
		tc := hooked(t, verdictFor(idl.NamePut, phase, Fail(idl.ErrBusy)))
		cl := tc.sendPut("v")
		if head, err := cl.receive(testTimeout); err != nil || head.Code != idl.ErrBusy {
			t.Errorf("%v: %+v, %v", phase, head, err)
		}
		want := idl.StatusNotFound
		if phase == After {
			want = idl.StatusOK
		}
		if _, st := tc.get("k", "s"); st != want {
			t.Errorf("%v: row %v, want %v", phase, st, want)
		}
	}
}

func TestVerdictDrop(t *testing.T) {
	for _, phase := range []Phase{Before, After} {
		tc := hooked(t, verdictFor(idl.NamePut, phase, Drop()))
		if head, err := tc.sendPut("v").receive(quiet); !isTimeout(err) {
			t.Errorf("%v: %+v, %v", phase, head, err)
		}
		n, err := tc.c.Count("t")
		if err != nil || n != int(phase)-1 {
			t.Errorf("%v: %d rows, %v", phase, n, err)
		}
	}
}

func TestVerdictDelayIsOvertaken(t *testing.T) {
	for _, phase := range []Phase{Before, After} {
		tc := hooked(t, verdictFor(idl.NamePut, phase, Delay(quiet)))
		cl := tc.sendPut("v")
		put := cl.seq
		cl.send(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")})
		first, err := cl.receive(testTimeout)
		if err != nil || first.Seq == put {
			t.Fatalf("%v: %+v, %v", phase, first, err)
		}
		if second, err := cl.receive(testTimeout); err != nil || second.Seq != put {
			t.Errorf("%v: %+v, %v", phase, second, err)
		}
	}
}

func TestVerdictHold(t *testing.T) {
	release := make(chan struct{})
	tc := hooked(t, verdictFor(idl.NamePut, Before, Hold(release)))
	cl := tc.sendPut("v")
	if _, err := cl.receive(quiet); !isTimeout(err) {
		t.Fatalf("answered while held: %v", err)
	}
	if n, _ := tc.c.Count("t"); n != 0 {
		t.Error("executed while held")
	}
	close(release)
	if head, err := cl.receive(testTimeout); err != nil || head.Code != idl.ErrOK {
		t.Errorf("%+v, %v", head, err)
	}
}

func TestHeldCallDoesNotOutliveTheCluster(t *testing.T) {
	tc := hooked(t, verdictFor(idl.NamePut, After, Hold(make(chan struct{}))))
	cl := tc.sendPut("v")
	until(t, "the row", func() bool { n, _ := tc.c.Count("t"); return n == 1 })
	if err := tc.c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.receive(testTimeout); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after Close: %v", err)
	}
}

func TestVerdictCut(t *testing.T) {
	tc := hooked(t, verdictFor(idl.NamePut, After, Cut()))
	cl := tc.sendPut("v")
	if _, err := cl.receive(testTimeout); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut in the middle of the reply: %v", err)
	}
	tc = hooked(t, verdictFor(idl.NamePut, Before, Cut()))
	if _, err := tc.sendPut("v").receive(testTimeout); err == nil || isTimeout(err) {
		t.Errorf("cut before: %v", err)
	}
	if n, _ := tc.c.Count("t"); n != 0 {
		t.Error("executed before the cut")
	}
}

func TestVerdictKill(t *testing.T) {
	tc := hooked(t, verdictFor(idl.NamePut, Before, Kill()))
	primary := tc.c.Primary("t", 0)
	if _, err := tc.sendPut("v").receive(testTimeout); err == nil || isTimeout(err) {
		t.Errorf("killed server: %v", err)
	}
	if conn, err := net.Dial("tcp4", primary); err == nil {
		conn.Close()
		t.Error("the killed server accepts connections")
	}
	until(t, "another primary", func() bool { p := tc.c.Primary("t", 0); return p != "" && p != primary })
}

func TestVerdictLoseScans(t *testing.T) {
	tc := hooked(t, verdictFor(idl.NameScan, Before, LoseScans()))
	tc.fill(100)
	if resp := tc.scan(0, tc.getScanner(0, fullScan(10)).ContextID); resp.Error != idl.StatusNotFound {
		t.Errorf("%v", resp.Error)
	}
}

func TestVerdictStatus(t *testing.T) {
	tc := hooked(t, verdictFor(idl.NamePut, Before, Status(idl.StatusIOError)))
	if resp := tc.put("k", "s", "v", 0); resp.Error != idl.StatusIOError {
		t.Errorf("%+v", resp)
	}
	if n, _ := tc.c.Count("t"); n != 0 {
		t.Error("executed")
	}
}

func TestHookSeesControlCalls(t *testing.T) {
	var seen atomic.Int32
	cfg := fast()
	cfg.Hook = func(c Call) Verdict {
		if c.Cluster == "alpha" && c.RPC == idl.NameListApps && c.Gpid == (idl.Gpid{}) {
			seen.Add(1)
		}
		return Pass()
	}
	c := start(t, cfg)
	meta(t, c).call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, &idl.ListAppsResponse{})
	if seen.Load() != 2 {
		t.Errorf("asked %d times", seen.Load())
	}
}

func TestInjectedFaults(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1})
	put := func() idl.ErrorCode {
		return tc.try(key("k", "s"), idl.NamePut, &idl.UpdateRequest{Key: key("k", "s")}, &idl.UpdateResponse{})
	}
	if _, err := c.Inject(Fault{Kind: FaultFail, RPC: "put", Times: 2}); err != nil {
		t.Fatal(err)
	}
	if a, b, d := put(), put(), put(); a != idl.ErrBusy || b != idl.ErrBusy || d != idl.ErrOK {
		t.Errorf("%s %s %s", string(a), string(b), string(d))
	}
	id, err := c.Inject(Fault{Kind: FaultFail, Code: idl.ErrCapacityExceeded, Share: 0.5, Table: "t", Partition: new(0)})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 200 {
		if put() == idl.ErrCapacityExceeded {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of 200 calls failed, a share of one half", failed)
	}
	if len(c.Faults()) != 1 {
		t.Errorf("faults %v", c.Faults())
	}
	if err := c.Clear(id); err != nil {
		t.Fatal(err)
	}
	if got := put(); got != idl.ErrOK || c.hook() != nil {
		t.Errorf("cleared: %s", string(got))
	}
	for _, bad := range []Fault{{Kind: "nonsense"}, {Kind: FaultFail, Share: 2}, {Kind: FaultDelay}, {Kind: FaultDrop, Every: 1}, {Kind: FaultDrop, Table: "none"}} {
		if _, err := c.Inject(bad); err == nil {
			t.Errorf("accepted: %+v", bad)
		}
	}
}

func TestRepeatedFaults(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "t", Partitions: 4})
	before := config(c, "t", 0).Ballot + config(c, "t", 1).Ballot
	if _, err := c.Inject(Fault{Kind: FaultMovePrimary, Table: "t", Every: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	until(t, "primaries move", func() bool { return config(c, "t", 0).Ballot+config(c, "t", 1).Ballot >= before+8 })
	if _, err := c.Inject(Fault{Kind: FaultKillReplica, Server: new(1)}); err != nil {
		t.Fatal(err)
	}
	if c.ReplicaUp(1) {
		t.Error("server 1 survived")
	}
	if err := c.Clear(0); err != nil {
		t.Fatal(err)
	}
	if !c.ReplicaUp(1) || len(c.Faults()) != 0 {
		t.Error("clearing everything left something")
	}
	healthy(t, c, "t")
	if _, err := c.Inject(Fault{Kind: FaultBounceReplica}); err != nil {
		t.Fatal(err)
	}
	until(t, "the server comes back", func() bool { return c.ReplicaUp(0) })
	if _, err := c.Inject(Fault{Kind: FaultLoseLeader}); err != nil {
		t.Fatal(err)
	}
	until(t, "a leader again", func() bool { return c.Leader() != "" && c.MetaUp(0) })
}

func TestDelayedWriteOutlivesItsClient(t *testing.T) {
	release := make(chan struct{})
	tc := hooked(t, verdictFor(idl.NamePut, Before, Hold(release)))
	cl := tc.sendPut("v")
	// The answer to another request shows that the put has arrived.
	cl.call(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")}, &idl.GetResponse{})
	cl.conn.Close()
	close(release)
	until(t, "the write is executed", func() bool { n, _ := tc.c.Count("t"); return n == 1 })
}

func TestDelayedWriteDiesWithItsServer(t *testing.T) {
	release := make(chan struct{})
	tc := hooked(t, verdictFor(idl.NamePut, Before, Hold(release)))
	cl := tc.sendPut("v")
	cl.call(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")}, &idl.GetResponse{})
	for i := range tc.c.nodes {
		if err := errors.Join(tc.c.KillReplica(i), tc.c.RestartReplica(i)); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if err := tc.c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := tc.c.tables[0].partitions[0].data.store.len(); n != 1 {
		t.Errorf("%d rows, the empty one included; the write of a dead server was executed", n)
	}
}
