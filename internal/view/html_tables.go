package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/plan"
)

// each calls do for every event of all runs.
func each(runs []history.Run, do func(at time.Time, e event.Event)) {
	for _, r := range runs {
		for _, m := range r.Events {
			do(m.At, m.Event)
		}
	}
}

// comparisons are what was compared, and the rows that differed in the last one that found any.
func comparisons(runs []history.Run) (all, differing *tableModel) {
	all = table("", "when", "step", "how", "#round", "#source rows", "#target rows", "#missing", "#extra", "#value", "#expiry", "#misplaced", "#differences")
	var last *event.Verified
	each(runs, func(at time.Time, e event.Event) {
		v, ok := e.(event.Verified)
		if !ok {
			return
		}
		class := "good"
		if v.Differences > 0 {
			class = "bad"
		}
		n := func(n uint64) string { return grouped(int64(n)) }
		all.row(class, stamp(at), v.Step, how(v), fmt.Sprint(max(v.Round, 1)), n(v.SourceRows), n(v.TargetRows), n(v.Missing), n(v.Extra), n(v.Changed),
			n(v.ExpiryDiffers), n(v.Misplaced), n(v.Differences))
		if len(v.FirstDiffering) > 0 {
			last = &v
		}
	})
	differing = table("", "what", "hash key", "sort key", "#source partition", "#target partition", "#source bytes", "#target bytes")
	if last != nil {
		differing.Note = fmt.Sprintf("the first %d of %d of the comparison in step %s", len(last.FirstDiffering), last.Differences, clean(last.Step))
		for _, d := range last.FirstDiffering {
			differing.row("", string(d.Kind), d.HashKey, d.SortKey, fmt.Sprint(d.SourcePartition), fmt.Sprint(d.TargetPartition),
				fmt.Sprint(d.SourceBytes), fmt.Sprint(d.TargetBytes))
		}
	}
	return all.orNil(), differing.orNil()
}

// how says how much of the tables a comparison looked at, and what it has to leave open.
func how(v event.Verified) string {
	words := []string{cmp.Or(v.Mode, "full")}
	if v.Sample > 0 {
		words = append(words, fmt.Sprintf("%.3g %% of the rows, drawn at random", 100*v.Sample))
	}
	if v.Confidence != "" {
		words = append(words, v.Confidence)
	}
	if n := v.Stamped + v.Drifted; n > 0 {
		words = append(words, grouped(int64(n))+" with an expiry that drifted")
	}
	if v.Open > 0 {
		words = append(words, grouped(int64(v.Open))+" kept changing")
	}
	if v.Cut {
		words = append(words, "ended early")
	}
	return strings.Join(words, ", ")
}

// repairs are what was repaired.
func repairs(runs []history.Run) *tableModel {
	t := table("every row was read again on both sides before it was counted", "when", "target", "#looked at", "#written", "#deleted", "#equal by then", "#left")
	each(runs, func(at time.Time, e event.Event) {
		if r, ok := e.(event.Repaired); ok {
			class := "good"
			if r.Left > 0 {
				class = "bad"
			}
			n := func(n uint64) string { return grouped(int64(n)) }
			t.row(class, stamp(at), r.Target, n(r.Looked), n(r.Written), n(r.Deleted), n(r.Equal), n(r.Left))
		}
	})
	return t.orNil()
}

// notes are warnings, failures, gates and the other things that somebody should read.
func notes(runs []history.Run) *tableModel {
	t := table("", "when", "step", "code", "what")
	with := func(text, hint string) string {
		if hint == "" {
			return text
		}
		return text + " (" + hint + ")"
	}
	each(runs, func(at time.Time, e event.Event) {
		when := stamp(at)
		switch e := e.(type) {
		case event.Warning:
			t.row("busy", when, e.Step, e.Code, with(e.Text, e.Hint))
		case event.StepFailed:
			t.row("bad", when, e.Step, e.Code, with(e.Error, e.Hint))
		case event.UndoFailed:
			t.row("bad", when, e.Step, "", with("not undone: "+e.Error, e.Repair))
		case event.GateReached:
			t.row("busy", when, e.Step, "", "gate "+e.Gate+": "+e.Command)
		case event.Interrupted:
			t.row("busy", when, e.Step, "", with("interrupted", e.Note))
		case event.FenceProven:
			what := "takes writes again"
			if e.Up {
				what = "rejects writes"
			}
			t.row("", when, e.Step, "", fmt.Sprintf("%s/%s %s, proven on %s", e.Cluster, e.Table, what, plural(e.Partitions, "partition")))
		case event.CaughtUp:
			class := ""
			if e.Left > 0 {
				class = "bad"
			}
			t.row(class, when, e.Step, "", caughtUpLine(e, Plain()))
		case event.RouteSwitched:
			t.row("", when, e.Step, "", fmt.Sprintf("%s leads to %s, no longer to %s (version %d)", e.Path, e.To, e.From, e.Version))
		case event.CutOver:
			t.row("", when, e.Step, "", windowText(e))
		}
	})
	return t.orNil()
}

