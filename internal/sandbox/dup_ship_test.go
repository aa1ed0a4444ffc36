package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// logOnly duplicates a new table to an existing one of beta.
func logOnly(t testing.TB, a, b *Cluster, source, target TableSpec) *tableClient {
	t.Helper()
	tc := open(t, a, source)
	newTable(t, b, target)
	tc.add(false)
	tc.inState(idl.DupLog)
	until(t, "the first sync", func() bool {
		return !slices.ContainsFunc(tc.state().Partitions, func(p DuplicationPartition) bool { return p.Confirmed == noDecree })
	})
	return tc
}

func (tc *tableClient) puts(prefix string, n int) {
	tc.t.Helper()
	for i := range n {
		tc.put(fmt.Sprintf("%s%03d", prefix, i), "s", "v", 0)
	}
}

// maxLag is the largest number of mutations that a partition did not ship.
func (tc *tableClient) maxLag() int64 {
	lag := int64(0)
	for _, p := range tc.state().Partitions {
		lag = max(lag, p.Committed-p.Shipped)
	}
	return lag
}

// TestFencedTargetStopsShipping: nothing is lost, and it goes on by itself (facts 14.27).
func TestFencedTargetStopsShipping(t *testing.T) {
	for _, mode := range []string{"reconfig*write", "timeout*all"} {
		a, b := pair(t)
		tc := logOnly(t, a, b, TableSpec{Name: "t"}, TableSpec{Name: "t"})
		if err := b.SetEnvs("t", map[string]string{envDeny: mode}); err != nil {
			t.Fatal(err)
		}
		b.SyncEnvs()
		tc.puts("k", 100)
		until(t, "shipping to stand still", func() bool { return tc.maxLag() > 10 })
		if n, _ := b.Count("t"); n != 0 {
			t.Errorf("%s: %d rows came through", mode, n)
		}
		if mode == "reconfig*write" {
			until(t, "failures to be counted", func() bool { _, failed := shipCounts(a, "t"); return failed > 3 })
		}
		if err := b.DeleteEnvs("t", envDeny); err != nil {
			t.Fatal(err)
		}
		b.SyncEnvs()
		tc.arrived()
		sameRows(t, a, b, "t")
		if shipped, _ := shipCounts(a, "t"); shipped == 0 {
			t.Error("no request is counted as shipped")
		}
	}
}

// shipCounts adds up the requests that the primaries of a table shipped and those that
// failed.
func shipCounts(c *Cluster, table string) (shipped, failed uint64) {
	for _, n := range c.nodes {
		n.each(func(r *replica) {
			r.part.mu.Lock()
			defer r.part.mu.Unlock()
			if r.table == table {
				shipped, failed = shipped+r.shippedOps, failed+r.failedShips
			}
		})
	}
	return shipped, failed
}

// TestUnequalPartitionCounts: facts 14.16.
func TestUnequalPartitionCounts(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 4}, TableSpec{Name: "t", Partitions: 8})
	if err := a.Fill("t", LoadSpec{Rows: 2000, ValueSize: 50}); err != nil {
		t.Fatal(err)
	}
	tc.arrived()
	all, wrong := 0, 0
	err := b.Dump("t", func(r Row) error {
		all++
		if pegkey.Partition(pegkey.HashRaw(r.Key), 8) != r.Partition {
			wrong++
		}
		return nil
	})
	if err != nil || all != 2000 || wrong == 0 || wrong == all {
		t.Errorf("%d rows arrived, %d of them in a wrong partition, %v", all, wrong, err)
	}
}

func TestDefaultTTLOfTheTarget(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	if err := b.SetEnvs("t", map[string]string{envDefaultTTL: "1000"}); err != nil {
		t.Fatal(err)
	}
	b.SyncEnvs()
	tc.put("k", "never", "v", 0)
	tc.put("k", "fixed", "v", 2e9)
	tc.arrived()
	expiry := map[string]uint32{}
	err := b.Dump("t", func(r Row) error { expiry[string(r.Key)] = r.Expire; return nil })
	if err != nil || expiry[string(key("k", "fixed"))] != 2e9 {
		t.Errorf("%v, %v", expiry, err)
	}
	if left := int64(expiry[string(key("k", "never"))]) - int64(b.rowTime()); left < 900 || left > 1000 {
		t.Errorf("%d s left of the default TTL", left)
	}
}

