package actuate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// at is a row on one side of a test.
func (w *liveWorld) at(table *pegasus.Table, key []byte) (row pegasus.Row, found bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	row, found, err := table.Row(ctx, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return row, found
}

func (w *liveWorld) set(table *pegasus.Table, key []byte, value string, expire uint32) {
	w.t.Helper()
	if err := w.write(table, pegasus.Row{Key: key, Value: []byte(value), Expire: expire}); err != nil {
		w.t.Fatal(err)
	}
}

// differing compares and gives the list.
func (w *liveWorld) differing(job Comparison) []difference.Entry {
	w.t.Helper()
	var list []difference.Entry
	job.Source, job.Target = ref(), west()
	job.Each = func(e difference.Entry) error { list = append(list, e); return nil }
	if _, err := w.live.Compare(w.t.Context(), job); err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *liveWorld) repair(ctx context.Context, job Repair, list []difference.Entry) (event.Repaired, error) {
	job.Source, job.Target, job.Keys, job.Count = ref(), west(), entries(list), uint64(len(list))
	return w.live.Repair(ctx, job)
}

// A write that reaches the source and then, by its own way, the target while a repair is under way is not lost to it:
// the repair's write, which is older, lands on top of it and is taken back.
func TestRepairGivesWayToYoungerWrites(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var armed atomic.Bool
	w := newLiveWorld(t, sandbox.Config{Hook: func(c sandbox.Call) sandbox.Verdict {
		verdict := sandbox.Pass()
		if armed.Load() && c.Cluster == "west" && c.RPC == idl.NamePut && c.Phase == sandbox.Before {
			once.Do(func() { close(held); verdict = sandbox.Hold(hold) })
		}
		return verdict
	}}, 4)
	key := rowKey(7)
	w.set(w.src, key, "second", 0)
	list := w.differing(Comparison{})
	armed.Store(true)
	go func() {
		<-held
		w.set(w.src, key, "third", 0)
		row := sandbox.Row{Key: key, Value: []byte("third"), Partition: pegkey.Partition(pegkey.HashRaw(key), 4)}
		if err := w.west.PutAt(ref().Table, row); err != nil {
			t.Error(err)
		}
		close(hold)
	}()
	out, err := w.repair(t.Context(), Repair{Patience: time.Second, Deletes: true}, list)
	if err != nil || out.Written != 1 || out.Left != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if row, found := w.at(w.dst, key); !found || string(row.Value) != "third" {
		t.Errorf("the target has %q, %t", row.Value, found)
	}
}

// What is right by now is not written, what the report does not know of is written as it is now, and rows that only the
// target has stay where they are its own.
func TestRepairLooksAgain(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 8)
	later := pegkey.ExpireTs(time.Now().Add(time.Hour))
	extra := pegkey.Encode(nil, []byte("extra"), nil)
	for i := range 5 {
		w.set(w.src, rowKey(i), "changed", later)
	}
	w.set(w.dst, extra, "v", 0)
	list := w.differing(Comparison{})
	if len(list) != 6 {
		t.Fatalf("%d differences", len(list))
	}
	w.set(w.dst, rowKey(0), "changed", later)
	w.set(w.src, rowKey(1), "changed again", later+5)
	if err := w.write(w.src, pegasus.Row{Key: rowKey(2)}); err != nil {
		t.Fatal(err)
	}
	out, err := w.repair(t.Context(), Repair{}, list)
	if err != nil || out.Looked != 6 || out.Equal != 1 || out.Written != 3 || out.Left != 2 || len(out.FirstLeft) != 2 {
		t.Errorf("without deletes: %+v, %v", out, err)
	}
	if _, found := w.at(w.dst, extra); !found {
		t.Error("a row was deleted")
	}
	if row, _ := w.at(w.dst, rowKey(1)); string(row.Value) != "changed again" || row.Expire != later+5 {
		t.Errorf("the target has %q, %d", row.Value, row.Expire)
	}
	if out, err = w.repair(t.Context(), Repair{Deletes: true}, list); err != nil || out.Equal != 4 || out.Deleted != 2 || out.Left != 0 {
		t.Errorf("with deletes: %+v, %v", out, err)
	}
	if list := w.differing(Comparison{}); len(list) > 0 {
		t.Errorf("%d differences are left", len(list))
	}
}

// A row whose expiry drifted is listed and repaired when that is asked for, and to the second.
func TestRepairOfDrift(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	base := pegkey.ExpireTs(time.Now().Add(time.Hour))
	w.set(w.src, rowKey(1), "v", base)
	w.set(w.dst, rowKey(1), "v", base+20)
	job := Comparison{ExpirySkew: time.Minute}
	if list := w.differing(job); len(list) > 0 {
		t.Errorf("drift counts as a difference: %+v", list)
	}
	job.Drift = true
	list := w.differing(job)
	if len(list) != 1 || list[0].Kind != difference.Drift || list[0].TargetExpire != base+20 {
		t.Fatalf("%+v", list)
	}
	if out, err := w.repair(t.Context(), Repair{ExpirySkew: time.Minute}, list); err != nil || out.Equal != 1 {
		t.Errorf("not asked for: %+v, %v", out, err)
	}
	if out, err := w.repair(t.Context(), Repair{ExpirySkew: time.Minute, Drifted: true}, list); err != nil || out.Written != 1 || out.Left != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if row, _ := w.at(w.dst, rowKey(1)); row.Expire != base {
		t.Errorf("expires at %d, want %d", row.Expire, base)
	}
}

