package sandbox

import (
	"context"
	"fmt"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// reversed are tables of both clusters with a log-only duplication each way.
func reversed(t *testing.T, version string) (ahead, back *tableClient) {
	t.Helper()
	a, b := pair(t, of(version))
	ahead = logOnly(t, a, b, TableSpec{Name: "t", Partitions: 1}, TableSpec{Name: "t", Partitions: 1})
	if _, err := b.AddDuplication("t", "alpha", false); err != nil {
		t.Fatal(err)
	}
	back = &tableClient{t: t, c: b, name: "t", id: b.tables[0].info.AppID, count: 1, conns: map[string]*client{}}
	back.waitBack(func(ctx context.Context) error { return b.WaitDuplication(ctx, "t", "alpha", idl.DupLog) })
	until(t, "the first sync", func() bool { return back.state().Partitions[0].Confirmed != noDecree })
	return ahead, back
}

func (tc *tableClient) waitBack(wait func(context.Context) error) {
	tc.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := wait(ctx); err != nil {
		tc.t.Fatal(err)
	}
}

// cameBack waits until what beta has committed by now is on alpha.
func (tc *tableClient) cameBack() {
	tc.t.Helper()
	tc.waitBack(func(ctx context.Context) error { return tc.c.WaitShipped(ctx, "t", "alpha") })
}

// onDisk waits until an empty write shows that what is committed by now is.
func (tc *tableClient) onDisk() {
	tc.t.Helper()
	committed := tc.state().Partitions[0].Committed
	until(tc.t, "an empty write", func() bool { return tc.state().Partitions[0].Committed > committed })
}

// TestReverseIntoAFencedSource: the fence of a source rejects what comes back to it. The
// servers of the other cluster try again for ever, and nothing is lost (facts 14.27).
func TestReverseIntoAFencedSource(t *testing.T) {
	for _, version := range []string{Version240, Version250, Version260} {
		ahead, back := reversed(t, version)
		ahead.puts("before", 50)
		ahead.arrived()
		if err := ahead.c.SetEnvs("t", map[string]string{envDeny: "reconfig*write"}); err != nil {
			t.Fatal(err)
		}
		ahead.c.SyncEnvs()
		back.puts("after", 50)
		until(t, "tries that fail", func() bool { _, failed := shipCounts(back.c, "t"); return failed > 3 })
		if n, _ := ahead.c.Count("t"); n != 50 {
			t.Errorf("%s: %d rows behind the fence", version, n)
		}
		if lag := back.maxLag(); lag < 50 {
			t.Errorf("%s: a lag of %d", version, lag)
		}
		if err := ahead.c.DeleteEnvs("t", envDeny); err != nil {
			t.Fatal(err)
		}
		ahead.c.SyncEnvs()
		back.cameBack()
		sameRows(t, ahead.c, back.c, "t")
		if lost := back.state().Partitions[0].Lost; lost != 0 {
			t.Errorf("%s: %d lost", version, lost)
		}
		ahead.arrived() // what came back does not go ahead again
		if shipped, _ := shipCounts(ahead.c, "t"); shipped == 0 || shipped > 50 {
			t.Errorf("%s: alpha shipped %d requests", version, shipped)
		}
	}
}

// TestReceivedWriteBehindOwnOnes: servers send what they gathered only at a write that is
// their own or when enough was gathered (pegasus_mutation_duplicator::duplicate), so that
// a client's write is never shipped when a received one ends the batch. Nothing tells.
func TestReceivedWriteBehindOwnOnes(t *testing.T) {
	for _, version := range []string{Version240, Version250, Version260} {
		ahead, back := reversed(t, version)
		id := back.state().ID
		set := func(to idl.DuplicationStatus) {
			t.Helper()
			if err := back.c.ModifyDuplication("t", id, to); err != nil {
				t.Fatal(err)
			}
			back.c.SyncDuplications()
		}
		set(idl.DupPause) // so that both are one batch
		back.put("own", "s", "v", 0)
		ahead.put("received", "s", "v", 0)
		ahead.arrived()
		back.onDisk()
		if n, _ := back.c.Count("t"); n != 2 {
			t.Fatalf("%s: %d rows on beta", version, n)
		}
		set(idl.DupLog)
		back.cameBack()
		if _, status := ahead.get("own", "s"); status != idl.StatusNotFound {
			t.Errorf("%s: a write in front of a received one arrived: %v", version, status)
		}
		if got := back.state().Partitions[0]; got.Lost != 1 {
			t.Errorf("%s: %+v", version, got)
		}
		// An own write behind the received one takes along what was gathered.
		set(idl.DupPause)
		for i := range 3 {
			back.put(fmt.Sprint("own", i), "s", "v", 0)
		}
		ahead.put("received", "s2", "v", 0)
		ahead.arrived()
		back.put("own", "last", "v", 0)
		back.onDisk()
		set(idl.DupLog)
		back.cameBack()
		if n, _ := ahead.c.Count("t"); n != 6 { // seven but the one that was lost
			t.Errorf("%s: %d rows", version, n)
		}
	}
}
