package actuate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// filesWorld is two clusters that share a local_service.
type filesWorld struct {
	t          *testing.T
	east, west *sandbox.Cluster
	clusters   *Clusters
	stores     *provider.Stores
	p          plan.Provider
}

const fileRows = 4000

func newFilesWorld(t *testing.T, version string) *filesWorld {
	t.Helper()
	root := t.TempDir()
	w := &filesWorld{t: t, stores: provider.NewStores(),
		p: plan.Provider{Name: "shared", Store: plan.Store{Type: "local_service", Root: root}}}
	t.Cleanup(w.stores.Close)
	open := map[string]*pegasus.Cluster{}
	for name, at := range map[string]**sandbox.Cluster{"east": &w.east, "west": &w.west} {
		s, err := sandbox.Start(t.Context(), sandbox.Config{Name: name, Version: version, TimeFactor: 300, Seed: 1,
			BlockServices: map[string]string{"shared": root}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		*at = s
		c, err := pegasus.Open(t.Context(), pegasus.Config{Name: name, MetaServers: s.MetaServers()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		open[name] = c
	}
	w.clusters = NewClusters(open)
	w.create(w.east, sandbox.TableSpec{Name: ref().Table, Partitions: 4})
	if err := w.east.Load(ref().Table, func(yield func(sandbox.Row) bool) {
		for i := range fileRows {
			row := sandbox.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "loaded %d", i)}
			if i%10 == 3 {
				row.Expire = pegkey.ExpireTs(time.Now()) + 86400
			}
			if !yield(row) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *filesWorld) create(s *sandbox.Cluster, spec sandbox.TableSpec) int32 {
	w.t.Helper()
	id, err := s.CreateTable(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	if err := s.WaitHealthy(ctx, spec.Name); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// until polls.
func (w *filesWorld) until(what string, done func() (bool, error)) {
	w.t.Helper()
	deadline := time.Now().Add(testTimeout)
	for {
		ok, err := done()
		if err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %v", what, testTimeout)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// backup makes one and gives its place.
func (w *filesWorld) backup() apply.BackupRef {
	w.t.Helper()
	b, s := NewBackups(w.clusters), NewStores(w.stores)
	state, err := NewTables(w.clusters).Table(w.t.Context(), ref())
	if err != nil {
		w.t.Fatal(err)
	}
	root, err := w.clusters.byLabel["east"].ConfigDump(w.t.Context(), w.east.MetaServers()[0])
	if err != nil {
		w.t.Fatal(err)
	}
	coldRoot, ok := root.BackupRoot()
	if !ok || coldRoot == "" {
		w.t.Fatal("no cold_backup_root")
	}
	a := plan.Backup{Source: ref(), Provider: w.p, Path: "before", Root: "before/" + coldRoot, AppID: state.ID, Partitions: 4}
	id, err := b.StartBackup(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := b.StartBackup(w.t.Context(), a); !errors.Is(err, apply.ErrRefused) {
		w.t.Error("a second backup of the table:", err)
	}
	at := apply.BackupRef{Root: a.Root, ID: id, Table: ref().Table, AppID: state.ID, Partitions: 4}
	w.until("backup", func() (bool, error) {
		if _, err := s.WatchBackup(w.t.Context(), w.p, at); err != nil {
			return false, err
		}
		if _, err := b.Uploading(w.t.Context(), "east"); err != nil {
			return false, err
		}
		st, err := b.Backup(w.t.Context(), ref(), state.ID, id)
		return !st.Ended.IsZero(), err
	})
	if list, err := b.Backups(w.t.Context(), ref(), state.ID); err != nil || len(list) != 1 || list[0].ID != id || list[0].Failed {
		w.t.Errorf("%+v, %v", list, err)
	}
	if _, err := b.Backup(w.t.Context(), ref(), state.ID, id+1); !errors.Is(err, apply.ErrNoBackup) {
		w.t.Error(err)
	}
	w.until("uploads", func() (bool, error) {
		n, err := b.Uploading(w.t.Context(), "east")
		return n == 0, err
	})
	if v, err := s.VerifyBackup(w.t.Context(), apply.BackupVerifyJob{VerifyBackup: plan.VerifyBackup{Provider: w.p}, Ref: at}); err != nil || v.Ref != at {
		w.t.Fatalf("%+v, %v", v, err)
	}
	return at
}

// compare compares a table with the backup.
func (w *filesWorld) compare(at apply.BackupRef, table plan.TableRef) {
	w.t.Helper()
	f := NewFiles(w.clusters, w.stores, time.Now)
	v, err := f.VerifyBackupRows(w.t.Context(), apply.BackupRowsJob{VerifyBackupRows: plan.VerifyBackupRows{Provider: w.p, Target: table}, Ref: at})
	if err != nil || v.Differences != 0 || v.SourceRows != fileRows || v.TargetRows != fileRows {
		w.t.Fatalf("%s: %+v, %v", table, v, err)
	}
}

func TestBackupAndRestoreOnTheSandbox(t *testing.T) {
	for _, version := range sandbox.Versions() {
		t.Run(version, func(t *testing.T) {
			w := newFilesWorld(t, version)
			at := w.backup()
			r := NewRestores(w.clusters)
			if n, err := r.LiveNodes(t.Context(), "west"); n != 3 || err != nil {
				t.Error(n, err)
			}
			a := plan.Restore{Target: west(), Provider: w.p, Backup: at, Replicas: 3}
			if _, err := r.StartRestore(t.Context(), a, at.ID+1); !errors.Is(err, apply.ErrRefused) {
				t.Error("a backup that is not there:", err)
			}
			id, err := r.StartRestore(t.Context(), a, at.ID)
			if err != nil {
				t.Fatal(err)
			}
			w.until("restore", func() (bool, error) {
				parts, err := r.RestoreProgress(t.Context(), west(), id)
				done := len(parts) == 4
				for _, p := range parts {
					done = done && p.Progress == 1000 && p.Status == "ERR_OK"
				}
				return done, err
			})
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			if err := w.west.WaitHealthy(ctx, west().Table); err != nil {
				t.Fatal(err)
			}
			w.compare(at, west())
			if _, err := r.RestoreProgress(t.Context(), west(), id+100); !errors.Is(err, apply.ErrNoTable) {
				t.Error("an id that nobody has:", err)
			}
		})
	}
}

func TestSplitAndBulkLoadOnTheSandbox(t *testing.T) {
	for _, version := range sandbox.Versions() {
		t.Run(version, func(t *testing.T) {
			w := newFilesWorld(t, version)
			at := w.backup()
			id := w.create(w.west, sandbox.TableSpec{Name: west().Table, Partitions: 16})
			f, s, b := NewFiles(w.clusters, w.stores, time.Now), NewStores(w.stores), NewBulkLoads(w.clusters)
			staging := plan.Staging{Provider: w.p, Root: "stage", Cluster: "west", Table: west().Table}
			job := apply.SplitJob{Split: plan.Split{From: w.p, Backup: at, Target: west(), Staging: staging, Partitions: 16,
				Compression: "lz4", FileSize: 1 << 20}, Ref: at, TargetID: id, Now: time.Now()}
			out, err := f.Split(t.Context(), job)
			if err != nil || out.Out != fileRows || out.In != out.Out+out.Expired+out.Skipped+out.Leftover || out.Files < 16 {
				t.Fatalf("%+v, %v", out, err)
			}
			job.Resume = true
			if again, err := f.Split(t.Context(), job); err != nil || again.Out != out.Out {
				t.Errorf("%+v, %v", again, err)
			}
			if app, exists, err := s.Staged(t.Context(), staging); app != id || !exists || err != nil {
				t.Error(app, exists, err)
			}
			w.usage("bulk_load")
			load := plan.BulkLoad{Target: west(), Staging: staging, Partitions: 16, Replicas: 3}
			if err := b.StartBulkLoad(t.Context(), load); err != nil {
				t.Fatal(err)
			}
			if err := b.StartBulkLoad(t.Context(), load); !errors.Is(err, apply.ErrRefused) {
				t.Error("a second load:", err)
			}
			if list, err := b.LoadsUnderway(t.Context(), "west"); err != nil || !reflect.DeepEqual(list, []string{west().Table}) {
				t.Error(list, err)
			}
			var last apply.LoadStatus
			w.until("bulk load", func() (bool, error) {
				last, err = b.BulkLoad(t.Context(), west())
				return last.Status == "BLS_SUCCEED" && !last.Loading, err
			})
			if len(last.Partitions) != 16 || last.Err != "" || !last.Partitions[3].Ingested || last.Partitions[3].Download != 100 {
				t.Errorf("%+v", last)
			}
			w.compare(at, west())
			w.usage("normal")
			w.compacts()
			if err := b.ControlBulkLoad(t.Context(), west(), apply.CancelLoad); !errors.Is(err, apply.ErrRefused) {
				t.Error("a load that is over was cancelled:", err)
			}
			for range 2 {
				if err := b.ClearBulkLoad(t.Context(), west()); err != nil {
					t.Error(err)
				}
			}
			if err := s.RemoveStaging(t.Context(), staging); err != nil {
				t.Error(err)
			}
		})
	}
}

// usage sets a scenario and waits until every replica has it.
func (w *filesWorld) usage(scenario string) {
	w.t.Helper()
	if err := NewTables(w.clusters).SetEnvs(w.t.Context(), west(), map[string]string{envUsage: scenario}); err != nil {
		w.t.Fatal(err)
	}
	x := NewCompactions(w.clusters)
	w.until("usage "+scenario, func() (bool, error) {
		values, err := x.Usage(w.t.Context(), west())
		done := len(values) == 3
		for _, v := range values {
			done = done && v.Value == scenario
		}
		return done, err
	})
}

// compacts compacts the target, with a proof of every replica.
func (w *filesWorld) compacts() {
	w.t.Helper()
	x := NewCompactions(w.clusters)
	before, err := x.Compacted(w.t.Context(), west())
	if err != nil || len(before) != 48 {
		w.t.Fatal(before, err)
	}
	if err := x.StartCompaction(w.t.Context(), west()); err != nil {
		w.t.Fatal(err)
	}
	w.until("compaction", func() (bool, error) {
		if percent, _, err := x.CompactionProgress(w.t.Context(), west()); err != nil || percent < 0 || percent > 100 {
			return false, fmt.Errorf("%d %%: %w", percent, err)
		}
		now, err := x.Compacted(w.t.Context(), west())
		done := len(now) == len(before)
		for i := range now {
			done = done && now[i].Finished != "" && now[i].Finished != before[i].Finished && !now[i].Busy
		}
		return done, err
	})
	w.until("debt", func() (bool, error) {
		d, err := x.Debt(w.t.Context(), west())
		return d == (apply.Debt{}), err
	})
}

func TestRatesOnTheSandbox(t *testing.T) {
	w := newFilesWorld(t, "")
	r := NewRates(w.clusters)
	before, err := r.Rates(t.Context(), "east", plan.FlagCheckpoint)
	if err != nil || len(before) != 3 {
		t.Fatal(before, err)
	}
	for _, v := range before {
		if err := r.SetRate(t.Context(), "east", v.Server, plan.FlagCheckpoint, "77"); err != nil {
			t.Error(err)
		}
	}
	now, err := r.Rates(t.Context(), "east", plan.FlagCheckpoint)
	for i, v := range now {
		if v.Value != "77" || v.Server != before[i].Server {
			t.Errorf("%+v", v)
		}
	}
	if err != nil {
		t.Error(err)
	}
	if err := r.SetRate(t.Context(), "east", before[0].Server, "no_such_flag", "1"); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
	if _, err := r.Rates(t.Context(), "east", "no_such_flag"); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
	for _, use := range []string{plan.UseUpload, plan.UseDownload, plan.UseCheckpoint} {
		if n, err := r.Transferred(t.Context(), "east", use); err != nil || n < -1 {
			t.Errorf("%s: %d, %v", use, n, err)
		}
	}
}
