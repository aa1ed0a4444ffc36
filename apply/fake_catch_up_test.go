package apply_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
)

// fakeCatchUps compares unit by unit, which takes time, and brings over what differs in each.
type fakeCatchUps struct{ w *fakeWorld }

func (f fakeCatchUps) CatchUp(ctx context.Context, job apply.CatchUpJob) (out apply.CatchUpOutcome, err error) {
	units := map[int]int{}
	if job.Before != nil {
		if err := json.Unmarshal(job.Before, &units); err != nil {
			return out, err
		}
		maps.DeleteFunc(units, func(unit, _ int) bool { return slices.Contains(job.Recheck, int32(unit)) })
	}
	partitions := f.w.table(job.Source).partitions
	for unit := range int(partitions) {
		if _, known := units[unit]; known {
			continue
		}
		if !sleep(ctx, f.w.verifyTime/time.Duration(partitions)) {
			return out, ctx.Err()
		}
		if err := f.unit(ctx, job, unit, &out); err != nil {
			return out, err
		}
		units[unit] = 0
	}
	if f.w.catchUpLeft > 0 && !job.Live {
		f.w.catchUpLeft--
		out.Left++
	}
	src, dst := f.w.table(job.Source), f.w.table(job.Target)
	f.w.mu.Lock()
	out.Found.SourceRows, out.Found.TargetRows = uint64(len(src.rows)), uint64(len(dst.rows))-out.Found.Missing+out.Deleted
	f.w.mu.Unlock()
	if job.Keep != nil && out.Equal() {
		kept, err := json.Marshal(units)
		if err != nil {
			return out, err
		}
		job.Keep(kept)
	}
	return out, nil
}

// unit brings one residue class over.
func (f fakeCatchUps) unit(ctx context.Context, job apply.CatchUpJob, unit int, out *apply.CatchUpOutcome) error {
	name := "catch-up"
	if job.Live {
		name = "catch-up live"
	}
	return f.w.around(ctx, call{name: name, table: job.Target, changes: true}, func() error {
		src, err := f.w.find(job.Source)
		if err != nil {
			return err
		}
		dst, err := f.w.find(job.Target)
		if err != nil {
			return err
		}
		for _, k := range keysOf(src, int32(unit), "") {
			got, ok := dst.rows[k]
			if ok && got == src.rows[k] {
				continue
			}
			if !ok {
				out.Found.Missing++
			}
			out.Found.Differences++
			out.Written++
			if err := dst.put(k, src.rows[k]); err != nil {
				return err
			}
		}
		for _, k := range slices.Sorted(maps.Keys(dst.rows)) {
			if _, ok := src.rows[k]; ok || src.partOf(k) != unit {
				continue
			}
			out.Found.Differences++
			out.Found.Extra++
			out.Deleted++
			delete(dst.rows, k)
		}
		return nil
	})
}
