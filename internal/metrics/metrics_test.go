package metrics

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pace"
)

var update = flag.Bool("update", false, "write testdata/names.txt instead of comparing with it")

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newSink() (*Sink, *clock) {
	c := &clock{now: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)}
	return New(About{Version: "1.2.3", Migration: "orders", Command: "apply", Method: "copy", Source: "east/orders", Target: "west/orders"}, c.Now), c
}

// story is a run in which everything happens.
func story(s *Sink, c *clock) {
	for _, e := range []event.Event{
		event.RunStarted{Migration: "orders", Command: "apply", Steps: []string{"own", "fence-source", "copy", "verify"}},
		event.StepSkipped{Step: "own", Index: 1, Of: 4},
		event.StepStarted{Step: "fence-source", Index: 2, Of: 4},
		event.Waiting{Step: "fence-source", Reason: "r", Elapsed: 3 * time.Second, Limit: time.Minute},
		event.FenceProven{Step: "fence-source", Up: true, Spread: 2 * time.Second},
		event.StepDone{Step: "fence-source", Elapsed: 4 * time.Second},
		event.StepStarted{Step: "copy", Index: 3, Of: 4},
		event.MoveProgress{Step: "copy", Kind: "copy", Rows: 100, Bytes: 1000, RowsEstimate: 500, PartitionCount: 8, PartitionsDone: 1, InFlight: 7,
			Limit: "7 of 9 writes in flight", LimitReason: "ERR_BUSY from 10.0.0.1:34801: 40 % of cap", InForce: event.Caps{RowsPerSecond: 50, BytesPerSecond: 60, InFlight: 9},
			Retries: map[string]uint64{"ERR_BUSY": 3, "strange \x00 text": 1}, CursorSaved: c.Now().Add(-5 * time.Second)},
		event.MoveProgress{Step: "copy", Kind: "copy", Rows: 250, Bytes: 2500, RowsEstimate: 500, PartitionCount: 8, PartitionsDone: 2, InFlight: 8,
			Limit: "7 of 9 writes in flight", LimitReason: "ERR_BUSY from 10.0.0.1:34801: 40 % of cap", InForce: event.Caps{RowsPerSecond: 50, BytesPerSecond: 60, InFlight: 9},
			Retries: map[string]uint64{"ERR_BUSY": 5, "strange \x00 text": 1}, CursorSaved: c.Now().Add(-5 * time.Second)},
		event.LagProgress{Step: "follow", Partitions: 8, Behind: 2, Unknown: 1, Worst: 30, Total: 40, PerSecond: math.NaN(), Forecast: 2 * time.Second},
		event.Warning{Code: "PM3006", Text: "w"},
		event.Warning{Text: "without a code"},
		event.Verified{Step: "verify", SourceRows: 500, TargetRows: 499, Differences: 1, Missing: 1},
		event.CaughtUp{Step: "catch-up", Written: 3, Deleted: 1},
		event.CutOver{Step: "evict", Spread: time.Second, Drain: 2 * time.Second, Total: 3 * time.Second, Budget: time.Minute, Predicted: 5 * time.Second},
		event.GateReached{Gate: "cutover", Step: "approve"},
		event.UndoFailed{Step: "fence-source"},
		event.StepFailed{Step: "verify", Code: "PM3010"},
	} {
		s.Emit(e)
	}
}

// The names are a promise: dashboards and alerts of users have them. And they follow Prometheus' own rules.
func TestNames(t *testing.T) {
	s, c := newSink()
	story(s, c)
	s.Emit(event.MoveProgress{Step: "copy", Kind: "copy", CursorSaved: c.Now()})
	s.Emit(event.Waiting{Step: "drain", Elapsed: time.Second})
	problems, err := testutil.GatherAndLint(s.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, namespace) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	got := strings.Join(names(t, s.Registry()), "\n") + "\n"
	if *update {
		if err := os.WriteFile("testdata/names.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/names.txt")
	if err != nil || got != string(want) {
		t.Errorf("%v (go test -update accepts it)\n--- got\n%s--- want\n%s", err, got, want)
	}
}

// names are the metrics of ours with their types, labels and help.
func names(t *testing.T, g prometheus.Gatherer) (out []string) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace+"_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		out = append(out, fmt.Sprintf("%s %s {%s} %s", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ","), f.GetHelp()))
	}
	slices.Sort(out)
	return out
}

