package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Verify implements apply.Engine.
func (e *Engine) Verify(ctx context.Context, job apply.VerifyJob) (event.Verified, error) {
	src, err := e.clusters.open(ctx, job.Source)
	if err != nil {
		return event.Verified{}, err
	}
	dst, err := e.clusters.open(ctx, job.Target)
	if err != nil {
		return event.Verified{}, err
	}
	if job.Mode == plan.VerifySample || job.Mode == plan.VerifyCount {
		return e.estimate(ctx, job)
	}
	first, err := decodeDigests(job.FirstDigest)
	if err != nil {
		return event.Verified{}, err
	}
	ttl, err := e.defaultTTL(ctx, job.Source)
	if err != nil {
		return event.Verified{}, err
	}
	job.Limits = pacedLimits(job.Limits, job.Unpaced)
	opts := differ.Options{SourceTTL: ttl, AllowExtra: job.AllowExtra, Clock: e.now}
	if opts.Selection, err = selection(job.Options); err != nil {
		return event.Verified{}, err
	}
	if len(first) > 0 {
		opts.Start = first[0].Begin()
	}
	resume, err := unitsBefore(job)
	if err != nil {
		return event.Verified{}, err
	}
	repair := e.repairer(ctx, dst, job, &opts)
	pacer, stop, err := e.clusters.pacedReading(ctx, job.Source, job.Target, job.Limits)
	if err != nil {
		return event.Verified{}, err
	}
	defer stop()
	opts.Pacer = pacer
	estimates := e.estimates(ctx, job.Source)
	result, err := differ.Run(ctx, scan.Table(src), scan.Table(dst), resume, opts, nil,
		differ.ReporterFunc(func(p differ.Progress) { job.Report(verifyProgress(p, estimates)) }))
	if err == nil {
		err = repair.ended(ctx, src)
	}
	if err != nil {
		return event.Verified{}, err
	}
	if err := keepUnits(job, result); err != nil {
		return event.Verified{}, err
	}
	out := verified(result)
	repair.forgive(&out)
	if ttl == 0 { // otherwise the source's compaction changes expiries by itself, so its digest proves nothing
		out.SourceChanged = changedSince(first, result.Digests, e.now())
	}
	return out, nil
}

// changedSince are the partitions whose rows are not those of the first reading.
func changedSince(first, now []scan.Digests, at time.Time) (changed []int32) {
	for i := range first {
		if i < len(now) && scan.Changed(first[i], now[i], at) {
			changed = append(changed, int32(i))
		}
	}
	return changed
}

// defaultTTL is the default_ttl that a table's envs name, in seconds, 0 for none.
func (e *Engine) defaultTTL(ctx context.Context, ref plan.TableRef) (uint32, error) {
	s, err := NewTables(e.clusters).Table(ctx, ref)
	if err != nil {
		return 0, fmt.Errorf("read the envs of %s: %w", ref, err)
	}
	if ttl, err := strconv.ParseUint(s.Envs[plan.EnvDefaultTTL], 10, 32); err == nil {
		return uint32(ttl), nil
	}
	return 0, nil // absent, or a value that replicas ignore
}

// unitsBefore are the units of an earlier comparison that still count: found equal, and without a
// partition whose rows may have changed since.
func unitsBefore(job apply.VerifyJob) ([]differ.Cursor, error) {
	if len(job.Before) == 0 {
		return nil, nil
	}
	var before []differ.Cursor
	if err := json.Unmarshal(job.Before, &before); err != nil {
		return nil, fmt.Errorf("the earlier comparison cannot be read: %w", err)
	}
	return slices.DeleteFunc(before, func(c differ.Cursor) bool {
		return c.Differences() > 0 || slices.ContainsFunc(job.Recheck, func(p int32) bool { return p%c.Units == c.Unit })
	}), nil
}

// keepUnits hands the outcome out for a comparison that follows.
func keepUnits(job apply.VerifyJob, result differ.Result) error {
	if job.Keep == nil {
		return nil
	}
	data, err := json.Marshal(result.Cursors)
	if err != nil {
		return fmt.Errorf("keep the comparison: %w", err)
	}
	job.Keep(data)
	return nil
}

func decodeDigests(data json.RawMessage) ([]scan.Digests, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var out []scan.Digests
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("the digest of the copy cannot be read: %w", err)
	}
	return out, nil
}

// verified turns the differ's result into an event.
func verified(r differ.Result) event.Verified {
	out := event.Verified{
		SourceRows: r.SourceRows, TargetRows: r.TargetRows, Differences: r.Differences(),
		Missing: r.Missing, Extra: r.Extra, Changed: r.Value, ExpiryDiffers: r.Expiry, Misplaced: r.Misplaced(),
		ExpiredMidway: r.Expired, AllowedExtra: r.AllowedExtra, Stamped: r.Stamped, Drifted: r.Drifted,
	}
	for _, d := range r.First {
		out.FirstDiffering = append(out.FirstDiffering, event.Difference{
			Kind: event.DifferenceKind(d.Kind), Side: string(d.Side),
			SourcePartition: d.SourcePartition, TargetPartition: d.TargetPartition,
			HashKey: d.HashKey, SortKey: d.SortKey, RawKey: d.RawKey,
			SourceBytes: d.SourceBytes, TargetBytes: d.TargetBytes, SourceExpire: d.SourceExpire, TargetExpire: d.TargetExpire, Age: d.Age,
		})
	}
	return out
}

// verifyProgress turns the differ's report into an event.
func verifyProgress(p differ.Progress, e estimates) event.MoveProgress {
	out := event.MoveProgress{
		Kind: "verify", PartitionsDone: p.UnitsDone, PartitionCount: len(p.Units),
		Rows: p.Rows, Bytes: p.Bytes, RowsEstimate: e.total,
		RowsPerSecond: p.RowsPerSecond, BytesPerSecond: p.BytesPerSecond,
		Limit: p.Limit, LimitReason: p.Reason, LimitSource: p.LimitSource, Differences: p.Differences, Elapsed: p.Elapsed,
		InForce:    event.Caps{RowsPerSecond: float64(p.RowsCap), BytesPerSecond: float64(p.BytesCap), Held: p.Held},
		ETA:        eta(e.total, p.Rows, p.RowsPerSecond),
		Partitions: make([]event.PartitionProgress, len(p.Units)),
	}
	for i, u := range p.Units {
		out.Partitions[i] = event.PartitionProgress{Index: u.Unit, Rows: u.Rows, Bytes: u.Bytes, Active: u.Active, Done: u.Done}
	}
	return out
}

// putAndWait writes one row and waits for the acknowledgement. The row is copied: the write may
// outlive the wait.
func putAndWait(ctx context.Context, t *pegasus.Table, row pegasus.Row, deadline time.Time) error {
	row.Key, row.Value = append([]byte(nil), row.Key...), append([]byte(nil), row.Value...)
	written := make(chan error, 1)
	t.Put(row, pegasus.PutOptions{Deadline: deadline}, func(err error) { written <- err })
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