// Rows are repaired as the copy with its options wrote them.
func TestRepairKnowsTheOptionsOfTheCopy(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	options := plan.CopyOptions{HashKey: "prefix:mine", DropTTL: true, DropValue: true}
	mine, other := pegkey.Encode(nil, []byte("mine1"), nil), pegkey.Encode(nil, []byte("other1"), nil)
	w.set(w.src, mine, "value", pegkey.ExpireTs(time.Now().Add(time.Hour)))
	w.set(w.src, other, "value", 0)
	list := w.differing(Comparison{Options: options, AllowExtra: true})
	if len(list) != 1 || string(list[0].Key) != string(mine) || list[0].Kind != difference.Missing {
		t.Fatalf("%+v", list)
	}
	list = append(list, difference.Entry{Kind: difference.Missing, Key: other}) // of a report with other options
	if out, err := w.repair(t.Context(), Repair{Options: options}, list); err != nil || out.Written != 1 || out.Equal != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if row, found := w.at(w.dst, mine); !found || len(row.Value) > 0 || row.Expire != 0 {
		t.Errorf("the target has %+v, %t", row, found)
	}
	if _, found := w.at(w.dst, other); found {
		t.Error("a row was written that the filters leave out")
	}
	if _, err := w.live.Compare(t.Context(), Comparison{Source: ref(), Target: west(), Options: plan.CopyOptions{Value: "odd"}}); err == nil {
		t.Error("an unreadable filter was accepted")
	}
}

// When the run is told to stop, what was begun is finished, no other row is begun, and the same list goes on later.
func TestRepairStopsBetweenRows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var puts atomic.Int64
	var armed atomic.Bool
	w := newLiveWorld(t, sandbox.Config{Hook: func(c sandbox.Call) sandbox.Verdict {
		if armed.Load() && c.Cluster == "west" && c.RPC == idl.NamePut && c.Phase == sandbox.Before && puts.Add(1) == 20 {
			cancel()
		}
		return sandbox.Pass()
	}}, 4)
	const rows = 400
	for i := range rows {
		w.set(w.src, rowKey(i), "changed", 0)
	}
	list := w.differing(Comparison{})
	armed.Store(true)
	limits := plan.CopyLimits{InFlight: 4}
	out, err := w.repair(ctx, Repair{Limits: limits}, list)
	if !errors.Is(err, context.Canceled) || out.Written < 16 || out.Written > 30 || out.Looked != out.Written || out.Left != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	left := w.differing(Comparison{})
	if len(left) != rows-int(out.Written) {
		t.Errorf("%d rows were repaired, and %d of %d differ", out.Written, len(left), rows)
	}
	again, err := w.repair(t.Context(), Repair{Limits: limits}, list)
	if err != nil || again.Equal != out.Written || again.Written != uint64(len(left)) {
		t.Errorf("%+v, %v", again, err)
	}
}

// A row that the target's servers refuse is left and told; a list that cannot be read ends the repair.
func TestRepairOfWhatCannotBe(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	huge := pegkey.Encode(nil, []byte("huge"), nil)
	row := sandbox.Row{Key: huge, Value: make([]byte, 2<<20), Partition: pegkey.Partition(pegkey.HashRaw(huge), 4)}
	if err := w.east.PutAt(ref().Table, row); err != nil {
		t.Fatal(err)
	}
	w.set(w.src, rowKey(0), "changed", 0)
	list := w.differing(Comparison{})
	list = append(list, difference.Entry{Kind: difference.Misplaced, Side: "target", Key: rowKey(1)})
	out, err := w.repair(t.Context(), Repair{}, list)
	kinds := map[event.DifferenceKind]bool{}
	for _, d := range out.FirstLeft {
		kinds[d.Kind] = true
	}
	if err != nil || out.Written != 1 || out.Left != 2 || !kinds[event.Missing] || !kinds[event.Misplaced] {
		t.Errorf("%+v, %v", out, err)
	}
	bad := errors.New("half a line")
	job := Repair{Source: ref(), Target: west(), Keys: func(yield func(difference.Entry, error) bool) {
		_ = yield(list[0], nil) && yield(difference.Entry{}, bad)
	}}
	if _, err := w.live.Repair(t.Context(), job); !errors.Is(err, bad) {
		t.Errorf("error is %v", err)
	}
}

// Samples and counts of two tables.
func TestEstimates(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	for i := range 300 {
		if err := w.write(w.dst, pegasus.Row{Key: rowKey(10 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	job := Comparison{Source: ref(), Target: west()}
	sample, err := w.live.Sample(t.Context(), job, 0.5)
	if err != nil || sample.Mode != plan.VerifySample || sample.Differences == 0 || sample.Differences > 300 || sample.Missing != sample.Differences ||
		sample.Confidence == "" || sample.SourceRows != liveRows {
		t.Errorf("%+v, %v", sample, err)
	}
	count, err := w.live.Count(t.Context(), job)
	if err != nil || count.Mode != plan.VerifyCount || count.Missing != 300 || count.Differences != 300 || count.SourceRows != liveRows {
		t.Errorf("%+v, %v", count, err)
	}
	list := w.differing(Comparison{})
	slices.SortFunc(list, func(a, b difference.Entry) int { return slices.Compare(a.Key, b.Key) })
	if out, err := w.repair(t.Context(), Repair{}, list); err != nil || out.Written != 300 {
		t.Errorf("%+v, %v", out, err)
	}
	if count, err = w.live.Count(t.Context(), job); err != nil || count.Differences != 0 {
		t.Errorf("%+v, %v", count, err)
	}
	if sample, err = w.live.Sample(t.Context(), job, 0.0001); err != nil || sample.Differences != 0 {
		t.Errorf("%+v, %v", sample, err)
	}
	for _, text := range []string{sample.Confidence, fmt.Sprint(count.Confidence)} {
		if text == "" {
			t.Error("what it proves is not said")
		}
	}
}
