package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/backuprows"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// recordedRows are the rows of the recorded backup that have not expired, by partition.
func recordedRows(t *testing.T, p plan.Provider, stores *provider.Stores) [][]scan.Row {
	t.Helper()
	store, b, err := NewStores(stores).read(t.Context(), p, recordedRef())
	if err != nil {
		t.Fatal(err)
	}
	table := rowsOf(store, b, backuprows.Options{})
	defer func() { _ = table.Close() }()
	out := make([][]scan.Row, table.PartitionCount())
	for i := range out {
		r := scan.NewReader(table, scan.NewSizer(1<<20, 0), scan.Spec{Partition: int32(i)})
		for last := false; !last; {
			page, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out[i], last = append(out[i], page.Rows...), page.Last
		}
		r.Close()
	}
	return out
}

// tableWith starts a cluster with a table that holds rows.
func tableWith(t *testing.T, name string, partitions int32, rows [][]scan.Row) *pegasus.Cluster {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Config{Name: name, TimeFactor: 300, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.CreateTable(sandbox.TableSpec{Name: ref().Table, Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := s.WaitHealthy(ctx, ref().Table); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(ref().Table, func(yield func(sandbox.Row) bool) {
		for _, part := range rows {
			for _, r := range part {
				if !yield(sandbox.Row{Key: r.Key, Value: r.Value, Expire: r.Expire}) {
					return
				}
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	c, err := pegasus.Open(ctx, pegasus.Config{Name: name, MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestVerifyBackupRows(t *testing.T) {
	p, stores, _ := recordedBackup(t)
	rows := recordedRows(t, p, stores)
	total := 0
	for _, part := range rows {
		total += len(part)
	}
	if total < 12000 {
		t.Fatalf("%d rows in the recorded backup", total)
	}
	for _, partitions := range []int32{4, 8, 16} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			clusters := NewClusters(map[string]*pegasus.Cluster{"east": tableWith(t, "east", partitions, rows)})
			f := NewFiles(clusters, stores, time.Now)
			saved := map[string]json.RawMessage{}
			job := apply.BackupRowsJob{VerifyBackupRows: plan.VerifyBackupRows{Provider: p, Target: ref()}, Ref: recordedRef(),
				Save:   func(c map[string]json.RawMessage) error { maps.Copy(saved, c); return nil },
				Report: func(event.MoveProgress) {}}
			got, err := f.VerifyBackupRows(t.Context(), job)
			if err != nil || got.Differences != 0 || got.SourceRows != uint64(total) || got.TargetRows != uint64(total) {
				t.Fatalf("%+v, %v", got, err)
			}
			// Four rows of the first unit, one of each kind.
			table, err := clusters.open(t.Context(), ref())
			if err != nil {
				t.Fatal(err)
			}
			victims := rows[0][:3]
			change := func(row pegasus.Row) {
				if err := putAndWait(t.Context(), table, row, time.Now().Add(testTimeout)); err != nil {
					t.Fatal(err)
				}
			}
			if err := table.Remove(t.Context(), victims[0].Key); err != nil {
				t.Fatal(err)
			}
			change(pegasus.Row{Key: victims[1].Key, Value: []byte("another"), Expire: victims[1].Expire})
			change(pegasus.Row{Key: victims[2].Key, Value: victims[2].Value, Expire: 1 << 30})
			change(pegasus.Row{Key: rowKey(1), Value: []byte("new")})
			got, err = f.VerifyBackupRows(t.Context(), job)
			if err != nil || got.Missing != 1 || got.Changed != 1 || got.ExpiryDiffers != 1 || got.Extra != 1 {
				t.Errorf("%+v, %v", got, err)
			}
			// What was compared before counts as it was then.
			job.Cursors = map[string]json.RawMessage{}
			for _, unit := range slices.Sorted(maps.Keys(saved))[1:] {
				job.Cursors[unit] = saved[unit]
			}
			if again, err := f.VerifyBackupRows(t.Context(), job); err != nil || again.Differences == 0 || again.SourceRows != uint64(total) {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

// TestRepairResurrected: the target has all rows of the backup, and the source has lost some since.
func TestRepairResurrected(t *testing.T) {
	p, stores, _ := recordedBackup(t)
	rows := recordedRows(t, p, stores)
	var living [][]scan.Row
	var lost, changed []scan.Row
	total := 0
	for _, part := range rows {
		var keep []scan.Row
		for i, r := range part {
			total++
			switch i % 50 {
			case 7:
				lost = append(lost, r)
			case 8:
				changed = append(changed, r)
			default:
				keep = append(keep, r)
			}
		}
		living = append(living, keep)
	}
	for _, partitions := range []int32{8, 16, 4} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			clusters := NewClusters(map[string]*pegasus.Cluster{
				"east": tableWith(t, "east", 8, living), "west": tableWith(t, "west", partitions, rows)})
			dst, err := clusters.open(t.Context(), west())
			if err != nil {
				t.Fatal(err)
			}
			// A client wrote these on the target after the backup: they are not the backup's any more.
			for _, r := range changed {
				if err := putAndWait(t.Context(), dst, pegasus.Row{Key: r.Key, Value: []byte("a client's")}, time.Now().Add(testTimeout)); err != nil {
					t.Fatal(err)
				}
			}
			f := NewFiles(clusters, stores, time.Now)
			saved := map[string]json.RawMessage{}
			job := apply.ResurrectionJob{RepairResurrected: plan.RepairResurrected{Provider: p, Source: ref(), Target: west()}, Ref: recordedRef(),
				Save:   func(c map[string]json.RawMessage) error { maps.Copy(saved, c); return nil },
				Report: func(event.MoveProgress) {}}
			out, err := f.RepairResurrected(t.Context(), job)
			want := apply.ResurrectionOutcome{Rows: uint64(total), Found: uint64(len(lost)), Repaired: uint64(len(lost))}
			if err != nil || out != want {
				t.Errorf("%+v, want %+v, %v", out, want, err)
			}
			for _, r := range lost {
				if _, found, err := dst.Row(t.Context(), r.Key); found || err != nil {
					t.Fatalf("%q is still there: %v", r.Key, err)
				}
			}
			for _, r := range changed {
				if row, found, err := dst.Row(t.Context(), r.Key); !found || err != nil || string(row.Value) != "a client's" {
					t.Fatalf("%q: %+v, %v", r.Key, row, err)
				}
			}
			// A run that goes on behind the end has the same to say, and does nothing.
			job.Cursors = saved
			if again, err := f.RepairResurrected(t.Context(), job); err != nil || again != want {
				t.Errorf("%+v, %v", again, err)
			}
			job.Cursors = nil
			if again, err := f.RepairResurrected(t.Context(), job); err != nil || again != (apply.ResurrectionOutcome{Rows: uint64(total)}) {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}
