package apply_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// fakeLive compares tables that are written to, partition by partition.
type fakeLive struct{ w *fakeWorld }

// unequal is a key that differed: what the source held then, and since when.
type unequal struct {
	row   fakeRow
	had   bool
	since time.Time
	fresh bool // the source changed it while it was looked at
}

func (f fakeLive) CompareLive(ctx context.Context, job apply.LiveJob) (out apply.LiveOutcome, err error) {
	var open []string
	for key := range job.Cursors {
		var keys []string
		if err := json.Unmarshal(job.Cursors[key], &keys); err != nil {
			return out, err
		}
		open = append(open, keys...)
	}
	partitions := f.w.table(job.Source).partitions
	for p := range partitions {
		name := strconv.Itoa(int(p))
		if job.Cursors[name] != nil {
			continue
		}
		if !sleep(ctx, f.w.batchTime) {
			return out, ctx.Err()
		}
		keys, err := f.unit(ctx, job, p, &out)
		if err != nil {
			return out, err
		}
		open = append(open, keys...)
		data, err := json.Marshal(keys)
		if err != nil {
			return out, err
		}
		if job.Save != nil {
			if err := job.Save(map[string]json.RawMessage{name: data}); err != nil {
				return out, err
			}
		}
		job.Report(event.MoveProgress{Kind: "verify", PartitionsDone: int(p) + 1, PartitionCount: int(partitions)})
	}
	slices.Sort(open)
	out.OpenCount, out.TooMany = len(open), len(open) > f.w.openLimit
	if len(open) > 0 {
		out.Open, err = json.Marshal(open[:min(len(open), f.w.openLimit)])
	}
	return out, err
}

// unit compares one partition until what is unequal there has been so for too long, or keeps
// changing.
func (f fakeLive) unit(ctx context.Context, job apply.LiveJob, p int32, out *apply.LiveOutcome) (open []string, err error) {
	seen, name := map[string]*unequal{}, "compare"
	if job.Still {
		name = "compare-still"
	}
	for first := true; first || len(seen) > 0; first = false {
		if !first && !sleep(ctx, time.Second) {
			return nil, ctx.Err()
		}
		err := f.w.around(ctx, call{name: name, table: job.Target}, func() error { return f.look(job, p, seen, first, out) })
		if err != nil {
			return nil, err
		}
		for key, u := range maps.Clone(seen) {
			switch {
			case !job.Still && time.Since(u.since) < job.Patience:
				continue
			case u.fresh && !job.Still:
				open = append(open, key)
			default:
				out.Differences++
				out.Missing++
			}
			delete(seen, key)
		}
	}
	return open, nil
}

func (f fakeLive) look(job apply.LiveJob, p int32, seen map[string]*unequal, first bool, out *apply.LiveOutcome) error {
	src, err := f.w.find(job.Source)
	if err != nil {
		return err
	}
	dst, err := f.w.find(job.Target)
	if err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(seen))
	if first {
		keys = union(keysOf(src, p, ""), keysOf(dst, p, ""))
		out.SourceRows += uint64(len(keysOf(src, p, "")))
		out.TargetRows += uint64(len(keysOf(dst, p, "")))
	}
	for _, k := range keys {
		row, had := src.rows[k]
		got, there := dst.rows[k]
		u := seen[k]
		switch {
		case row == got && had == there:
			delete(seen, k)
		case u == nil:
			seen[k] = &unequal{row: row, had: had, since: time.Now()}
		case u.row != row || u.had != had:
			u.row, u.had, u.fresh = row, had, true
		}
	}
	return nil
}

func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (f fakeLive) Recheck(ctx context.Context, source, target plan.TableRef, open json.RawMessage) (out apply.LiveOutcome, err error) {
	var keys []string
	if open != nil {
		if err := json.Unmarshal(open, &keys); err != nil {
			return out, err
		}
	}
	if !sleep(ctx, 200*time.Millisecond) {
		return out, ctx.Err()
	}
	err = f.w.around(ctx, call{name: "recheck", table: target}, func() error {
		src, err := f.w.find(source)
		if err != nil {
			return err
		}
		dst, err := f.w.find(target)
		if err != nil {
			return err
		}
		for _, k := range keys {
			row, had := src.rows[k]
			got, there := dst.rows[k]
			out.SourceRows++
			if row != got || had != there {
				out.Differences++
				out.Missing++
			}
		}
		return nil
	})
	return out, err
}
