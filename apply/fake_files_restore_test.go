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

// fakeRestoring is the part of the world that restores backups.
type fakeRestoring struct {
	restores int
	// checked are the partitions of backups whose files were read, one entry for each time.
	checked []int32
	// compared are the partitions whose rows were compared with a backup's.
	compared     []int32
	lateRestores []lateRestore
	// restoreLater makes the next restore take effect that much later, with its answer lost.
	restoreLater time.Duration
	// stuck keeps restores from moving.
	stuck bool
}

type lateRestore struct {
	at time.Time
	a  plan.Restore
	id int64
}

// fakeRestored is what a table knows of the restore that makes it.
type fakeRestored struct {
	from *fakeBackup
	skip bool
	gave time.Time // when its servers drop it, zero for never
}

// restoring catches up with restores; the lock is held.
func (w *fakeWorld) restoring() {
	now := time.Now()
	var later []lateRestore
	for _, l := range w.lateRestores {
		if now.Before(l.at) {
			later = append(later, l)
		} else {
			_, _ = w.startRestore(l.a, l.id)
		}
	}
	w.lateRestores = later
	for _, c := range w.clusters {
		for name, t := range c.tables {
			if t.from == nil {
				continue
			}
			if w.stuck && t.primaries.After(now) {
				t.primaries, t.healthy = now.Add(time.Hour), now.Add(2*time.Hour)
			}
			if !t.gave.IsZero() && !now.Before(t.gave) {
				t.gone = true
				delete(c.tables, name)
				c.dropped = append(c.dropped, t.id)
			}
		}
	}
}

func (w *fakeWorld) startRestore(a plan.Restore, backupID int64) (int32, error) {
	ref := a.Backup
	ref.ID = backupID
	b := w.folder(ref)
	switch {
	case b == nil:
		return 0, fmt.Errorf("ERR_OBJECT_NOT_FOUND: %w", apply.ErrRefused)
	case b.appID != ref.AppID || b.table != ref.Table:
		w.wrongs = append(w.wrongs, "the meta server died of a restore with wrong words")
		return 0, apply.ErrOutcomeUnknown
	}
	if _, err := w.find(a.Target); err == nil {
		return 0, fmt.Errorf("ERR_INVALID_PARAMETERS: %w", apply.ErrRefused)
	}
	t := w.create(plan.CreateTable{Table: a.Target, Partitions: b.partitions, Replicas: b.replicas, Envs: map[string]string{
		"restore.block_service_provider": a.Provider.Name, "restore.cluster_name": b.root, "restore.policy_name": "",
		"restore.app_name": b.table, "restore.app_id": strconv.Itoa(int(b.appID)), "restore.backup_id": strconv.FormatInt(b.id, 10)}})
	now := time.Now()
	t.from, t.skip = b, a.SkipBadPartition
	t.primaries = now.Add(partitionTime * time.Duration(b.partitions))
	t.healthy = t.primaries.Add(createTime)
	for k, row := range b.rows {
		if !b.damaged[int32(t.partOf(k))] {
			t.rows[k] = row
		}
	}
	if len(b.damaged) > 0 && !t.skip {
		t.gave = now.Add(partitionTime * 3 / 2)
	}
	w.restores++
	return t.id, nil
}

type fakeRestores struct{ w *fakeWorld }

