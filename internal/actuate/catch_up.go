package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// CatchUps implements apply.CatchUps with this process as the only worker.
type CatchUps struct{ live *Live }

var _ apply.CatchUps = (*CatchUps)(nil)

// NewCatchUps brings copies up to date.
func NewCatchUps(c *Clusters, now func() time.Time) *CatchUps { return &CatchUps{NewLive(c, now)} }

// CatchUp implements apply.CatchUps. Rows are written while others are still being compared: the target has
// no other writer, and each key is compared once in a pass. Rows differ in every partition, since clients wrote to
// every partition, so both tables are merged rather than summed up: that reads each row once (differ.Options.Unequal).
// An expiry that the source's default_ttl gave since is brought over like any other (no differ.Options.SourceTTL): a client
// that writes the same value again gives its row a longer life, and the old one would end it early on the target.
func (u *CatchUps) CatchUp(ctx context.Context, job apply.CatchUpJob) (apply.CatchUpOutcome, error) {
	var out apply.CatchUpOutcome
	pair, err := u.live.pair(ctx, job.Source, job.Target)
	if err != nil {
		return out, err
	}
	resume, err := passedBefore(job)
	if err != nil {
		return out, err
	}
	rows, err := selection(job.Options)
	if err != nil {
		return out, err
	}
	pair.opts.Selection = rows
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newMender(cancel, pair.dst.rows, rows, !job.Live, pair.opts.Clock)
	opts := differ.Options{Selection: rows, Unequal: true, Eager: true, Clock: pair.opts.Clock,
		OnDifference: func(d differ.Difference) { m.mend(inner, d) }}
	if job.Live { // behind the fence nothing may hold rows up
		pacer, stop, err := u.live.engine.clusters.paced(ctx, job.Source, job.Target, job.Limits)
		if err != nil {
			return out, err
		}
		defer stop()
		opts.Pacer = pacer
	}
	estimates := u.live.engine.estimates(ctx, job.Source)
	result, err := differ.Run(inner, pair.src, pair.dst, resume, opts, nil, differ.ReporterFunc(func(p differ.Progress) {
		progress := verifyProgress(p, estimates)
		progress.Kind = "catch_up"
		job.Report(progress)
	}))
	if failed := m.wait(); failed != nil {
		err = failed
	}
	if err = pair.unchanged(ctx, err); err != nil {
		return out, err
	}
	out.Found = verified(result)
	out.Written, out.Deleted, out.Left = m.written, m.deleted, result.Misplaced()
	if job.Live {
		return out, nil
	}
	if out.TooMany = m.tooMany; out.TooMany {
		return out, nil
	}
	left, err := differ.Recheck(ctx, pair.src, pair.dst, m.keys, pair.opts)
	if err != nil {
		return out, fmt.Errorf("read what was brought over again: %w", err)
	}
	if out.Left += left.Differences(); out.Left > 0 {
		out.Found.FirstDiffering = verified(left).FirstDiffering
		return out, nil
	}
	return out, keepPassed(job, result)
}

// passedBefore are the units of an earlier pass behind the same fence into which nothing may have leaked.
func passedBefore(job apply.CatchUpJob) ([]differ.Cursor, error) {
	if len(job.Before) == 0 {
		return nil, nil
	}
	var before []differ.Cursor
	if err := json.Unmarshal(job.Before, &before); err != nil {
		return nil, fmt.Errorf("the earlier pass cannot be read: %w", err)
	}
	return slices.DeleteFunc(before, func(c differ.Cursor) bool {
		return c.Side != "" || slices.ContainsFunc(job.Recheck, func(p int32) bool { return p%c.Units == c.Unit })
	}), nil
}

// keepPassed hands out the units as they are now that every row that differed was brought over and is equal.
func keepPassed(job apply.CatchUpJob, result differ.Result) error {
	if job.Keep == nil {
		return nil
	}
	for i := range result.Cursors {
		c := &result.Cursors[i]
		c.TargetRows += c.Missing - c.Extra
		c.Equal += c.Missing + c.Value + c.Expiry
		c.Missing, c.Extra, c.Value, c.Expiry, c.First = 0, 0, 0, 0, nil
	}
	data, err := json.Marshal(result.Cursors)
	if err != nil {
		return fmt.Errorf("keep the pass: %w", err)
	}
	job.Keep(data)
	return nil
}

// clone copies a row that is valid for a moment only.
func clone(row scan.Row) scan.Row {
	row.Key, row.Value = slices.Clone(row.Key), slices.Clone(row.Value)
	return row
}
