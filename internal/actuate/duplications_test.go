package actuate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// dupWorld is a table on east, and west to duplicate it to.
type dupWorld struct {
	t          *testing.T
	east, west *sandbox.Cluster
	clusters   *Clusters
	dups       *Duplications
}

const dupPartitions = 4

func newDupWorld(t *testing.T, hook sandbox.Hook) *dupWorld {
	t.Helper()
	w := &dupWorld{t: t}
	open := map[string]*pegasus.Cluster{}
	for name, at := range map[string]**sandbox.Cluster{"east": &w.east, "west": &w.west} {
		cfg := sandbox.Config{Name: name, TimeFactor: 300, Seed: 1}
		if name == "east" {
			cfg.Hook = hook
		}
		s, err := sandbox.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		*at = s
		c, err := pegasus.Open(t.Context(), pegasus.Config{Name: name, MetaServers: s.MetaServers()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		open[name] = c
	}
	if err := sandbox.Link(w.east, w.west); err != nil {
		t.Fatal(err)
	}
	if _, err := w.east.CreateTable(sandbox.TableSpec{Name: ref().Table, Partitions: dupPartitions}); err != nil {
		t.Fatal(err)
	}
	w.within(func(ctx context.Context) error { return w.east.WaitHealthy(ctx, ref().Table) })
	if err := w.east.Fill(ref().Table, sandbox.LoadSpec{Rows: 400, ValueSize: 20}); err != nil {
		t.Fatal(err)
	}
	w.clusters = NewClusters(open)
	w.dups = NewDuplications(w.clusters)
	return w
}

func (w *dupWorld) within(f func(ctx context.Context) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	if err := f(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func toWest() plan.AddDuplication {
	return plan.AddDuplication{Source: ref(), Target: west(), Remote: "west", FailMode: "slow"}
}

// ship adds the duplication and waits until every primary ships.
func (w *dupWorld) ship() int32 {
	w.t.Helper()
	id, err := w.dups.AddDuplication(w.t.Context(), toWest())
	if err != nil {
		w.t.Fatal(err)
	}
	w.within(func(ctx context.Context) error { return w.east.WaitDuplication(ctx, ref().Table, "west", idl.DupLog) })
	return id
}

// put writes rows and waits until they are acknowledged.
func (w *dupWorld) put(from, to int) {
	w.t.Helper()
	table, err := w.clusters.open(w.t.Context(), ref())
	if err != nil {
		w.t.Fatal(err)
	}
	for i := from; i < to; i++ {
		row := pegasus.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "written %d", i)}
		if err := putAndWait(w.t.Context(), table, row, time.Now().Add(testTimeout)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// shipped waits until what is committed now has arrived on west.
func (w *dupWorld) shipped(ctx context.Context) error {
	return w.east.WaitShipped(ctx, ref().Table, "west")
}

func (w *dupWorld) lag(id int32) []apply.Lag {
	w.t.Helper()
	lags, err := w.dups.Lag(w.t.Context(), ref(), id)
	if err != nil || len(lags) != dupPartitions {
		w.t.Fatalf("%d partitions, %v", len(lags), err)
	}
	return lags
}

func TestLifeOfADuplication(t *testing.T) {
	w := newDupWorld(t, nil)
	ctx := t.Context()
	if list, err := w.dups.Duplications(ctx, ref()); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	for i, l := range w.lag(7) {
		if int(l.Partition) != i || l.Shipped != -1 || l.Confirmed != -1 || !strings.Contains(l.Problem, "no duplication here") {
			t.Errorf("without a duplication: %+v", l)
		}
	}
	add := toWest()
	add.FailMode = "skip"
	id, err := w.dups.AddDuplication(ctx, add)
	if err != nil || id <= 0 {
		t.Fatal(id, err)
	}
	list, err := w.dups.Duplications(ctx, ref())
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Remote != "west" || list[0].FailMode != "FAIL_SKIP" ||
		time.Since(list[0].CreatedAt).Abs() > time.Minute {
		t.Fatalf("%+v, %v", list, err)
	}
	w.within(func(ctx context.Context) error { return w.east.WaitDuplication(ctx, ref().Table, "west", idl.DupLog) })
	// The server names none when one stands there already.
	if again, err := w.dups.AddDuplication(ctx, toWest()); !errors.Is(err, apply.ErrOutcomeUnknown) || errors.Is(err, apply.ErrRefused) {
		t.Error(again, err)
	}
	if err := w.dups.RemoveDuplication(ctx, ref(), id); err != nil {
		t.Error(err)
	}
	if list, err := w.dups.Duplications(ctx, ref()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	for what, err := range map[string]error{"one that is gone": w.dups.RemoveDuplication(ctx, ref(), id),
		"of no table": w.dups.RemoveDuplication(ctx, plan.TableRef{Cluster: "east", Table: "none"}, id)} {
		if err != nil {
			t.Errorf("remove %s: %v", what, err)
		}
	}
	if _, err := w.dups.Duplications(ctx, plan.TableRef{Cluster: "east", Table: "none"}); !errors.Is(err, apply.ErrNoTable) {
		t.Error(err)
	}
}

func TestAddDuplicationIsRefused(t *testing.T) {
	w := newDupWorld(t, nil)
	for name, c := range map[string]struct {
		edit func(*plan.AddDuplication)
		says string
	}{
		"an unknown cluster": {func(a *plan.AddDuplication) { a.Remote = "north" }, "north"},
		"itself":             {func(a *plan.AddDuplication) { a.Remote = "east" }, "itself"},
		"no table":           {func(a *plan.AddDuplication) { a.Source.Table = "none" }, "ERR_APP_NOT_EXIST"},
		"a fail mode":        {func(a *plan.AddDuplication) { a.FailMode = "never" }, "never"},
		"another name":       {func(a *plan.AddDuplication) { a.RemoteTable = "other" }, "before 2.6"},
		"another count":      {func(a *plan.AddDuplication) { a.Replicas = 2 }, "before 2.6"},
		"no cluster":         {func(a *plan.AddDuplication) { a.Source.Cluster = "south" }, "not connected"},
	} {
		a := toWest()
		c.edit(&a)
		id, err := w.dups.AddDuplication(t.Context(), a)
		if id != 0 || !errors.Is(err, apply.ErrRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d, %v", name, id, err)
		}
	}
	if list, err := w.dups.Duplications(t.Context(), ref()); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

func TestAddDuplicationWhoseAnswerIsLost(t *testing.T) {
	var sent atomic.Int32
	w := newDupWorld(t, func(c sandbox.Call) sandbox.Verdict {
		if c.RPC == idl.NameAddDuplication && c.Phase == sandbox.After {
			sent.Add(1)
			return sandbox.Drop()
		}
		return sandbox.Pass()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := w.dups.AddDuplication(ctx, toWest()); !errors.Is(err, apply.ErrOutcomeUnknown) || sent.Load() != 1 {
		t.Errorf("sent %d times: %v", sent.Load(), err)
	}
	if list, err := w.dups.Duplications(t.Context(), ref()); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}

func TestLagIsALowerBound(t *testing.T) {
	w := newDupWorld(t, nil)
	id := w.ship()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				w.put(i, i+1)
			}
		}
	}()
	for range 20 {
		lags := w.lag(id)
		states, err := w.east.Duplications(ref().Table)
		if err != nil || len(states) != 1 {
			t.Fatal(states, err)
		}
		for i, l := range lags {
			if p := states[0].Partitions[i]; l.Shipped > p.Shipped || l.Shipped < 0 || l.Shipped > l.Committed || l.Confirmed > l.Shipped ||
				l.Problem != "" || l.Primary != p.Primary || l.Ballot == 0 {
				t.Errorf("%+v, truth %+v", l, p)
			}
		}
	}
	close(stop)
	<-done
	w.within(w.shipped)
	want := w.lag(id)
	until(t, "what was committed is known to be shipped", func() bool {
		for i, l := range w.lag(id) {
			if l.Shipped < want[i].Committed-1 {
				return false
			}
		}
		return true
	})
	for _, l := range w.lag(id + 1) {
		if l.Shipped != -1 || !strings.Contains(l.Problem, "does not know duplication") {
			t.Errorf("another duplication: %+v", l)
		}
	}
}

func TestLagOfWhatDoesNotShip(t *testing.T) {
	w := newDupWorld(t, nil)
	id := w.ship()
	if err := w.east.ModifyDuplication(ref().Table, id, idl.DupPause); err != nil {
		t.Fatal(err)
	}
	until(t, "the pause", func() bool {
		for _, l := range w.lag(id) {
			if l.Shipped != -1 || !strings.Contains(l.Problem, "does not ship") {
				return false
			}
		}
		return true
	})
	// A dead server: what it leads is reported, as unknown.
	dead := w.east.Primary(ref().Table, 0)
	for i, addr := range w.east.ReplicaServers() {
		if addr == dead {
			if err := w.east.KillReplica(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if l := w.lag(id)[0]; l.Shipped != -1 || l.Confirmed != -1 || l.Problem == "" {
		t.Errorf("%+v", l)
	}
	if _, err := w.dups.Lag(t.Context(), plan.TableRef{Cluster: "east", Table: "none"}, id); err == nil {
		t.Error("a table that is not there has a lag")
	}
}

func TestLagWantsOnePrimaryUnderOneBallot(t *testing.T) {
	const app, dup, node = 7, 5, "10.0.0.1:34801"
	config := pegasus.PartitionConfig{Index: 3, Ballot: 4, Primary: node}
	replica := func(ballot int64, primary bool, committed int64) map[gpid]pegasus.ReplicaInfo {
		return map[gpid]pegasus.ReplicaInfo{{app, 3}: {AppID: app, Partition: 3, Ballot: ballot, Primary: primary, Committed: committed, Prepared: committed + 1}}
	}
	ships := func(p pegasus.ReplicaProgress) map[int32]map[int32]pegasus.ReplicaProgress {
		return map[int32]map[int32]pegasus.ReplicaProgress{dup: {3: p}}
	}
	well := pegasus.ReplicaProgress{Duplicating: true, NotDuplicated: 2, NotConfirmed: 5}
	for name, c := range map[string]struct {
		n                  nodeLag
		shipped, confirmed int64
		problem            string
	}{
		"as it should be": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 120), progress: ships(well)}, 98, 95, ""},
		"an empty write in between": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 101),
			progress: ships(pegasus.ReplicaProgress{Duplicating: true, NotDuplicated: 1, NotConfirmed: 1})}, 99, 99, ""},
		"more in between than was shipped": {nodeLag{before: replica(4, true, 1), after: replica(4, true, 9),
			progress: ships(pegasus.ReplicaProgress{Duplicating: true, NotDuplicated: 8, NotConfirmed: 9})}, 0, -1, ""},
		"nothing is confirmed": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 100),
			progress: ships(pegasus.ReplicaProgress{Duplicating: true, NotDuplicated: 1, NotConfirmed: 101})}, 99, -1, ""},
		"the first decree is confirmed": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 100),
			progress: ships(pegasus.ReplicaProgress{Duplicating: true, NotDuplicated: 1, NotConfirmed: 100})}, 99, 0, ""},
		"it became primary meanwhile": {nodeLag{before: replica(3, false, 100), after: replica(4, true, 100), progress: ships(well)}, -1, -1, "ballot 3"},
		"it is none any more":         {nodeLag{before: replica(4, true, 100), after: replica(5, false, 100), progress: ships(well)}, -1, -1, "ballot 5"},
		"another ballot than the meta's": {nodeLag{before: replica(6, true, 100), after: replica(6, true, 100), progress: ships(well)},
			-1, -1, "the meta says primary under 4"},
		"it has no replica": {nodeLag{after: replica(4, true, 100), progress: ships(well)}, -1, -1, "no replica"},
		"it does not know of it": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 100),
			progress: map[int32]map[int32]pegasus.ReplicaProgress{dup + 1: {3: well}, dup: {2: well}}}, -1, -1, "does not know duplication 5"},
		"paused": {nodeLag{before: replica(4, true, 100), after: replica(4, true, 100), progress: ships(pegasus.ReplicaProgress{})}, -1, -1, "does not ship"},
		"silent": {nodeLag{err: errors.New("refused")}, -1, -1, "refused"},
	} {
		l := c.n.of(config, app, dup)
		if l.Shipped != c.shipped || l.Confirmed != c.confirmed || !strings.Contains(l.Problem, c.problem) || (l.Problem == "") != (c.problem == "") ||
			l.Partition != 3 || l.Primary != node || l.Ballot != 4 {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestGroupCheck(t *testing.T) {
	w := newDupWorld(t, nil)
	d, err := w.dups.GroupCheck(t.Context(), "east")
	if want := w.east.Timing().GroupCheck; err != nil || d.Round(time.Millisecond) != want.Round(time.Millisecond) {
		t.Errorf("%s, want %s, %v", d, want, err)
	}
	if _, err := w.dups.GroupCheck(t.Context(), "south"); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
	// One that hangs may be the slowest.
	if err := w.east.KillReplica(0); err != nil {
		t.Fatal(err)
	}
	if d, err := w.dups.GroupCheck(t.Context(), "east"); err == nil && len(livingIn(t, w, "east")) == 3 {
		t.Error("a living server that does not answer was left out:", d)
	}
}

func livingIn(t *testing.T, w *dupWorld, cluster string) []string {
	t.Helper()
	c, err := w.clusters.cluster(cluster)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := livingNodes(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestLevels(t *testing.T) {
	w := newDupWorld(t, nil)
	l := NewLevels(w.clusters)
	for _, level := range []string{"steady", "lively"} {
		if err := l.SetMetaLevel(t.Context(), "east", level); err != nil {
			t.Error(err)
		}
		if got, err := l.MetaLevel(t.Context(), "east"); err != nil || got != level {
			t.Error(got, err)
		}
	}
	if err := l.SetMetaLevel(t.Context(), "east", "wild"); err == nil {
		t.Error("a level that does not exist was set")
	}
	if _, err := l.MetaLevel(t.Context(), "south"); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
}
