package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// pair starts two linked clusters, alpha and beta.
func pair(t testing.TB, edit ...func(alpha, beta *Config)) (alpha, beta *Cluster) {
	t.Helper()
	a, b := fast(), fast()
	a.TimeFactor, b.TimeFactor = 500, 500
	b.Name, b.Seed = "beta", 2
	for _, f := range edit {
		f(&a, &b)
	}
	alpha, beta = start(t, a), start(t, b)
	if err := Link(alpha, beta); err != nil {
		t.Fatal(err)
	}
	return alpha, beta
}

// add adds a duplication to beta.
func (tc *tableClient) add(checkpoint bool) int32 {
	tc.t.Helper()
	id, err := tc.c.AddDuplication(tc.name, "beta", checkpoint)
	if err != nil {
		tc.t.Fatal(err)
	}
	return id
}

// inState waits for a state of the duplication to beta.
func (tc *tableClient) inState(status idl.DuplicationStatus) {
	tc.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := tc.c.WaitDuplication(ctx, tc.name, "beta", status); err != nil {
		tc.t.Fatal(err)
	}
}

// arrived waits until everything committed by now is on beta.
func (tc *tableClient) arrived() {
	tc.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := tc.c.WaitShipped(ctx, tc.name, "beta"); err != nil {
		tc.t.Fatal(err)
	}
}

// state is the one duplication of the table.
func (tc *tableClient) state() DuplicationState {
	tc.t.Helper()
	list, err := tc.c.Duplications(tc.name)
	if err != nil || len(list) != 1 {
		tc.t.Fatalf("%d duplications, %v", len(list), err)
	}
	return list[0]
}

