package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// story is a run in which everything happens, with the moments after its beginning.
func story() []told {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	move := func(step string, rows uint64, elapsed time.Duration) event.MoveProgress {
		p := event.MoveProgress{Step: step, Kind: "copy", PartitionsDone: 3, PartitionCount: 64, Rows: rows, Bytes: rows * 110,
			RowsEstimate: 1_200_000, RowsPerSecond: 120_456.7, BytesPerSecond: 13 << 20, InFlight: 512, Elapsed: elapsed}
		for i := range int32(12) {
			p.Partitions = append(p.Partitions, event.PartitionProgress{Index: i, Rows: rows / 12, Bytes: rows * 9, Estimate: 100_000 * uint64(i%4), Active: i > 2, Done: i <= 2})
		}
		return p
	}
	limited := move("copy", 900_000, ms(8200))
	limited.Filtered, limited.Kept = 12_345, 678
	limited.Limit, limited.LimitReason, limited.ETA = "rows_per_second 120000", "declared in limits", 95*time.Second
	compared := move("verify", 300_000, ms(2000))
	compared.Kind, compared.Differences, compared.InFlight = "verify", 2, 0
	return []told{
		{0, event.RunStarted{Migration: "orders", Command: "apply", Lineage: "6f1c9a9e-0000", PlanID: "3f9c1a2be7d0", Resumed: true, Steps: []string{"own", "await-target", "fence-source", "copy", "verify", "disown"}}},
		{ms(10), event.StepSkipped{Step: "own", Index: 1, Of: 6, Reason: "done by an earlier run"}},
		{ms(20), event.StepStarted{Step: "await-target", Index: 2, Of: 6, What: "all 64 partitions have a primary and 2 secondaries"}},
		{ms(30), event.Waiting{Step: "await-target", Reason: "2 partitions have no primary", Elapsed: 0, Limit: 2 * time.Minute}},
		{ms(800), event.Waiting{Step: "await-target", Reason: "1 partition has no primary", Elapsed: ms(770), Limit: 2 * time.Minute}},
		{ms(1500), event.Waiting{Step: "await-target", Reason: "1 partition has no primary", Elapsed: ms(1470), Limit: 2 * time.Minute}},
		{ms(3000), event.Waiting{Step: "await-target", Reason: "1 partition has no primary", Elapsed: ms(2970), Limit: 2 * time.Minute}},
		{ms(12000), event.Waiting{Step: "await-target", Reason: "1 partition has no primary", Elapsed: ms(11970), Limit: 2 * time.Minute}},
		{ms(12500), event.StepDone{Step: "await-target", Index: 2, Of: 6, Elapsed: ms(12480), Proof: "64 of 64 partitions are whole"}},
		{ms(12600), event.StepStarted{Step: "fence-source", Index: 3, Of: 6, What: "deny writes on east/orders (reconfig*write)", Impact: "writes to east/orders are rejected from here on; reads go on"}},
		{ms(12700), event.ImpactBegun{Step: "fence-source", Impact: "writes to east/orders are rejected from here on; reads go on"}},
		{ms(15000), event.FenceProven{Step: "fence-source", Cluster: "east", Table: "orders", Partitions: 64, Up: true, Spread: ms(800), Took: ms(2300)}},
		{ms(15010), event.StepDone{Step: "fence-source", Index: 3, Of: 6, Elapsed: ms(2410)}},
		{ms(15020), event.StepStarted{Step: "copy", Index: 4, Of: 6, What: "64 source partitions, absolute expiry kept"}},
		{ms(15500), move("copy", 60_000, ms(500))},
		{ms(16000), move("copy", 120_000, ms(1000))},
		{ms(17000), event.Warning{Step: "copy", Code: "PM3006", Text: "the fence of east/orders may have leaked on partition 3", Hint: "everything is compared again once it is proven anew"}},
		{ms(23000), limited},
		{ms(25000), event.Waiting{Step: "copy", Reason: "the target answers ERR_BUSY", Elapsed: ms(1200)}},
		{ms(30000), event.StepDone{Step: "copy", Index: 4, Of: 6, Elapsed: ms(14980), Proof: "1190000 rows (125 MiB) acknowledged by the target, 3 had expired"}},
		{ms(30010), event.StepStarted{Step: "verify", Index: 5, Of: 6, What: "every row of both tables: key, value, expiry, partition"}},
		{ms(32000), compared},
		{ms(33000), event.Verified{Step: "verify", SourceRows: 1190000, TargetRows: 1189999, Differences: 1, Missing: 1, Round: 1,
			FirstDiffering: []event.Difference{{Kind: event.Missing, SourcePartition: 3, HashKey: `"user1"`, SortKey: `"a"`, SourceBytes: 120}}}},
		{ms(35000), event.Verified{Step: "verify", SourceRows: 1190000, TargetRows: 1190000, Round: 2}},
		{ms(35010), event.StepDone{Step: "verify", Index: 5, Of: 6, Elapsed: ms(5000), Proof: "1190000 rows on the source, 1190000 on the target, 0 differences"}},
		{ms(35020), event.RunDone{Migration: "orders", Command: "apply", Rows: 1190000, Bytes: 130_900_000, Elapsed: ms(35020), Text: "east/orders and west/orders hold the same rows"}},
		{ms(35100), event.StepStarted{Step: "drain", Index: 6, Of: 6, What: "every decree up to the frozen ones is on west"}},
		{ms(35200), event.LagProgress{Step: "drain", Partitions: 64, Behind: 3, Unknown: 1, Worst: 120, Total: 1431, PerSecond: 12_040, Forecast: 2300 * time.Millisecond, Elapsed: ms(100)}},
		{ms(35300), event.Waiting{Step: "drain", Reason: "partition 7: decree 1311 of 1431 is shipped", Elapsed: ms(200), Limit: time.Minute}},
		{ms(35700), event.LagProgress{Step: "drain", Partitions: 64, Behind: 3, Worst: 60, Total: 170, Elapsed: ms(600)}},
		{ms(37200), event.LagProgress{Step: "drain", Partitions: 64, Elapsed: ms(2100)}},
		{ms(37300), event.RouteSwitched{Step: "switch", Path: "/pegasus-metaproxy/orders", From: "onebox", To: "twobox", Version: 8}},
		{ms(37400), event.CutOver{Step: "evict", Spread: ms(800), Quiesce: ms(3100), Drain: ms(10_200), Recheck: ms(30), Switch: ms(120), Resolve: ms(1250), Total: ms(15_500), Budget: 90 * time.Second, Predicted: 24 * time.Second}},
		{ms(37500), event.CutOver{Step: "recheck", Spread: ms(800), Quiesce: ms(3100), Drain: ms(99_000), Recheck: 0, Total: ms(102_900), Budget: 90 * time.Second}},
		{ms(37510), event.CaughtUp{Step: "fence-source", Live: true, SourceRows: 1_190_000, TargetRows: 1_189_990, Written: 3012, Deleted: 7, Elapsed: ms(2300)}},
		{ms(37520), event.CaughtUp{Step: "catch-up", SourceRows: 1_190_000, TargetRows: 1_190_000, Elapsed: ms(1900)}},
		{ms(37530), event.CaughtUp{Step: "catch-up", SourceRows: 1_190_000, TargetRows: 1_190_000, Written: 2, Left: 1, Elapsed: ms(1900)}},
		{ms(37540), event.CutOver{Step: "unfence-source", Spread: ms(800), Quiesce: ms(3100), CatchUp: ms(1900), Lift: ms(900), Total: ms(6700), Budget: 90 * time.Second}},
		{ms(37600), event.GateReached{Gate: "copy", Step: "approve-copy", Command: "pegmigrate apply -approve copy"}},
		{ms(37700), event.Interrupted{Step: "copy", Resume: "pegmigrate apply", Note: "writes on the source are still rejected; `pegmigrate rollback` lifts the fence"}},
		{ms(38000), event.StepFailed{Step: "copy", Code: "PM3008", Error: "the copy stopped: no reply from 10.0.0.1:34801", Hint: "apply again"}},
		{ms(40000), event.RunStarted{Migration: "orders", Command: "rollback", PlanID: "3f9c1a2be7d0", Resumed: true, Steps: []string{"own"}}},
		{ms(40010), event.UndoStarted{Step: "create-target", What: "drop west/orders, if this run created it"}},
		{ms(40900), event.UndoDone{Step: "create-target", Detail: "west/orders (id 9) is dropped"}},
		{ms(41000), event.UndoStarted{Step: "fence-source", What: "lift the fence of east/orders"}},
		{ms(42000), event.UndoFailed{Step: "fence-source", Error: "partition 3 still rejects writes\x1b[2J", Repair: "in the shell of cluster east: use orders; del_app_envs replica.deny_client_request"}},
		{ms(42500), event.SplitDone{Step: "split", Where: "local:/srv/block/west/orders", In: 1_190_120, Out: 1_190_000, Expired: 100, Filtered: 10,
			Leftover: 6, Misplaced: 4, Skipped: 8, Placeholders: 1, Files: 70, Bytes: 130_900_000, Partitions: 64, Kept: 3, Elapsed: ms(2500)}},
		{ms(42600), event.RepairPlanned{Step: "repair", Target: "west/orders", Missing: 2, Changed: 1, Expiry: 1, Extra: 3, Drifted: 1, Left: 1, Report: "orders.jsonl",
			First: []event.Difference{{Kind: event.Missing, SourcePartition: 3, HashKey: `"user1"`, SortKey: `"a"`, SourceBytes: 120, Age: 62 * time.Second}},
			Notes: []string{"writes go on meanwhile: duplication 3 of east/orders"}}},
		{ms(42900), event.Repaired{Step: "repair", Target: "west/orders", Looked: 9, Written: 4, Deleted: 3, Equal: 1, Left: 1, Elapsed: ms(300),
			FirstLeft: []event.Difference{{Kind: event.Misplaced, Side: "target", TargetPartition: 1, HashKey: `"user2"`, SortKey: `""`}}}},
		{ms(43000), event.RunDone{Migration: "orders", Command: "rollback", Elapsed: ms(3000), Text: "everything that this migration changed is as it was"}},
	}
}

type told struct {
	after time.Duration
	e     event.Event
}

// The set of events is sealed in package event; its source says which there are. Every one must
// be in the story, so that no display is ever left without an answer.
func TestEveryEventIsTold(t *testing.T) {
	want := eventTypes(t)
	var have []string
	n := &narrator{}
	for _, s := range story() {
		have = append(have, s.e.Name())
		if _, ok := n.tell(s.e); !ok {
			t.Errorf("%s is not told", s.e.Name())
		}
	}
	for _, name := range want {
		if !slices.Contains(have, name) {
			t.Errorf("event %q is not in the story", name)
		}
	}
	if len(want) < 10 {
		t.Errorf("only %d events were found in the source", len(want))
	}
}

// eventTypes reads the names that the Name methods of package event return.
func eventTypes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../event/names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.FuncDecl)
		if !ok || f.Name.Name != "Name" || f.Recv == nil {
			return true
		}
		for _, s := range f.Body.List {
			if r, ok := s.(*ast.ReturnStmt); ok {
				names = append(names, strings.Trim(r.Results[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return false
	})
	return names
}