func ends(p *plan.Plan) *tableModel {
	t := table("as they were when the plan was made; rows are RocksDB's estimate, bytes those of one replica on disk",
		"", "cluster", "reports itself as", "meta servers", "table", "#id", "#partitions", "#replicas", "#rows", "#bytes")
	for _, end := range []struct {
		name string
		e    plan.Endpoint
	}{{"source", p.Source}, {"target", p.Target}} {
		rows, bytes, id := "-", "-", "-"
		if end.e.Exists {
			rows, bytes, id = plan.Rows(end.e.Rows), plan.Bytes(end.e.Bytes), fmt.Sprint(end.e.ID)
		}
		t.row("", end.name, end.e.Cluster, end.e.ClusterName, strings.Join(end.e.MetaServers, ", "), end.e.Table, id,
			fmt.Sprint(end.e.Partitions), fmt.Sprint(end.e.Replicas), rows, bytes)
	}
	return t
}

func checks(p *plan.Plan) *tableModel {
	t := table("", "code", "severity", "what")
	for _, c := range p.Checks {
		if c.Severity == plan.OK {
			continue
		}
		text, class := c.Text, "busy"
		if c.Hint != "" {
			text += " (" + c.Hint + ")"
		}
		if c.Severity == plan.Error {
			class = "bad"
		}
		t.row(class, c.Code, string(c.Severity), text)
	}
	return t.orNil()
}

func observed(p *plan.Plan) *tableModel {
	t := table("", "fact", "value")
	for _, f := range p.Facts {
		t.row("", f.Name, f.Value)
	}
	return t.orNil()
}

// runTable lists the processes.
func runTable(runs []history.Run) *tableModel {
	t := table("", "#run", "command", "begun", "took", "version", "host", "end")
	for i, r := range runs {
		end, class := runEnd(r)
		last := r.Opened
		if n := len(r.Events); n > 0 {
			last = r.Events[n-1].At
		}
		t.row(class, fmt.Sprint(i+1), r.Opening.Command, stamp(r.Opened), took(later(r.Closed, last).Sub(r.Opened)), r.Opening.Version, r.Opening.Host, end)
	}
	return t.orNil()
}

// runEnd says how a run ended.
func runEnd(r history.Run) (text, class string) {
	for i := len(r.Events) - 1; i >= 0; i-- {
		switch e := r.Events[i].Event.(type) {
		case event.RunDone:
			return e.Text, "good"
		case event.GateReached:
			return "waits at gate " + e.Gate, "busy"
		case event.StepFailed:
			return "failed in " + e.Step + ": " + e.Error, "bad"
		case event.Interrupted:
			return "interrupted in " + e.Step, "busy"
		case event.Verified:
			if r.Opening.Command == "verify" {
				return plural(int(e.Differences), "difference"), map[bool]string{true: "good", false: "bad"}[e.Differences == 0]
			}
		}
	}
	if r.Closed.IsZero() {
		return "no word of its end: it is at work, or was killed", "busy"
	}
	return "ended", "quiet"
}

// tiles are the numbers that a reader looks for first.
func tiles(p RunPage, runs []history.Run) []tile {
	done := 0
	for _, s := range p.Steps {
		if s.Status == "done" {
			done++
		}
	}
	out := []tile{{Name: "Steps", Value: fmt.Sprintf("%d of %d", done, len(p.Steps)), Note: "done"}}
	var verified *event.Verified
	var moved event.MoveProgress
	each(runs, func(_ time.Time, e event.Event) {
		switch e := e.(type) {
		case event.Verified:
			verified = &e
		case event.MoveProgress:
			if e.Kind == "copy" {
				moved = e
			}
		}
	})
	if moved.Rows > 0 {
		out = append(out, tile{Name: "Copied", Value: grouped(int64(moved.Rows)), Note: "rows, " + plan.Bytes(moved.Bytes) + " of keys and values"})
	}
	if v, took := meanRate(runs); v > 0 {
		out = append(out, tile{Name: "Mean speed", Value: plan.Rows(uint64(v)) + " rows/s", Note: "of the copy, over " + took})
	}
	if w := firstWindow(p); w != nil {
		t := tile{Name: "Writes rejected", Value: took(w.Total), Note: "from the first rejected write on"}
		if w.Budget > 0 {
			t.Note = "of a budget of " + rounded(w.Budget)
		}
		if w.Budget > 0 && w.Total > w.Budget {
			t.Class = "bad"
		}
		out = append(out, t)
	} else if d := fenced(runs); d > 0 {
		out = append(out, tile{Name: "Writes rejected", Value: took(d), Note: "from the proof of the fence to that of its end"})
	}
	return append(out, differenceTile(p, verified)...)
}

