package apply_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// fakeFiles splits, and looks for resurrected rows.
type fakeFiles struct {
	apply.FileEngine
	w *fakeWorld
}

// Split writes one target partition after the other, and the info file last.
func (f fakeFiles) Split(ctx context.Context, job apply.SplitJob) (out apply.SplitOutcome, err error) {
	at := place(job.Staging)
	rows := f.w.backup
	f.w.mu.Lock()
	if b := f.w.folder(job.Ref); b != nil { // one that was made meanwhile
		rows = b.rows
	}
	f.w.mu.Unlock()
	for unit := int32(-1); unit <= job.Partitions; unit++ {
		if !sleep(ctx, f.w.batchTime) {
			return out, ctx.Err()
		}
		err := f.w.around(ctx, call{name: "split", detail: fmt.Sprint(" unit ", unit), changes: true}, func() error {
			dir := f.w.dirs[at]
			switch {
			case unit < 0 && !job.Resume:
				f.w.dirs[at] = &fakeStaging{units: map[int32]bool{}, rows: map[string]fakeRow{}}
				return nil
			case unit < 0 || dir == nil:
				if dir == nil {
					return errSplit
				}
				dir.id = 0
				return nil
			case unit == job.Partitions:
				dir.id = job.TargetID
				return nil
			case dir.units[unit]:
				return nil
			}
			t := fakeTable{partitions: job.Partitions}
			for k, row := range rows {
				if int32(t.partOf(k)) == unit {
					dir.rows[k] = row
				}
			}
			dir.units[unit] = true
			f.w.splitUnits++
			return nil
		})
		if err != nil {
			return out, err
		}
		job.Report(event.MoveProgress{Kind: "split", PartitionsDone: int(max(unit, 0)), PartitionCount: int(job.Partitions)})
	}
	n := uint64(len(rows))
	return apply.SplitOutcome{In: n + 4, Out: n, Skipped: 4, Files: int(job.Partitions), Bytes: 100 * n}, nil
}

// RepairResurrected looks at one source partition after the other, twice.
func (f fakeFiles) RepairResurrected(ctx context.Context, job apply.ResurrectionJob) (out apply.ResurrectionOutcome, err error) {
	for _, data := range job.Cursors {
		var before apply.ResurrectionOutcome
		if err := json.Unmarshal(data, &before); err != nil {
			return out, err
		}
		out.Rows, out.Found, out.Repaired = out.Rows+before.Rows, out.Found+before.Found, out.Repaired+before.Repaired
	}
	for p := range f.w.table(job.Source).partitions {
		name := strconv.Itoa(int(p))
		if job.Cursors[name] != nil {
			continue
		}
		if !sleep(ctx, f.w.batchTime) {
			return out, ctx.Err()
		}
		var unit apply.ResurrectionOutcome
		err := f.w.around(ctx, call{name: "resurrection", table: job.Target, changes: true}, func() error {
			src, err := f.w.find(job.Source)
			if err != nil {
				return err
			}
			dst, err := f.w.find(job.Target)
			if err != nil {
				return err
			}
			for k, row := range f.w.backup {
				if src.partOf(k) != int(p) {
					continue
				}
				unit.Rows++
				_, living := src.rows[k]
				if got, there := dst.rows[k]; there && got == row && !living {
					delete(dst.rows, k)
					unit.Found, unit.Repaired = unit.Found+1, unit.Repaired+1
				}
			}
			return nil
		})
		if err != nil {
			return out, err
		}
		out.Rows, out.Found, out.Repaired = out.Rows+unit.Rows, out.Found+unit.Found, out.Repaired+unit.Repaired
		data, err := json.Marshal(unit)
		if err != nil {
			return out, err
		}
		if err := job.Save(map[string]json.RawMessage{name: data}); err != nil {
			return out, err
		}
	}
	return out, nil
}

// fakeDual sees what it is told to see.
type fakeDual struct{ w *fakeWorld }