// TestWritesThatCannotBeDuplicated: they are refused once the flag has come with config
// sync, and again accepted when the duplication is gone.
func TestWritesThatCannotBeDuplicated(t *testing.T) {
	a, b := pair(t)
	tc := open(t, a, TableSpec{Name: "t", Partitions: 1})
	newTable(t, b, TableSpec{Name: "t", Partitions: 1})
	raw := key("k", "s")
	incr := func() idl.ErrorCode {
		return tc.try(raw, idl.NameIncr, &idl.IncrRequest{Key: raw, Increment: 1}, &idl.IncrResponse{})
	}
	if got := incr(); got != idl.ErrOK {
		t.Fatal(got)
	}
	id := tc.add(false)
	until(t, "the refusal", func() bool { return incr() == idl.ErrOperationDisabled })
	for name, req := range map[string]idl.Message{
		idl.NameCheckAndSet:    &idl.CheckAndSetRequest{HashKey: []byte("k")},
		idl.NameCheckAndMutate: &idl.CheckAndMutateRequest{HashKey: []byte("k")},
	} {
		if got := tc.try(raw, name, req, nil); got != idl.ErrOperationDisabled {
			t.Errorf("%s: %s", name, string(got))
		}
	}
	srv := a.nodes[slices.Index(a.ReplicaServers(), a.Primary("t", 0))].srv
	got, ok := srv.counter("replica*eon.replica*dup.disabled_non_idempotent_write_count@t")
	if !ok || got.kind != volatile || got.total < 3 {
		t.Errorf("%+v, %v", got, ok)
	}
	if err := a.ModifyDuplication("t", id, idl.DupRemoved); err != nil {
		t.Fatal(err)
	}
	until(t, "incr to work again", func() bool { return incr() == idl.ErrOK })
	until(t, "the log to end", func() bool {
		p := a.tables[0].partitions[0].data
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.log == nil
	})
}

func TestPauseAndRemove(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t"}, TableSpec{Name: "t"})
	id := tc.state().ID
	set := func(to idl.DuplicationStatus) {
		t.Helper()
		if err := a.ModifyDuplication("t", id, to); err != nil {
			t.Fatal(err)
		}
		a.SyncDuplications()
	}
	set(idl.DupPause)
	tc.puts("paused", 100)
	until(t, "lag", func() bool { return tc.maxLag() > 10 })
	if n, _ := b.Count("t"); n != 0 {
		t.Errorf("%d rows came through a pause", n)
	}
	_, body, _ := httpGet(t, a.Primary("t", 0), fmt.Sprintf("/replica/duplication?appid=%d", tc.id))
	if !strings.Contains(body, `"duplicating":false`) {
		t.Errorf("%s", body)
	}
	set(idl.DupLog)
	tc.arrived()
	sameRows(t, a, b, "t")
	set(idl.DupRemoved)
	tc.puts("removed", 20)
	a.SyncEnvs()
	a.SyncEnvs()
	if n, _ := b.Count("t"); n != 100 {
		t.Errorf("%d rows after the duplication was removed", n)
	}
}

// TestStalledDuplication: the fault holds up one partition, and Clear lets it go on.
func TestStalledDuplication(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t"}, TableSpec{Name: "t"})
	id, err := a.Inject(Fault{Kind: FaultStallDuplication, Table: "t", Partition: new(2)})
	if err != nil || id == 0 {
		t.Fatal(id, err)
	}
	tc.puts("k", 200)
	until(t, "the others to arrive", func() bool {
		s := tc.state().Partitions
		return s[0].AtRest() && s[1].AtRest() && s[3].AtRest()
	})
	if p := tc.state().Partitions[2]; p.Committed-p.Shipped < 20 {
		t.Errorf("partition 2 is not held up: %+v", p)
	}
	srv := a.nodes[slices.Index(a.ReplicaServers(), a.Primary("t", 2))].srv
	until(t, "the counter of pending mutations", func() bool {
		got, ok := srv.counter("replica*eon.replica_stub*dup.pending_mutations_count")
		return ok && got.kind == volatile && got.value >= 20
	})
	if err := a.Clear(id); err != nil {
		t.Fatal(err)
	}
	tc.arrived()
	sameRows(t, a, b, "t")
	if _, ok := srv.counter(fmt.Sprintf("replica*app.pegasus*dup_shipped_ops@%d.2", tc.id)); !ok {
		t.Error("no counter of shipped requests")
	}
	if _, err := a.Inject(Fault{Kind: FaultStallDuplication, Every: time.Second}); err == nil {
		t.Error("a stall that repeats is accepted")
	}
}

func TestShipRate(t *testing.T) {
	a, b := pair(t, func(x, _ *Config) { x.ShipRate = 200 })
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	began := time.Now()
	for i := range 100 {
		tc.put(fmt.Sprint("k", i), "s", strings.Repeat("v", 1000), 0)
	}
	tc.arrived()
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("100 mutations in %v", took)
	}
}

// TestPrimaryMovesWhileShipping: another primary goes on from what the meta has stored.
func TestPrimaryMovesWhileShipping(t *testing.T) {
	a, b := pair(t)
	for _, c := range []*Cluster{a, b} { // nothing moves by itself
		c.mu.Lock()
		c.level = idl.MetaSteady
		c.mu.Unlock()
	}
	tc := loaded(t, a, TableSpec{Name: "t"})
	tc.add(true)
	tc.inState(idl.DupLog)
	for round := range 12 {
		tc.puts(fmt.Sprint("r", round%3, "-"), 20)
		switch round % 3 {
		case 0:
			if err := a.MovePrimary("t", round%4); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := b.MovePrimary("t", round%4); err != nil {
				t.Fatal(err)
			}
		default:
			i := round % 2
			if err := a.KillReplica(i); err != nil {
				t.Fatal(err)
			}
			if err := a.RestartReplica(i); err != nil {
				t.Fatal(err)
			}
			clear(tc.conns)
		}
		healthy(t, a, "t")
		healthy(t, b, "t")
	}
	tc.arrived()
	sameRows(t, a, b, "t")
}