// fenced is for how long the last fence was up, between its two proofs; 0 while it is, or when there was none.
func fenced(runs []history.Run) (d time.Duration) {
	var up time.Time
	each(runs, func(at time.Time, e event.Event) {
		f, ok := e.(event.FenceProven)
		switch {
		case !ok:
		case f.Up && up.IsZero():
			up = at.Add(-f.Spread)
		case !f.Up && !up.IsZero():
			d, up = at.Sub(up), time.Time{}
		}
	})
	return d
}

func firstWindow(p RunPage) *event.CutOver {
	for _, c := range p.Certificates {
		if c.Window != nil {
			return c.Window
		}
	}
	return nil
}

func differenceTile(p RunPage, v *event.Verified) []tile {
	switch {
	case v != nil:
		t := tile{Name: "Differences", Value: grouped(int64(v.Differences)), Class: "good",
			Note: fmt.Sprintf("%s on the source, %s on the target compared", grouped(int64(v.SourceRows)), grouped(int64(v.TargetRows)))}
		if v.Differences > 0 {
			t.Class = "bad"
		}
		return []tile{t}
	case len(p.Certificates) > 0 && p.Certificates[0].SourceRows > 0:
		c := p.Certificates[0]
		return []tile{{Name: "Differences", Value: "0", Class: "good", Note: fmt.Sprintf("%s on the source, %s on the target compared",
			grouped(int64(c.SourceRows)), grouped(int64(c.TargetRows)))}}
	}
	return nil
}

// meanRate is rows over time between the first and the last report of every copy.
func meanRate(runs []history.Run) (perSecond float64, over string) {
	var rows uint64
	var spent time.Duration
	for _, r := range runs {
		var first, last *history.Moment
		for i, m := range r.Events {
			if p, ok := m.Event.(event.MoveProgress); ok && p.Kind == "copy" {
				if first == nil {
					first = &r.Events[i]
				}
				last = &r.Events[i]
			}
		}
		if first == nil || !last.At.After(first.At) {
			continue
		}
		a, b := first.Event.(event.MoveProgress).Rows, last.Event.(event.MoveProgress).Rows
		if b > a {
			rows, spent = rows+b-a, spent+last.At.Sub(first.At)
		}
	}
	if spent <= 0 {
		return 0, ""
	}
	return float64(rows) / spent.Seconds(), took(spent)
}

// origins say where each number comes from.
func origins() []pair {
	return []pair{
		{"Times", "are UTC, by the clock of the machine that ran the command. What a step took is the time from its first intent to its end, pauses between runs included."},
		{"Rows and bytes per second", "are means of the last seconds, reported by the engine about once a second: rows that the target acknowledged, or that were compared on both sides. Long runs are thinned: of the oldest samples every second one goes."},
		{"Mean speed", "is rows divided by time between the first and the last report of each copy."},
		{"Lag", "is what the source's primaries count: decrees that were committed and are not confirmed by the target. Resting partitions show 1 each on 2.4 and 2.5."},
		{"Limits", "are the caps in force at that moment: what was declared, eased when servers were busy or slow, and what was set at run time. The row below the charts tells which it was."},
		{"Reject window", "begins with the first write that a partition of the source rejected and ends when clients can write to the target. Each part is the time between two proofs."},
		{"Proofs", "are what the clusters showed when a step ended, not what was asked of them."},
		{"Differences", "are rows whose key, value or absolute expiry is not the same on both sides, or which are in a partition that their hash does not select. Rows that expired during the comparison are not counted."},
		{"Decrees and ballots", "of the certificate were read from the primary of each partition, after it had rejected a write under that ballot."},
	}
}