// rowsOf lists the rows of a table as text.
func rowsOf(t testing.TB, c *Cluster, table string) []string {
	t.Helper()
	var list []string
	err := c.Dump(table, func(r Row) error {
		list = append(list, fmt.Sprintf("%d %q %q %d", r.Partition, r.Key, r.Value, r.Expire))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// sameRows compares the rows of a table on two clusters.
func sameRows(t testing.TB, a, b *Cluster, table string) {
	t.Helper()
	left, right := rowsOf(t, a, table), rowsOf(t, b, table)
	if !slices.Equal(left, right) {
		t.Errorf("rows differ: %d on %s, %d on %s\n%.400v\n%.400v", len(left), a.Name(), len(right), b.Name(), left, right)
	}
}

// loaded is a table of alpha with rows in every partition.
func loaded(t testing.TB, c *Cluster, spec TableSpec) *tableClient {
	t.Helper()
	tc := open(t, c, spec)
	if err := c.Fill(spec.Name, LoadSpec{Rows: 400, ValueSize: 20}); err != nil {
		t.Fatal(err)
	}
	return tc
}

func TestDuplicationCopiesThenFollows(t *testing.T) {
	a, b := pair(t)
	tc := loaded(t, a, TableSpec{Name: "t", Envs: map[string]string{"business.info": "x"}})
	tc.put("old", "s", "1", 0)
	id := tc.add(true)
	if id < 1e9 {
		t.Errorf("id %d is no time", id)
	}
	for i := range 50 {
		tc.put(fmt.Sprint("early", i), "s", "v", 0)
	}
	tc.inState(idl.DupLog)
	for i := range 50 {
		tc.put(fmt.Sprint("late", i), "s", "v", 0)
		tc.put("hot", "s", fmt.Sprint(i), 0)
	}
	tc.call(key("old", "s"), idl.NameRemove, &idl.BlobRequest{Key: key("old", "s")}, &idl.UpdateResponse{})
	put := &idl.MultiPutRequest{HashKey: []byte("m"), ExpireTsSeconds: 2e9, Kvs: []idl.KeyValue{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b")}, {Key: []byte("c")}}}
	tc.call(key("m", ""), idl.NameMultiPut, put, &idl.UpdateResponse{})
	rm := &idl.MultiRemoveRequest{HashKey: []byte("m"), SortKeys: [][]byte{[]byte("b")}}
	tc.call(key("m", ""), idl.NameMultiRemove, rm, &idl.MultiRemoveResponse{})
	tc.arrived()
	sameRows(t, a, b, "t")
	envs, err := b.TableEnvs("t")
	if err != nil || envs["business.info"] != "x" || envs[envMasterCluster] != "alpha" || envs[envMasterMetas] != strings.Join(a.MetaServers(), ",") {
		t.Errorf("envs of the follower: %v, %v", envs, err)
	}
	// The rows loaded without RPC are shipped, too.
	if err := a.Fill("t", LoadSpec{Rows: 500, ValueSize: 7}); err != nil {
		t.Fatal(err)
	}
	tc.arrived()
	sameRows(t, a, b, "t")
	if lost := tc.state().Partitions[0].Lost; lost != 0 {
		t.Errorf("%d mutations lost", lost)
	}
}

// TestLastMutationIsLate: without a later mutation the last one does not leave, and an
// empty write lets it go only a group check later.
func TestLastMutationIsLate(t *testing.T) {
	clock := NewManualClock(clockStart)
	a, b := pair(t, func(x, y *Config) { x.Clock, x.TimeFactor = clock, 1 })
	tc := openManual(t, a, clock, TableSpec{Name: "t", Partitions: 1})
	newTable(t, b, TableSpec{Name: "t", Partitions: 1})
	tc.put("k", "0", "v", 0)
	tc.add(false)
	for range 5 {
		clock.Advance(a.timing.DupSync)
	}
	step := func(what string, ok func() bool) {
		t.Helper()
		until(t, what, func() bool {
			clock.Advance(a.timing.DupIdle)
			return ok()
		})
	}
	step("shipping", func() bool { return tc.state().Partitions[0].AtRest() })
	tc.put("k", "1", "v", 0)
	wrote := clock.Now()
	tc.put("k", "2", "v", 0)
	step("the first of two arrives", func() bool { return len(rowsOf(t, b, "t")) >= 1 && tc.state().Partitions[0].AtRest() })
	if got := rowsOf(t, b, "t"); slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, `k2`) }) {
		t.Errorf("the last mutation arrived after %v: %v", clock.Now().Sub(wrote), got)
	}
	clock.Advance(a.timing.GroupCheck - clock.Now().Sub(wrote) - time.Millisecond)
	if p := tc.state().Partitions[0]; p.Committed-p.Shipped != 1 {
		t.Errorf("before the group check: %+v", p)
	}
	clock.Advance(a.timing.GroupCheck)
	step("the last arrives", func() bool { return len(rowsOf(t, b, "t")) >= 2 && tc.state().Partitions[0].AtRest() })
	if p := tc.state().Partitions[0]; p.Committed-p.Shipped != 1 {
		t.Errorf("at rest: %+v", p)
	}
}

func TestDuplicationStuck(t *testing.T) {
	type setup func(t *testing.T, a, b *Cluster) *tableClient
	simple := func(spec TableSpec, more ...func(t *testing.T, a, b *Cluster)) setup {
		return func(t *testing.T, a, b *Cluster) *tableClient {
			tc := loaded(t, a, spec)
			for _, f := range more {
				f(t, a, b)
			}
			return tc
		}
	}
	for name, test := range map[string]struct {
		setup setup
		want  idl.DuplicationStatus
	}{
		"the target has the table": {simple(TableSpec{Name: "t"}, func(t *testing.T, _, b *Cluster) { newTable(t, b, TableSpec{Name: "t"}) }), idl.DupPrepare},
		"too few servers": {simple(TableSpec{Name: "t", Replicas: 3}, func(t *testing.T, _, b *Cluster) {
			for i := range 1 {
				if err := b.KillReplica(i); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "the meta to notice", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.aliveCount() == 2 })
		}), idl.DupPrepare},
		"no metas there": {simple(TableSpec{Name: "t"}, func(t *testing.T, _, b *Cluster) {
			if err := b.KillMeta(0); err != nil {
				t.Fatal(err)
			}
		}), idl.DupPrepare},
		"one replica": {simple(TableSpec{Name: "t", Replicas: 1}), idl.DupApp},
		"an empty partition": {func(t *testing.T, a, _ *Cluster) *tableClient {
			tc := open(t, a, TableSpec{Name: "t", Partitions: 2})
			raw := key("k", "s")
			tc.call(raw, idl.NamePut, &idl.UpdateRequest{Key: raw}, &idl.UpdateResponse{})
			a.SyncEnvs() // the server's own empty rows are none
			return tc
		}, idl.DupApp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t)
			tc := test.setup(t, a, b)
			tc.add(true)
			tc.inState(test.want)
			after := time.NewTimer(20 * a.timing.DupSync)
			defer after.Stop()
			<-after.C
			if got := tc.state().Status; got != test.want {
				t.Errorf("%v, want %v for ever", got, test.want)
			}
		})
	}
}