// TestTooLargeBatch: several large writes in one request exceed what the target accepts,
// and are sent again for ever (facts 2.6).
func TestTooLargeBatch(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	tc.put("big", "s", strings.Repeat("v", maxWriteSize-100), 0)
	tc.put("next", "s", "v", 0)
	until(t, "failures", func() bool { _, failed := shipCounts(a, "t"); return failed > 3 })
	if n, _ := b.Count("t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// TestNoChains: what came from another cluster goes to no third one, and does not come
// back.
func TestNoChains(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	if _, err := b.AddDuplication("t", "alpha", false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := b.WaitDuplication(ctx, "t", "alpha", idl.DupLog); err != nil {
		t.Fatal(err)
	}
	tc.puts("k", 50)
	tc.arrived()
	if err := b.WaitShipped(ctx, "t", "alpha"); err != nil {
		t.Fatal(err)
	}
	if shipped, _ := shipCounts(b, "t"); shipped != 0 {
		t.Errorf("beta shipped %d requests back", shipped)
	}
	sameRows(t, a, b, "t")
}

// TestOwnWritesInFrontOfReceivedOnes: a batch whose last mutation came from another
// cluster loses the client's writes before it that were not sent yet.
func TestOwnWritesInFrontOfReceivedOnes(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "t", Partitions: 1})
	p := c.tables[0].partitions[0]
	r := p.primary.replica(p.gpid())
	d := r.newDuplicator(dupEntry{id: 1, remote: "beta", progress: noDecree})
	own := func(size int) mutation {
		return mutation{updates: []loggedUpdate{{idl.NamePut, make([]byte, size)}}}
	}
	received := mutation{updates: []loggedUpdate{{idl.NameDuplicate, make([]byte, 10)}}}
	for name, x := range map[string]struct {
		list       []mutation
		sent, lost int
	}{
		"own last":             {[]mutation{received, own(1), received, own(1)}, 2, 0},
		"received last":        {[]mutation{own(1), own(1), received}, 0, 2},
		"full before received": {[]mutation{own(4096), own(1), received}, 1, 1},
		"only received":        {[]mutation{received, received}, 0, 0},
		"empty writes":         {[]mutation{{}, {}}, 0, 0},
		"empty behind own":     {[]mutation{own(1), {}}, 1, 0},
	} {
		d.lost = 0
		sent := 0
		for _, req := range d.requests(x.list, defaultBatchBytes) {
			sent += len(req.entries)
		}
		if sent != x.sent || int(d.lost) != x.lost {
			t.Errorf("%s: %d sent, %d lost, want %d and %d", name, sent, d.lost, x.sent, x.lost)
		}
	}
}

// TestEmptyPartitionGetsACheckpoint: rows and a checkpoint free a duplication that is
// stuck in DS_APP.
func TestEmptyPartitionGetsACheckpoint(t *testing.T) {
	a, b := pair(t)
	tc := open(t, a, TableSpec{Name: "t", Partitions: 2})
	tc.add(true)
	tc.inState(idl.DupApp)
	tc.puts("k", 20)
	for _, addr := range a.ReplicaServers() {
		resp := &idl.RemoteCommandResponse{}
		dial(t, addr).call(idl.RequestHeader{}, idl.NameRemoteCommand, &idl.RemoteCommandRequest{Cmd: "replica.trigger-checkpoint"}, resp)
	}
	tc.inState(idl.DupLog)
	tc.puts("l", 20)
	tc.arrived()
	sameRows(t, a, b, "t")
}

func TestLogForgetsWhatIsConfirmed(t *testing.T) {
	a, b := pair(t)
	tc := logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	tc.puts("k", 300)
	tc.arrived()
	until(t, "a short log", func() bool { return tc.state().Partitions[0].Logged < 50 })
	l := &mutationLog{}
	for d := range int64(10) {
		l.append(d+5, clockStart, nil)
	}
	l.truncate(3)
	l.truncate(7)
	got, first := l.from(1, 12)
	if first != 8 || len(got) != 5 || got[0].timestampUs >= got[1].timestampUs {
		t.Errorf("%d from %d: %v", len(got), first, got)
	}
	if got, _ := l.from(13, 12); len(got) != 0 {
		t.Error("an empty range has entries")
	}
	l.truncate(100)
	l.append(15, clockStart, nil)
	if got, first := l.from(0, 15); first != 15 || len(got) != 1 {
		t.Errorf("%d from %d after all was forgotten", len(got), first)
	}
}
