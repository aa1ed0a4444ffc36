package apply_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// fakeEngine copies partition by partition, a few rows at a time, and saves its cursor after each
// batch.
type fakeEngine struct{ w *fakeWorld }

const batchRows = 4

type fakeCursor struct {
	After string `json:"after"`
	Rows  uint64 `json:"rows"`
	Sum   string `json:"sum"` // of the rows read so far
	Done  bool   `json:"done"`
}

// sleep waits as the engines do; false when the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (f fakeEngine) Copy(ctx context.Context, job apply.CopyJob) (out apply.CopyOutcome, err error) {
	cursors := map[int32]*fakeCursor{}
	for key, data := range job.Cursors {
		p, err := strconv.Atoi(key)
		if err != nil {
			return out, err
		}
		cursors[int32(p)] = &fakeCursor{}
		if err := json.Unmarshal(data, cursors[int32(p)]); err != nil {
			return out, err
		}
	}
	partitions := f.w.table(job.Source).partitions
	sums := map[int32]string{}
	for p := range partitions {
		if cursors[p] == nil {
			cursors[p] = &fakeCursor{}
		}
		for c := cursors[p]; !c.Done; {
			if err := f.batch(ctx, job, p, c); err != nil {
				return out, err
			}
			data, err := json.Marshal(c)
			if err != nil {
				return out, err
			}
			if err := job.Save(map[string]json.RawMessage{strconv.Itoa(int(p)): data}); err != nil {
				return out, err
			}
			job.Report(event.MoveProgress{Kind: "copy", PartitionsDone: int(p), PartitionCount: int(partitions), Rows: c.Rows})
		}
		out.Rows += cursors[p].Rows
		sums[p] = cursors[p].Sum
	}
	out.Digest, err = json.Marshal(sums)
	return out, err
}

// batch copies the next rows of a partition.
func (f fakeEngine) batch(ctx context.Context, job apply.CopyJob, p int32, c *fakeCursor) error {
	if !sleep(ctx, f.w.batchTime) {
		return ctx.Err()
	}
	return f.w.around(ctx, call{name: "copy", table: job.Target, detail: fmt.Sprint(" partition ", p), changes: true}, func() error {
		src, err := f.w.find(job.Source)
		if err != nil {
			return err
		}
		dst, err := f.w.find(job.Target)
		if err != nil {
			return err
		}
		keys := keysOf(src, p, c.After)
		c.Done = len(keys) <= batchRows
		for _, k := range keys[:min(len(keys), batchRows)] {
			if err := dst.put(k, src.rows[k]); err != nil {
				return err
			}
			c.After, c.Rows = k, c.Rows+1
			c.Sum = sum(c.Sum, k, src.rows[k])
		}
		return nil
	})
}

func keysOf(t *fakeTable, partition int32, after string) []string {
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(t.rows)) {
		if k > after && t.partOf(k) == int(partition) {
			keys = append(keys, k)
		}
	}
	return keys
}

func sum(before, key string, row fakeRow) string {
	return fmt.Sprintf("%s|%s=%s@%d", before, key, row.Value, row.Expire)
}

func (f fakeEngine) Verify(ctx context.Context, job apply.VerifyJob) (out event.Verified, err error) {
	if !sleep(ctx, f.w.verifyTime) {
		return out, ctx.Err()
	}
	units, err := unitsBefore(job)
	if err != nil {
		return out, err
	}
	err = f.w.around(ctx, call{name: "verify", table: job.Target, changes: job.Repair}, func() error {
		src, err := f.w.find(job.Source)
		if err != nil {
			return err
		}
		dst, err := f.w.find(job.Target)
		if err != nil {
			return err
		}
		out = compare(src, dst, job, units)
		return changed(src, job.FirstDigest, &out)
	})
	if err == nil {
		kept, err := json.Marshal(units)
		if err != nil {
			return out, err
		}
		job.Keep(kept)
	}
	return out, err
}

// unitsBefore are the differences of the units (source partitions, whose number divides that of the
// target) that need not be compared again; the others are absent.
func unitsBefore(job apply.VerifyJob) (map[int]int, error) {
	units := map[int]int{}
	if job.Before == nil {
		return units, nil
	}
	if err := json.Unmarshal(job.Before, &units); err != nil {
		return nil, err
	}
	maps.DeleteFunc(units, func(unit, differences int) bool {
		return differences > 0 || slices.Contains(job.Recheck, int32(unit))
	})
	return units, nil
}

// compare adds the units that it compared to units.
func compare(src, dst *fakeTable, job apply.VerifyJob, units map[int]int) event.Verified {
	out := event.Verified{SourceRows: uint64(len(src.rows)), TargetRows: uint64(len(dst.rows))}
	for unit := range int(src.partitions) {
		if _, known := units[unit]; known {
			continue
		}
		before := out.Missing + out.Changed + out.ExpiryDiffers + out.Extra
		compareUnit(src, dst, unit, job, &out)
		units[unit] = int(out.Missing + out.Changed + out.ExpiryDiffers + out.Extra - before)
		out.Differences += uint64(units[unit])
	}
	return out
}

func compareUnit(src, dst *fakeTable, unit int, job apply.VerifyJob, out *event.Verified) {
	for _, k := range keysOf(src, int32(unit), "") {
		got, ok := dst.rows[k]
		switch {
		case !ok:
			out.Missing++
		case got.Value != src.rows[k].Value:
			out.Changed++
		case got.Expire != src.rows[k].Expire:
			out.ExpiryDiffers++
		default:
			continue
		}
		if job.Repair {
			_ = dst.put(k, src.rows[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(dst.rows)) {
		if _, ok := src.rows[k]; ok || src.partOf(k) != unit {
			continue
		}
		if job.AllowExtra {
			out.AllowedExtra++
			continue
		}
		out.Extra++
		if job.Repair {
			delete(dst.rows, k)
		}
	}
}

// changed compares the source with the digest that the copy took.
func changed(src *fakeTable, first json.RawMessage, out *event.Verified) error {
	if first == nil {
		return nil
	}
	var sums map[int32]string
	if err := json.Unmarshal(first, &sums); err != nil {
		return err
	}
	for p := range src.partitions {
		now := ""
		for _, k := range keysOf(src, p, "") {
			now = sum(now, k, src.rows[k])
		}
		if now != sums[p] {
			out.SourceChanged = append(out.SourceChanged, p)
		}
	}
	return nil
}

// source and target of the tests.
func source() plan.TableRef { return plan.TableRef{Cluster: "east", Table: "orders"} }
func target() plan.TableRef { return plan.TableRef{Cluster: "west", Table: "orders"} }