func (f fakeRestores) StartRestore(ctx context.Context, a plan.Restore, backupID int64) (id int32, err error) {
	did := false
	err = f.w.around(ctx, call{name: "StartRestore", table: a.Target, changes: true}, func() error {
		if later := f.w.restoreLater; later > 0 {
			f.w.restoreLater, did = 0, true
			f.w.lateRestores = append(f.w.lateRestores, lateRestore{time.Now().Add(later), a, backupID})
			return errKilled
		}
		var err error
		id, err = f.w.startRestore(a, backupID)
		did = err == nil
		return err
	})
	if err != nil && did {
		return 0, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return id, err
}

func (f fakeRestores) RestoreProgress(ctx context.Context, ref plan.TableRef, id int32) (list []apply.RestorePartition, err error) {
	err = f.w.around(ctx, call{name: "RestoreProgress", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		if t.id != id {
			return apply.ErrNoTable
		}
		for i := range t.partitions {
			p := apply.RestorePartition{Partition: i, Status: "ERR_OK", Progress: 1000}
			if t.from != nil && time.Now().Before(t.primaries) {
				begun := t.created.Add(partitionTime * time.Duration(i))
				p.Progress = int32(min(max(time.Since(begun)*1000/partitionTime, 0), 999))
				if t.from.damaged[i] && t.skip {
					p.Progress, p.Status = 1000, "ERR_IGNORE_BAD_DATA"
				}
			}
			list = append(list, p)
		}
		return nil
	})
	return list, err
}

func (f fakeRestores) LiveNodes(ctx context.Context, cluster string) (n int, err error) {
	err = f.w.around(ctx, call{name: "LiveNodes", table: plan.TableRef{Cluster: cluster}}, func() error {
		n = int(f.w.nodes)
		return nil
	})
	return n, err
}

// fakeRows compares a table with a backup, one source partition after the other.
type fakeRows struct {
	apply.FileEngine
	w *fakeWorld
}

func (f fakeRows) VerifyBackupRows(ctx context.Context, job apply.BackupRowsJob) (out event.Verified, err error) {
	for p := range job.Ref.Partitions {
		name := strconv.Itoa(int(p))
		var part event.Verified
		if data := job.Cursors[name]; data != nil {
			if err := json.Unmarshal(data, &part); err != nil {
				return out, err
			}
		} else {
			if !sleep(ctx, f.w.batchTime) {
				return out, ctx.Err()
			}
			if err := f.w.around(ctx, call{name: "VerifyBackupRows", table: job.Target, detail: " partition " + name}, func() error {
				return f.w.compareRows(job, p, &part)
			}); err != nil {
				return out, err
			}
			data, err := json.Marshal(part)
			if err != nil {
				return out, err
			}
			if err := job.Save(map[string]json.RawMessage{name: data}); err != nil {
				return out, err
			}
		}
		out.SourceRows, out.TargetRows = out.SourceRows+part.SourceRows, out.TargetRows+part.TargetRows
		out.Missing, out.Differences = out.Missing+part.Missing, out.Differences+part.Differences
	}
	return out, nil
}

func (w *fakeWorld) compareRows(job apply.BackupRowsJob, p int32, out *event.Verified) error {
	t, err := w.find(job.Target)
	if err != nil {
		return err
	}
	b := w.folder(job.Ref)
	if b == nil {
		return apply.ErrNoBackup
	}
	w.compared = append(w.compared, p)
	of := fakeTable{partitions: b.partitions, rows: b.rows}
	for _, k := range keysOf(&of, p, "") {
		empty := false
		for _, e := range job.Empty {
			empty = empty || e == p
		}
		got, ok := t.rows[k]
		out.SourceRows++
		switch {
		case ok && got == b.rows[k]:
			out.TargetRows++
		case !empty:
			out.Missing++
			out.Differences++
		}
	}
	if extra := len(t.rows) - len(b.rows); p == 0 && extra > 0 {
		out.Differences += uint64(extra)
	}
	return nil
}

// fakeLimits are flags of replica servers.
type fakeLimits struct {
	// servers of each cluster; down ones answer nothing and are not alive.
	servers map[string][]string
	down    map[string]bool
	flags   map[string]map[string]string // by server
	// noFlag says that servers have no flags of transfers.
	noFlag bool
	// set are the changes, "server=value".
	set []string
}

const (
	uploadFlag   = "hdfs_write_limit_rate_mb_per_sec"
	downloadFlag = "hdfs_read_limit_rate_mb_per_sec"
)

func newLimits() fakeLimits {
	l := fakeLimits{servers: map[string][]string{}, down: map[string]bool{}, flags: map[string]map[string]string{}}
	for i, cluster := range []string{"east", "west"} {
		for n := range 3 {
			addr := fmt.Sprintf("10.%d.0.%d:34801", i, 5+n)
			l.servers[cluster] = append(l.servers[cluster], addr)
			l.flags[addr] = map[string]string{uploadFlag: strconv.Itoa(200 + n), downloadFlag: strconv.Itoa(300 - n)}
		}
	}
	return l
}

// showFlags is what every server has.
func (w *fakeWorld) showFlags() map[string]map[string]string {
	out := map[string]map[string]string{}
	for server, flags := range w.flags {
		out[server] = maps.Clone(flags)
	}
	return out
}

type fakeRates struct{ w *fakeWorld }

func (f fakeRates) Rates(ctx context.Context, cluster, flag string) (list []apply.FlagValue, err error) {
	err = f.w.around(ctx, call{name: "Rates", table: plan.TableRef{Cluster: cluster}}, func() error {
		if f.w.noFlag {
			return fmt.Errorf("no flag %s: %w", flag, apply.ErrRefused)
		}
		for _, s := range f.w.servers[cluster] {
			if !f.w.down[s] {
				list = append(list, apply.FlagValue{Server: s, Value: f.w.flags[s][flag]})
			}
		}
		return nil
	})
	return list, err
}

func (f fakeRates) SetRate(ctx context.Context, cluster, server, flag, value string) error {
	return f.w.around(ctx, call{name: "SetRate", table: plan.TableRef{Cluster: cluster, Table: server}, detail: " " + flag + "=" + value, changes: true}, func() error {
		if f.w.down[server] {
			return fmt.Errorf("%s: connection refused", server)
		}
		f.w.flags[server][flag] = value
		f.w.set = append(f.w.set, server+"="+value)
		return nil
	})
}

func (f fakeRates) Transferred(ctx context.Context, cluster, _ string) (n int64, err error) {
	err = f.w.around(ctx, call{name: "Transferred", table: plan.TableRef{Cluster: cluster}}, func() error {
		n = -1
		return nil
	})
	return n, err
}
