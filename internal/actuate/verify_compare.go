package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Comparison is one comparison that an operator asked for, of tables of which nobody promised that they rest.
type Comparison struct {
	Source, Target plan.TableRef
	Options        plan.CopyOptions // rows are expected as a copy with these writes them
	Limits         plan.CopyLimits  // windows and thresholds included
	// Patience is how long a write may take to arrive on the target; 0 says that nothing carries writes over, so that
	// a second look would find what the first one did.
	Patience time.Duration
	// ExpirySkew is as in apply.LiveJob.
	ExpirySkew time.Duration
	AllowExtra bool
	// Each is told of every difference, one at a time, and with Drift of every row whose expiry drifted; its error ends
	// the comparison. May be nil: then the comparison ends early when there are more differences than anybody looks at.
	Each  func(difference.Entry) error
	Drift bool
	// Before is what an earlier comparison handed to Save last. Units in which something differed are compared again.
	Before json.RawMessage
	// Save gets what is finished so far, after every unit; its error ends the comparison. May be nil.
	Save   func(json.RawMessage) error
	Report func(event.MoveProgress)
}

// cursorsKept is what Comparison.Save gets.
type cursorsKept struct {
	Version int `json:"version"`
	// Tables are the ids of source and target, zeros where an older version wrote it.
	Tables [2]int32 `json:"tables"`

	Units []differ.Cursor `json:"units"`
}

const cursorsVersion = 1

// Compare compares two tables as they are now. Differences are a result, not an error.
func (l *Live) Compare(ctx context.Context, job Comparison) (event.Verified, error) {
	pair, err := l.pair(ctx, job.Source, job.Target)
	if err != nil {
		return event.Verified{}, err
	}
	kept, err := job.before([2]int32{pair.src.rows.ID(), pair.dst.rows.ID()})
	if err != nil {
		return event.Verified{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opts, err := job.options(pair, cancel)
	if err != nil {
		return event.Verified{}, err
	}
	pacer, stop, err := l.engine.clusters.pacedReading(ctx, job.Source, job.Target, job.Limits)
	if err != nil {
		return event.Verified{}, err
	}
	defer stop()
	opts.Pacer = pacer
	estimates := l.engine.estimates(ctx, job.Source)
	result, err := differ.RunLive(ctx, pair.src, pair.dst, kept.Units, opts, job.save(&kept),
		reportLive(job.Report, estimates))
	err = pair.unchanged(ctx, err)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
			err = cause
		}
		return event.Verified{}, err
	}
	out := verified(result.Result)
	out.Open, out.Cut, out.Patience = uint64(len(result.Open)), result.TooMany, job.Patience
	return out, nil
}

// options are those of the engine; an error of Each ends the comparison by stop.
func (j *Comparison) options(pair livePair, stop context.CancelCauseFunc) (differ.LiveOptions, error) {
	opts := pair.opts
	var err error
	if opts.Selection, err = selection(j.Options); err != nil {
		return opts, err
	}
	opts.AllowExtra = j.AllowExtra
	opts.Patience, opts.Still, opts.ExpirySkew = j.Patience, j.Patience <= 0, uint32(j.ExpirySkew/time.Second)
	if j.Each == nil {
		return opts, nil
	}
	opts.MaxDifferences = math.MaxInt
	opts.OnDifference = func(d differ.Difference) {
		if err := j.Each(entry(d)); err != nil {
			stop(err)
		}
	}
	if j.Drift {
		opts.OnDrift = func(d differ.Difference) {
			d.Kind = differ.Drift
			opts.OnDifference(d)
		}
	}
	return opts, nil
}

// before reads Before. What was found of tables that were dropped and made again since proves nothing. Units with
// differences go: a difference is told when its unit is compared, and the report
// that it was told to is not kept.
func (j *Comparison) before(tables [2]int32) (cursorsKept, error) {
	kept := cursorsKept{Version: cursorsVersion, Tables: tables}
	if len(j.Before) == 0 {
		return kept, nil
	}
	var before cursorsKept
	if err := json.Unmarshal(j.Before, &before); err != nil {
		return kept, fmt.Errorf("the earlier comparison cannot be read: %w", err)
	}
	if before.Version != cursorsVersion {
		return kept, fmt.Errorf("the earlier comparison has version %d, this program knows %d", before.Version, cursorsVersion)
	}
	if before.Tables != ([2]int32{}) && before.Tables != tables {
		return kept, nil
	}
	for _, c := range before.Units {
		told := c.Differences() > 0 || j.Drift && c.Drifted+c.Stamped > 0
		if !told && c.Live == (j.Patience > 0) {
			kept.Units = append(kept.Units, c)
		}
	}
	return kept, nil
}

// save adds finished units to those that are kept.
func (j *Comparison) save(kept *cursorsKept) func([]differ.Cursor) error {
	if j.Save == nil {
		return nil
	}
	return func(cursors []differ.Cursor) error {
		kept.Units = append(kept.Units, cursors...)
		data, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		return j.Save(data)
	}
}

// entry is a difference as reports have it.
func entry(d differ.Difference) difference.Entry {
	s := d.Shown()
	return difference.Entry{Kind: string(s.Kind), Side: string(s.Side), SourcePartition: s.SourcePartition, TargetPartition: s.TargetPartition,
		Key: s.RawKey, HashKey: s.HashKey, SortKey: s.SortKey, SourceExpire: s.SourceExpire, TargetExpire: s.TargetExpire,
		SourceBytes: s.SourceBytes, TargetBytes: s.TargetBytes, Age: s.Age}
}
