package sandbox

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// lateDelay is longer than any timer that matters to these tests is away.
const lateDelay = 40 * time.Second

// TestQueuedWriteComesAfterTheFence: a write that was accepted before the fence has
// no decree until it is prepared, and neither the fence nor a new ballot stops it.
func TestQueuedWriteComesAfterTheFence(t *testing.T) {
	c, clock, tc := manual(t)
	if _, err := c.Inject(Fault{Kind: FaultLateCommit, Delay: lateDelay, Times: 1}); err != nil {
		t.Fatal(err)
	}
	p := partitionOfRow("k", "s", tc.count)
	cl := tc.at(p)
	cl.send(tc.header(p, 0), idl.NamePut, &idl.UpdateRequest{Key: key("k", "s"), Value: []byte("late")})
	// The answer to another request shows that the put has arrived.
	cl.call(tc.header(p, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")}, &idl.GetResponse{})
	if err := c.SetEnvs("t", map[string]string{envDeny: "reconfig*write"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	if got := tc.probe()[p]; got != idl.ErrInvalidState {
		t.Fatalf("not fenced: %s", string(got))
	}
	before := tc.infoOf(c.Primary("t", int(p)), p)
	if before.LastPreparedDecree != before.LastCommittedDecree {
		t.Errorf("a queued write shows: %+v", before)
	}
	if _, st := tc.get("k", "s"); st != idl.StatusNotFound {
		t.Errorf("visible before it is prepared: %v", st)
	}
	// The phase of inactivity begins just before the write would be prepared.
	clock.Advance(lateDelay - time.Millisecond)
	c.mu.Lock()
	state := c.tables[0].partitions[p]
	state.ballot++
	c.apply(state)
	c.mu.Unlock()
	clock.Advance(time.Millisecond)
	if n, _ := c.Count("t"); n != 0 {
		t.Error("prepared by an inactive replica")
	}
	clock.Advance(2 * c.Timing().Inactive)
	if head, err := cl.receive(testTimeout); err != nil || head.Code != idl.ErrOK {
		t.Fatalf("the late answer: %+v, %v", head, err)
	}
	if v, st := tc.get("k", "s"); v != "late" || st != idl.StatusOK {
		t.Errorf("an acknowledged write is lost: %q, %v", v, st)
	}
	if after := tc.infoOf(c.Primary("t", int(p)), p); after.LastCommittedDecree <= before.LastCommittedDecree {
		t.Errorf("no decree: before %+v, after %+v", before, after)
	}
}

func TestQueuedWriteIsForgottenWhenThePrimaryMoves(t *testing.T) {
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Clock, cfg.TimeFactor = clock, 1
	cfg.LateCommit = Fault{Delay: lateDelay}
	c := start(t, cfg)
	tc := openManual(t, c, clock, TableSpec{Name: "t", Partitions: 1})
	cl := tc.sendPut("v")
	cl.call(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")}, &idl.GetResponse{})
	if err := c.MovePrimary("t", 0); err != nil {
		t.Fatal(err)
	}
	clock.Advance(lateDelay)
	if head, err := cl.receive(quiet); !isTimeout(err) {
		t.Errorf("answered: %+v, %v", head, err)
	}
	if n, _ := c.Count("t"); n != 0 {
		t.Error("prepared by a replica that is no primary")
	}
}

// TestReplayedEnvChange: the answer says that the change failed, and it comes.
func TestReplayedEnvChange(t *testing.T) {
	c, clock, _ := manual(t)
	if _, err := c.Inject(Fault{Kind: FaultReplay, Delay: time.Minute, Times: 1}); err != nil {
		t.Fatal(err)
	}
	m := meta(t, c)
	req := setEnv(envDeny, "reconfig*write")
	req.AppName = "t"
	if got := m.try(idl.RequestHeader{}, idl.NameUpdateAppEnv, &req, &idl.UpdateAppEnvResponse{}); got != idl.ErrTimeout {
		t.Errorf("%s", string(got))
	}
	if envs, _ := c.TableEnvs("t"); len(envs) != 0 {
		t.Errorf("changed at once: %v", envs)
	}
	clock.Advance(time.Minute)
	if envs, _ := c.TableEnvs("t"); envs[envDeny] != "reconfig*write" {
		t.Errorf("the change never came: %v", envs)
	}
}

func TestBusyReachesEveryKindOfCall(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t", Partitions: 1})
	for _, rpc := range []string{"put", "multi_put", "remove", "get_scanner", "query_replica_info", "update_app_env", "cli_call"} {
		if _, err := c.Inject(Fault{Kind: FaultFail, RPC: rpc, Code: idl.ErrBusy}); err != nil {
			t.Fatal(err)
		}
	}
	for name, req := range map[string]idl.Message{
		idl.NamePut: &idl.UpdateRequest{}, idl.NameMultiPut: &idl.MultiPutRequest{}, idl.NameRemove: &idl.BlobRequest{},
		idl.NameGetScanner: fullScan(1), idl.NameQueryReplicaInfo: &idl.QueryReplicaInfoRequest{}, idl.NameRemoteCommand: &idl.RemoteCommandRequest{},
	} {
		if got := tc.at(0).try(tc.header(0, 0), name, req, nil); got != idl.ErrBusy {
			t.Errorf("%s: %s", name, string(got))
		}
	}
	req := setEnv(envDeny, "reconfig*write")
	if got := meta(t, c).try(idl.RequestHeader{}, idl.NameUpdateAppEnv, &req, nil); got != idl.ErrBusy {
		t.Errorf("update_app_env: %s", string(got))
	}
}

// TestClockSkew: a row that is alive by the true time is dead on a cluster whose
// clock is ahead.
func TestClockSkew(t *testing.T) {
	clock := NewManualClock(clockStart)
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		cfg := fast()
		cfg.Clock, cfg.ClockSkew = clock, skew
		c := start(t, cfg)
		tc := openManual(t, c, clock, TableSpec{Name: "t"})
		tc.put("k", "s", "v", int32(expireIn(clock, 30*time.Minute)))
		_, st := tc.get("k", "s")
		if dead := st == idl.StatusNotFound; dead != (skew > 0) {
			t.Errorf("skew %v: %v", skew, st)
		}
		resp := &idl.TTLResponse{}
		tc.call(key("k", "s"), idl.NameTTL, &idl.BlobRequest{Key: key("k", "s")}, resp)
		if want := int32((30*time.Minute - skew) / time.Second); skew <= 0 && resp.TTLSeconds != want {
			t.Errorf("skew %v: TTL %d, want %d", skew, resp.TTLSeconds, want)
		}
		if n, _ := c.Count("t"); (n == 0) != (skew > 0) {
			t.Errorf("skew %v: %d rows", skew, n)
		}
	}
}

// expireIn is the expiry of a row that lives for d by the true time.
func expireIn(clock *ManualClock, d time.Duration) uint32 { return pegkey.ExpireTs(clock.Now().Add(d)) }

func partitionOfRow(hashKey, sortKey string, count int32) int32 {
	return pegkey.Partition(pegkey.HashRaw(key(hashKey, sortKey)), count)
}

// TestQueueIsFirstInFirstOut: writes that wait keep their order whatever their delays
// are, and one that would not have to wait stands behind them; other partitions go on.
func TestQueueIsFirstInFirstOut(t *testing.T) {
	c, clock, tc := manual(t)
	p := partitionOfRow("k", "s", tc.count)
	delays := []time.Duration{40 * time.Second, 10 * time.Second, 0, 20 * time.Second}
	cl := tc.at(p)
	for i, d := range delays {
		id := 0
		if d > 0 {
			var err error
			if id, err = c.Inject(Fault{Kind: FaultLateCommit, Delay: d}); err != nil {
				t.Fatal(err)
			}
		}
		cl.send(tc.header(p, 0), idl.NamePut, &idl.UpdateRequest{Key: key("k", "s"), Value: []byte{'0' + byte(i)}})
		// The answer to another request shows that the put has arrived.
		cl.call(tc.header(p, 0), idl.NameGet, &idl.BlobRequest{Key: key("k", "s")}, &idl.GetResponse{})
		if id != 0 {
			if err := c.Clear(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	clock.Advance(39 * time.Second)
	if n, _ := c.Count("t"); n != 0 {
		t.Error("a write overtook the first one")
	}
	clock.Advance(time.Second)
	var last int64
	for i := range delays {
		head, err := cl.receive(testTimeout)
		if err != nil || head.Seq != int32(1+2*i) {
			t.Fatalf("answer %d: %+v, %v", i, head, err)
		}
		var d idl.Decoder
		resp := &idl.UpdateResponse{}
		if err := head.DecodeResult(&d, resp); err != nil || resp.Decree <= last {
			t.Errorf("answer %d: decree %d behind %d, %v", i, resp.Decree, last, err)
		}
		last = resp.Decree
	}
	if v, _ := tc.get("k", "s"); v != "3" {
		t.Errorf("the last of the queue is %q", v)
	}
}