func (f fakeDual) ProveDualWrite(ctx context.Context, job apply.DualWriteJob) (out apply.DualWriteOutcome, err error) {
	if !sleep(ctx, 5*time.Second) {
		return out, ctx.Err()
	}
	err = f.w.around(ctx, call{name: "dual writes", table: job.Target}, func() error {
		if job.Since.IsZero() || job.Since.After(f.w.now) {
			return fmt.Errorf("the gate was passed at %s", job.Since)
		}
		out = f.w.dual
		return nil
	})
	return out, err
}

// fakeCompaction is what the replicas of a table know of compactions.
type fakeCompaction struct {
	asked    time.Time
	finished string // of earlier ones
}

// compactTime is what the compaction of one replica takes, once it knows of it.
const compactTime = 50 * time.Second

type fakeCompactions struct{ w *fakeWorld }

func (f fakeCompactions) StartCompaction(ctx context.Context, ref plan.TableRef) error {
	did := false
	err := f.w.around(ctx, call{name: "StartCompaction", table: ref, changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		if t.envs["manual_compact.disabled"] == "true" {
			return fmt.Errorf("ERR_OPERATION_DISABLED: %w", apply.ErrRefused)
		}
		f.w.compacts++
		t.compact.asked = f.w.now
		t.envs["manual_compact.once.trigger_time"] = strconv.FormatInt(f.w.now.Unix(), 10)
		t.envs["manual_compact.once.target_level"] = "-1"
		t.envs["manual_compact.once.bottommost_level_compaction"] = "force"
		t.spread()
		did = true
		return nil
	})
	if err != nil && did {
		return fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return err
}

// CompactionProgress counts replicas that finished an earlier compaction, as the meta server does.
func (f fakeCompactions) CompactionProgress(ctx context.Context, ref plan.TableRef) (percent int, running bool, err error) {
	err = f.w.around(ctx, call{name: "CompactionProgress", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		percent, running = 100, t.compact.finished != "" || !t.compact.asked.IsZero()
		return nil
	})
	return percent, running, err
}

func (f fakeCompactions) Compacted(ctx context.Context, ref plan.TableRef) (list []apply.CompactedReplica, err error) {
	err = f.w.around(ctx, call{name: "Compacted", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for i := range t.parts {
			for n := range 3 {
				r := apply.CompactedReplica{Partition: int32(i), Server: fmt.Sprintf("node%d", n), Finished: t.compact.finished}
				begins := t.compact.asked.Add(syncInterval * time.Duration(n+1) / 4)
				switch {
				case t.compact.asked.IsZero() || f.w.now.Before(begins):
				case f.w.now.Before(begins.Add(compactTime)):
					r.Busy = true
				default:
					r.Finished = begins.Add(compactTime).Format(time.DateTime)
				}
				list = append(list, r)
			}
		}
		return nil
	})
	return list, err
}

func (f fakeCompactions) Debt(ctx context.Context, ref plan.TableRef) (d apply.Debt, err error) {
	err = f.w.around(ctx, call{name: "Debt", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		if age := f.w.now.Sub(t.compact.asked); age < 3*time.Minute {
			d = apply.Debt{PendingBytes: int64(3*time.Minute-age) * 10, Level0Files: 20, Running: 1}
		}
		return nil
	})
	return d, err
}

// Usage is the scenario that each server goes by: the env that its replicas knew last, which stays in
// force when the env is taken off.
func (f fakeCompactions) Usage(ctx context.Context, ref plan.TableRef) (list []apply.FlagValue, err error) {
	err = f.w.around(ctx, call{name: "Usage", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for n := range 3 {
			list = append(list, apply.FlagValue{Server: fmt.Sprintf("node%d", n), Value: "normal"})
		}
		for i, p := range t.parts {
			for _, k := range p.known {
				if v, ok := k.envs[plan.EnvUsageScenario]; ok && !k.from.After(f.w.now) {
					list[i%3].Value = v
				}
			}
		}
		if f.w.unusable {
			list[2].Value = "prefer_write"
		}
		return nil
	})
	return list, err
}

// inForce is the scenario of a table's first server.
func (w *fakeWorld) inForce(ctx context.Context, ref plan.TableRef) map[string]int {
	out := map[string]int{}
	list, _ := fakeCompactions{w}.Usage(ctx, ref)
	for _, v := range list {
		out[v.Value]++
	}
	return maps.Clone(out)
}