func TestWhatIsCounted(t *testing.T) {
	s, c := newSink()
	story(s, c)
	c.pass(10 * time.Second)
	want := map[string]float64{
		`pegmigrate_rows_total{kind="copy",step="copy"}`:              250,
		`pegmigrate_bytes_total{kind="copy",step="copy"}`:             2500,
		`pegmigrate_progress_rows{kind="copy",step="copy"}`:           250,
		`pegmigrate_progress_rows_estimate{kind="copy",step="copy"}`:  500,
		`pegmigrate_partitions{kind="copy",step="copy"}`:              8,
		`pegmigrate_partitions_done{kind="copy",step="copy"}`:         2,
		`pegmigrate_retries_total{kind="ERR_BUSY"}`:                   5,
		`pegmigrate_retries_total{kind="other"}`:                      1,
		`pegmigrate_warnings_total{code="PM3006"}`:                    1,
		`pegmigrate_warnings_total{code="none"}`:                      1,
		`pegmigrate_step_failures_total{code="PM3010",step="verify"}`: 1,
		`pegmigrate_undo_failures_total`:                              1,
		`pegmigrate_lag_worst_mutations`:                              30,
		`pegmigrate_lag_mutations`:                                    40,
		`pegmigrate_lag_shipped_mutations_per_second`:                 0,
		`pegmigrate_lag_forecast_seconds`:                             2,
		`pegmigrate_lag_partitions{state="there"}`:                    5,
		`pegmigrate_differences{class="missing",step="verify"}`:       1,
		`pegmigrate_differences{class="extra",step="verify"}`:         0,
		`pegmigrate_verified_rows{side="target",step="verify"}`:       499,
		`pegmigrate_corrected_rows{action="written",step="catch-up"}`: 3,
		`pegmigrate_reject_window_seconds{part="drain"}`:              2,
		`pegmigrate_reject_window_seconds{part="total"}`:              3,
		`pegmigrate_reject_window_budget_seconds`:                     60,
		`pegmigrate_reject_window_open_seconds`:                       0,
		`pegmigrate_gate_waiting{gate="cutover"}`:                     1,
		`pegmigrate_step_state{state="skipped",step="own"}`:           1,
		`pegmigrate_step_state{state="pending",step="own"}`:           0,
		`pegmigrate_step_state{state="running",step="copy"}`:          1,
		`pegmigrate_step_state{state="failed",step="verify"}`:         1,
		`pegmigrate_step_duration_seconds{step="fence-source"}`:       4,
		`pegmigrate_run_state{state="failed"}`:                        1,
		`pegmigrate_run_state{state="running"}`:                       0,
		`pegmigrate_step_index`:                                       3,
		`pegmigrate_steps`:                                            4,
		`pegmigrate_last_event_timestamp_seconds`:                     1795230000,
		`pegmigrate_build_info{version="1.2.3"}`:                      1,
		`pegmigrate_run_info{command="apply",method="copy",migration="orders",source="east/orders",target="west/orders"}`: 1,
	}
	got := values(t, s.Registry())
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s is %v (present: %t), want %v", name, g, ok, v)
		}
	}
	for name := range got { // a failure ends what a step at work shows
		if strings.HasPrefix(name, "pegmigrate_waiting") || strings.HasPrefix(name, "pegmigrate_cursor_age") {
			t.Errorf("%s is still there", name)
		}
	}
}

