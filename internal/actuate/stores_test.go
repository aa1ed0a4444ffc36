package actuate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/plan"
)

// The backup of a real 2.5.0 cluster that package backup keeps.
const recordedID = 1795224430664

func recordedRef() apply.BackupRef {
	return apply.BackupRef{Root: "onebox1", ID: recordedID, Table: "fixture", AppID: 14, Partitions: 8}
}

// recordedBackup is a copy of it as a provider, to be damaged.
func recordedBackup(t *testing.T) (plan.Provider, *provider.Stores, string) {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join("..", "backup", "testdata"))); err != nil {
		t.Fatal(err)
	}
	stores := provider.NewStores()
	t.Cleanup(stores.Close)
	return plan.Provider{Name: "local", Store: plan.Store{Type: "local_service", Root: root}}, stores, root
}

func TestStoresReadABackup(t *testing.T) {
	p, stores, root := recordedBackup(t)
	s := NewStores(stores)
	ref := recordedRef()
	found, err := s.FindBackups(t.Context(), p, apply.BackupRef{Root: "onebox1", Table: "fixture", AppID: 14, Partitions: 8})
	if err != nil || !reflect.DeepEqual(found, []apply.BackupRef{ref}) {
		t.Fatal(found, err)
	}
	b, err := s.ReadBackup(t.Context(), p, ref)
	if err != nil || b.Ref != ref || b.Replicas != 3 || b.Bytes == 0 || b.Files == 0 || b.Taken.IsZero() || len(b.Decrees) != 8 {
		t.Fatalf("%+v, %v", b, err)
	}
	if w, err := s.WatchBackup(t.Context(), p, ref); err != nil || w != (apply.BackupProgress{Finished: 8, Bytes: w.Bytes, Info: true}) || w.Bytes < b.Bytes {
		t.Errorf("%+v, %v", w, err)
	}
	var mu sync.Mutex
	var saved []int32
	var last event.MoveProgress
	job := apply.BackupVerifyJob{VerifyBackup: plan.VerifyBackup{Provider: p}, Ref: ref, Verified: []int32{2, 5},
		Save:   func(p int32) error { saved = append(saved, p); return nil },
		Report: func(m event.MoveProgress) { mu.Lock(); last = m; mu.Unlock() }}
	if v, err := s.VerifyBackup(t.Context(), job); err != nil || !reflect.DeepEqual(v, b) {
		t.Errorf("%+v, %v", v, err)
	}
	if !reflect.DeepEqual(saved, []int32{0, 1, 3, 4, 6, 7}) || last.PartitionsDone != 8 || last.Bytes != uint64(b.Bytes) {
		t.Errorf("saved %v, last report %+v", saved, last)
	}
	// One byte, in the same size.
	name := filepath.Join(root, "onebox1/1795224430664/fixture_14/0/chkpt_127.0.0.1_34802/000012.sst")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyBackup(t.Context(), job); !errors.Is(err, apply.ErrDamaged) {
		t.Error(err)
	}
	wrong := ref
	wrong.Partitions = 4
	if _, err := s.ReadBackup(t.Context(), p, wrong); !errors.Is(err, apply.ErrDamaged) {
		t.Error("a backup of another partition count:", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBackup(t.Context(), p, ref); !errors.Is(err, apply.ErrDamaged) {
		t.Error(err)
	}
}

func TestStoresRemoveABackup(t *testing.T) {
	p, stores, root := recordedBackup(t)
	s := NewStores(stores)
	ref := recordedRef()
	if err := s.RemoveBackup(t.Context(), p, ref, true); !errors.Is(err, apply.ErrRefused) {
		t.Error("a finished backup was removed as one that died:", err)
	}
	if err := s.RemoveBackup(t.Context(), p, apply.BackupRef{Root: "onebox1", Table: "fixture", AppID: 14}, false); !errors.Is(err, apply.ErrRefused) {
		t.Error("a backup without an id:", err)
	}
	other := filepath.Join(root, "onebox1", "1795224430664", "another_15")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is idempotent
		if err := s.RemoveBackup(t.Context(), p, ref, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("another table of the backup is gone:", err)
	}
	if _, err := s.ReadBackup(t.Context(), p, ref); !errors.Is(err, apply.ErrNoBackup) {
		t.Error(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveBackup(t.Context(), p, ref, false); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(root, "onebox1")); err != nil || len(entries) != 0 {
		t.Error(entries, err)
	}
}

func TestStoresOfAStaging(t *testing.T) {
	p, stores, root := recordedBackup(t)
	s := NewStores(stores)
	st := plan.Staging{Provider: p, Root: "pegmigrate", Cluster: "west", Table: "orders"}
	if id, exists, err := s.Staged(t.Context(), st); id != 0 || exists || err != nil {
		t.Error(id, exists, err)
	}
	if err := s.RemoveStaging(t.Context(), st); err != nil {
		t.Error(err)
	}
	store, err := stores.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	input := provider.Input(st, 7, 1)
	if err := input.Begin(t.Context(), store, false); err != nil {
		t.Fatal(err)
	}
	if id, exists, err := s.Staged(t.Context(), st); id != 0 || !exists || err != nil {
		t.Error("one that is being written:", id, exists, err)
	}
	if _, err := blobstore.WriteFile(t.Context(), store, input.Dir()+"/bulk_load_info", []byte(`{"app_id":7,"app_name":"orders","partition_count":1}`)); err != nil {
		t.Fatal(err)
	}
	if id, exists, err := s.Staged(t.Context(), st); id != 7 || !exists || err != nil {
		t.Error(id, exists, err)
	}
	// Another table's input below the same root stays.
	kept := filepath.Join(root, "pegmigrate", "west", "users")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveStaging(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.RemoveStaging(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "pegmigrate")); !errors.Is(err, os.ErrNotExist) {
		t.Error("an empty folder is left:", err)
	}
}

func TestStoresThatCannotBeUsed(t *testing.T) {
	p, stores, _ := recordedBackup(t)
	s := NewStores(stores)
	for name, st := range map[string]plan.Store{
		"a root that is not there": {Type: "local_service", Root: filepath.Join(p.Store.Root, "none")},
		"another type":             {Type: "fds_service", Root: "/"},
		"no name node":             {Type: "hdfs_service", Root: "/"},
	} {
		_, err := s.ReadBackup(t.Context(), plan.Provider{Name: "odd", Store: st}, recordedRef())
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stores.Close()
	if _, err := s.ReadBackup(t.Context(), p, recordedRef()); err == nil {
		t.Error("a store that was closed answers")
	}
}
