package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Live implements apply.LiveEngine with this process as the only worker.
type Live struct{ engine *Engine }

var _ apply.LiveEngine = (*Live)(nil)

// NewLive compares tables that clients write to.
func NewLive(c *Clusters, now func() time.Time) *Live { return &Live{NewEngine(c, now)} }

// liveTable is a table as the differ reads it.
type liveTable struct {
	scan.Source
	rows *pegasus.Table
}

// Row implements differ.LiveTable.
func (t liveTable) Row(ctx context.Context, key []byte) (scan.Row, bool, error) {
	return t.rows.Row(ctx, key)
}

// livePair are the two tables of a live comparison, and what of their envs matters to it.
type livePair struct {
	src, dst liveTable
	opts     differ.LiveOptions
}

// pair opens both tables. Their partition counts may differ: clients that write both tables do not mind. That no
// duplication joins such tables is for the caller to see.
func (l *Live) pair(ctx context.Context, source, target plan.TableRef) (livePair, error) {
	var out livePair
	src, err := l.engine.clusters.open(ctx, source)
	if err != nil {
		return out, err
	}
	dst, err := l.engine.clusters.open(ctx, target)
	if err != nil {
		return out, err
	}
	out.src, out.dst = liveTable{scan.Table(src), src}, liveTable{scan.Table(dst), dst}
	out.opts = differ.LiveOptions{Ignore: []byte(ProbePrefix), Options: differ.Options{Clock: l.engine.now}}
	if out.opts.SourceTTL, err = l.engine.defaultTTL(ctx, source); err != nil {
		return out, err
	}
	out.opts.TargetTTL, err = l.engine.defaultTTL(ctx, target)
	return out, err
}

// CompareLive implements apply.LiveEngine.
func (l *Live) CompareLive(ctx context.Context, job apply.LiveJob) (apply.LiveOutcome, error) {
	var out apply.LiveOutcome
	pair, err := l.pair(ctx, job.Source, job.Target)
	if err != nil {
		return out, err
	}
	resume, err := liveCursors(job)
	if err != nil {
		return out, err
	}
	opts := pair.opts
	opts.Patience, opts.Still, opts.ExpirySkew = job.Patience, job.Still, uint32(job.ExpirySkew/time.Second)
	pacer, stop, err := l.engine.clusters.pacedReading(ctx, job.Source, job.Target, job.Limits)
	if err != nil {
		return out, err
	}
	defer stop()
	opts.Pacer = pacer
	estimates := l.engine.estimates(ctx, job.Source)
	result, err := differ.RunLive(ctx, pair.src, pair.dst, resume, opts, saveLive(job), reportLive(job.Report, estimates))
	err = pair.unchanged(ctx, err)
	if err != nil {
		return out, err
	}
	out.Verified, out.Drifted, out.TooMany = verified(result.Result), result.Drifted, result.TooMany
	out.OpenCount = len(result.Open)
	out.Open, err = encodeOpen(result.Open)
	return out, err
}

// liveCursors are the units that were compared before. What was compared while clients wrote proves
// nothing about tables at rest: then everything is compared.
func liveCursors(job apply.LiveJob) ([]differ.Cursor, error) {
	out := make([]differ.Cursor, 0, len(job.Cursors))
	for unit, data := range job.Cursors {
		var c differ.Cursor
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("the saved comparison of unit %s cannot be read: %w", unit, err)
		}
		if c.Live != job.Still {
			out = append(out, c)
		}
	}
	return out, nil
}

// saveLive is nil when nothing is to be kept.
func saveLive(job apply.LiveJob) func([]differ.Cursor) error {
	if job.Save == nil {
		return nil
	}
	return func(cursors []differ.Cursor) error {
		encoded := make(map[string]json.RawMessage, len(cursors))
		for _, c := range cursors {
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			encoded[c.Name()] = data
		}
		return job.Save(encoded)
	}
}

// reportLive is nil when nobody wants to know.
func reportLive(report func(event.MoveProgress), e estimates) differ.Reporter {
	if report == nil {
		return nil
	}
	return differ.ReporterFunc(func(p differ.Progress) {
		out := verifyProgress(p, e)
		if out.Limit == "" && p.Watched > 0 && !scanning(p) {
			out.LimitReason = stillUnequal(p.Watched)
		}
		report(out)
	})
}

// scanning tells whether rows are still being read in the order of keys.
func scanning(p differ.Progress) bool {
	for _, u := range p.Units {
		if u.Active {
			return true
		}
	}
	return false
}

// stillUnequal says what a comparison waits for when everything has been read once.
func stillUnequal(n int64) string {
	if n == 1 {
		return "1 key was unequal and is read again"
	}
	return fmt.Sprintf("%d keys were unequal and are read again", n)
}

// openVersion is the version of openKeys that this package writes.
const openVersion = 1

// openKeys is the form of LiveOutcome.Open.
type openKeys struct {
	Version int      `json:"version"`
	Keys    [][]byte `json:"keys"`
}

// encodeOpen gives nil for no keys.
func encodeOpen(keys [][]byte) (json.RawMessage, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return json.Marshal(openKeys{openVersion, keys})
}

// decodeOpen reads what encodeOpen wrote.
func decodeOpen(data json.RawMessage) ([][]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var open openKeys
	if err := json.Unmarshal(data, &open); err != nil {
		return nil, fmt.Errorf("the open keys of the comparison cannot be read: %w", err)
	}
	if open.Version != openVersion {
		return nil, fmt.Errorf("the open keys of the comparison have version %d, this program knows %d", open.Version, openVersion)
	}
	return open.Keys, nil
}

// Recheck implements apply.LiveEngine.
func (l *Live) Recheck(ctx context.Context, source, target plan.TableRef, open json.RawMessage) (apply.LiveOutcome, error) {
	var out apply.LiveOutcome
	keys, err := decodeOpen(open)
	if err != nil || len(keys) == 0 {
		return out, err
	}
	pair, err := l.pair(ctx, source, target)
	if err != nil {
		return out, err
	}
	result, err := differ.Recheck(ctx, pair.src, pair.dst, keys, pair.opts)
	if err != nil {
		return out, err
	}
	out.Verified, out.Drifted = verified(result), result.Drifted
	return out, nil
}