// values are all samples of ours by name and labels; go_version is left out, because it changes.
func values(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "go_version" {
					labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
				}
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

// Counters count what this process did: not what an earlier one had done, and each round of a comparison anew.
func TestCountersOfARunThatGoesOn(t *testing.T) {
	s, _ := newSink()
	rows := func(n uint64) { s.Emit(event.MoveProgress{Step: "verify", Kind: "verify", Rows: n, Bytes: 10 * n}) }
	s.Emit(event.RunStarted{Resumed: true, Steps: []string{"verify"}})
	for _, n := range []uint64{1000, 1200, 1300, 0, 50} {
		rows(n)
	}
	got := values(t, s.Registry())
	if v := got[`pegmigrate_rows_total{kind="verify",step="verify"}`]; v != 350 {
		t.Errorf("%v rows, want 350", v)
	}
	if v := got[`pegmigrate_bytes_total{kind="verify",step="verify"}`]; v != 3500 {
		t.Errorf("%v bytes, want 3500", v)
	}
}

// The window runs from the first partition that rejected a write until it is lifted or the cut-over is done.
func TestTheRunningWindow(t *testing.T) {
	s, c := newSink()
	open := func() float64 { return values(t, s.Registry())["pegmigrate_reject_window_open_seconds"] }
	s.Emit(event.FenceProven{Up: true, Spread: 2 * time.Second})
	c.pass(3 * time.Second)
	s.Emit(event.FenceProven{Up: true}) // proven anew
	if v := open(); v != 5 {
		t.Errorf("open for %v, want 5", v)
	}
	s.Emit(event.FenceProven{Up: false})
	if v := open(); v != 0 {
		t.Errorf("open for %v, want 0", v)
	}
	s.Emit(event.FenceProven{Up: true})
	c.pass(time.Second)
	s.Emit(event.CutOver{Total: time.Second})
	if v := open(); v != 0 {
		t.Errorf("open for %v after the cut-over", v)
	}
}

func TestTheAgeOfTheCursor(t *testing.T) {
	s, c := newSink()
	s.Emit(event.MoveProgress{Step: "copy", Kind: "copy", CursorSaved: c.Now()})
	c.pass(7 * time.Second)
	if v := values(t, s.Registry())["pegmigrate_cursor_age_seconds"]; v != 7 {
		t.Errorf("age %v, want 7", v)
	}
	c.pass(-time.Hour)
	if v := values(t, s.Registry())["pegmigrate_cursor_age_seconds"]; v != 0 {
		t.Errorf("age %v after the clock was set back", v)
	}
}

func TestReasons(t *testing.T) {
	for _, c := range []struct{ limit, reason, source, want string }{
		{"", "", "", "none"},
		{"rows_per_second 12000", "declared limits", pace.ByDeclaration, "declared"},
		{"rows_per_second 12000", "asked for by `pegmigrate control set`", pace.ByControl, "control"},
		{"paused", "paused by an operator", pace.HeldByControl, "control"},
		{"paused", "outside limits.window, goes on at 22:00 UTC", pace.HeldByWindow, "window"},
		{"paused", "source p99 is 80 ms (get of partition 3 on x), over 50 ms", "stop_if source_p99 source", "stop_if"},
		{"820 of 2048 writes in flight", "ERR_BUSY from 10.0.0.1:34801: 40 % of cap", "", "busy"},
		{"reading slowed down", "source: ERR_CAPACITY_EXCEEDED from 10.0.0.1:34801", "", "capacity"},
		{"eased to 70 %, 100 rows/s", "source: ERR_BUSY from 10.0.0.1:34801", "source", "busy"},
		{"7 of 9 writes in flight", "ERR_TIMEOUT from x: 1 % of cap", "", "timeout"},
		{"x", "something nobody thought of", "", "other"},
	} {
		got := reasonOf(event.MoveProgress{Limit: c.limit, LimitReason: c.reason, LimitSource: c.source})
		if got != c.want || !slices.Contains(reasons(), got) {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// Nothing that servers answer makes more series than a few.
func TestCardinalityIsBounded(t *testing.T) {
	s, _ := newSink()
	for i := range 1000 {
		s.Emit(event.Warning{Code: fmt.Sprint("PM", i)})
		s.Emit(event.MoveProgress{Step: "copy", Kind: "copy", Limit: "l", LimitReason: fmt.Sprint("10.0.0.", i), Retries: map[string]uint64{fmt.Sprint("ERR_", i): 1}})
	}
	for _, name := range []string{"pegmigrate_warnings_total", "pegmigrate_retries_total", "pegmigrate_limit_reason"} {
		if n, err := testutil.GatherAndCount(s.Registry(), name); err != nil || n > maxKinds+1 {
			t.Errorf("%s has %d series, %v", name, n, err)
		}
	}
}

func TestEmitAndGatherTogether(t *testing.T) {
	s, c := newSink()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				story(s, c)
			}
		})
		wait.Go(func() {
			for range 50 {
				if _, err := s.Registry().Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}
