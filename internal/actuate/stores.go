package actuate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Stores implements apply.Stores.
type Stores struct{ stores *provider.Stores }

var _ apply.Stores = (*Stores)(nil)

// NewStores reads and changes block stores; the caller closes them.
func NewStores(s *provider.Stores) *Stores { return &Stores{stores: s} }

// storeError translates what is wrong with files to apply's words. Causes of the store itself, such as a
// connection, stay what they are: they may pass.
func storeError(err error) error {
	var many *backup.Damage
	switch {
	case err == nil:
		return nil
	case errors.As(err, &many):
		return fmt.Errorf("%w: %w", apply.ErrDamaged, err)
	}
	switch backup.CodeOf(err) {
	case backup.CodeUnfinished:
		return fmt.Errorf("%w: %w", apply.ErrNoBackup, err)
	case backup.CodeDamaged, backup.CodeMismatch:
		return fmt.Errorf("%w: %w", apply.ErrDamaged, err)
	case backup.CodeInvalid:
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	switch blobstore.CodeOf(err) {
	case blobstore.CodeNotFound:
		return fmt.Errorf("%w: %w", apply.ErrNoBackup, err)
	case blobstore.CodeDamaged:
		return fmt.Errorf("%w: %w", apply.ErrDamaged, err)
	case blobstore.CodePermission, blobstore.CodeInvalid, blobstore.CodeUnsupported:
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	return err
}

// FindBackups implements apply.Stores.
func (s *Stores) FindBackups(ctx context.Context, p plan.Provider, ref apply.BackupRef) ([]apply.BackupRef, error) {
	store, err := s.stores.Open(ctx, p)
	if err != nil {
		return nil, storeError(err)
	}
	dirs, err := backup.Find(ctx, store, ref.Root, ref.Table, ref.AppID)
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]apply.BackupRef, 0, len(dirs))
	for _, d := range dirs {
		found := ref
		found.Step, found.ID, found.AppID = "", d.ID, d.AppID
		out = append(out, found)
	}
	return out, nil
}

// ReadBackup implements apply.Stores.
func (s *Stores) ReadBackup(ctx context.Context, p plan.Provider, ref apply.BackupRef) (apply.StoredBackup, error) {
	_, b, err := s.read(ctx, p, ref)
	if err != nil {
		return apply.StoredBackup{}, err
	}
	return stored(b, ref), nil
}

// read takes in the metadata of a backup whose partition count is the expected one, when there is one.
func (s *Stores) read(ctx context.Context, p plan.Provider, ref apply.BackupRef) (blobstore.Store, *backup.Backup, error) {
	store, err := s.stores.Open(ctx, p)
	if err != nil {
		return nil, nil, storeError(err)
	}
	b, err := backup.Read(ctx, store, provider.Dir(ref), backup.Options{})
	if err != nil {
		return nil, nil, storeError(err)
	}
	if ref.Partitions != 0 && b.App.PartitionCount != ref.Partitions {
		return nil, nil, fmt.Errorf("%w: backup %s is of %d partitions, and the table has %d", apply.ErrDamaged, b.Dir, b.App.PartitionCount, ref.Partitions)
	}
	return store, b, nil
}

func stored(b *backup.Backup, ref apply.BackupRef) apply.StoredBackup {
	ref.Step, ref.Partitions = "", b.App.PartitionCount
	out := apply.StoredBackup{Ref: ref, Replicas: b.App.MaxReplicaCount, Bytes: b.Size(), Files: b.FileCount(), Duplicating: b.App.Duplicating, Loading: b.App.BulkLoading}
	for i := range b.Partitions {
		p := &b.Partitions[i]
		out.Decrees = append(out.Decrees, p.Decree)
		if out.Taken.IsZero() || p.Taken.Before(out.Taken) {
			out.Taken = p.Taken
		}
	}
	return out
}

// WatchBackup implements apply.Stores.
func (s *Stores) WatchBackup(ctx context.Context, p plan.Provider, ref apply.BackupRef) (apply.BackupProgress, error) {
	store, err := s.stores.Open(ctx, p)
	if err != nil {
		return apply.BackupProgress{}, storeError(err)
	}
	w, err := backup.Watch(ctx, store, provider.Dir(ref), int(ref.Partitions))
	return apply.BackupProgress{Finished: w.Finished, Bytes: w.Bytes, Info: w.Info}, storeError(err)
}

// VerifyBackup implements apply.Stores.
func (s *Stores) VerifyBackup(ctx context.Context, job apply.BackupVerifyJob) (apply.StoredBackup, error) {
	store, b, err := s.read(ctx, job.Provider, job.Ref)
	if err != nil {
		return apply.StoredBackup{}, err
	}
	var read, done atomic.Int64
	total := uint64(b.Size())
	end := reporting(job.Report, func(m *meter) event.MoveProgress {
		out := m.progress("check", 0, uint64(read.Load()))
		out.PartitionsDone, out.PartitionCount = int(done.Load()), len(b.Partitions)
		out.ETA = eta(total, out.Bytes, out.BytesPerSecond)
		return out
	})
	defer end()
	var damaged []int32
	var problems error
	for i := range b.Partitions {
		p := &b.Partitions[i]
		if slices.Contains(job.Verified, int32(i)) {
			read.Add(p.Size)
			done.Add(1)
			continue
		}
		one := *b
		one.Partitions = b.Partitions[i : i+1]
		if err := storeError(backup.Verify(ctx, store, &one, backup.VerifyOptions{Read: func(n int64) { read.Add(n) }})); err != nil {
			if !errors.Is(err, apply.ErrDamaged) {
				return apply.StoredBackup{}, err
			}
			// All of it is read all the same: a restore may be declared to do without such partitions.
			damaged, problems = append(damaged, int32(i)), errors.Join(problems, err)
			continue
		}
		if job.Save != nil {
			if err := job.Save(int32(i)); err != nil {
				return apply.StoredBackup{}, err
			}
		}
		done.Add(1)
	}
	out := stored(b, job.Ref)
	out.Damaged = damaged
	return out, problems
}

// RemoveBackup implements apply.Stores.
func (s *Stores) RemoveBackup(ctx context.Context, p plan.Provider, ref apply.BackupRef, unfinished bool) error {
	store, err := s.stores.Open(ctx, p)
	if err != nil {
		return storeError(err)
	}
	if ref.ID <= 0 || ref.Table == "" || ref.AppID <= 0 {
		return fmt.Errorf("%w: backup %s is not named in full", apply.ErrRefused, ref)
	}
	if unfinished {
		return storeError(backup.RemoveUnfinished(ctx, store, provider.Dir(ref)))
	}
	return storeError(backup.Remove(ctx, store, provider.Dir(ref)))
}

// Staged implements apply.Stores.
func (s *Stores) Staged(ctx context.Context, st plan.Staging) (appID int32, exists bool, err error) {
	store, err := s.stores.Open(ctx, st.Provider)
	if err != nil {
		return 0, false, storeError(err)
	}
	input := provider.Input(st, 0, 0)
	entries, err := store.List(ctx, input.Dir())
	if blobstore.CodeOf(err) == blobstore.CodeNotFound {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, storeError(err)
	}
	appID, _, _, err = input.Prepared(ctx, store)
	return appID, len(entries) > 0, storeError(err)
}

// RemoveStaging implements apply.Stores.
func (s *Stores) RemoveStaging(ctx context.Context, st plan.Staging) error {
	store, err := s.stores.Open(ctx, st.Provider)
	if err != nil {
		return storeError(err)
	}
	return storeError(provider.Input(st, 0, 0).Remove(ctx, store))
}

// reportEvery is the time between two reports of work on files.
const reportEvery = time.Second

// meter turns counters into rates over the last seconds. Used by one goroutine at a time.
type meter struct {
	began, at   time.Time
	rows, bytes uint64
	rates       [2]float64
}

func newMeter() *meter {
	now := time.Now()
	return &meter{began: now, at: now}
}

// progress is an event with what is common to all work.
func (m *meter) progress(kind string, rows, bytes uint64) event.MoveProgress {
	now := time.Now()
	if s := now.Sub(m.at).Seconds(); s >= reportEvery.Seconds()/2 {
		const fresh = 0.4
		for i, r := range [2]float64{float64(rows) - float64(m.rows), float64(bytes) - float64(m.bytes)} {
			m.rates[i] += fresh * (max(r, 0)/s - m.rates[i])
		}
		m.at, m.rows, m.bytes = now, rows, bytes
	}
	return event.MoveProgress{Kind: kind, Rows: rows, Bytes: bytes, RowsPerSecond: m.rates[0], BytesPerSecond: m.rates[1], Elapsed: now.Sub(m.began)}
}

// reporting reports until end is called, and once more then. report may be nil.
func reporting(report func(event.MoveProgress), now func(*meter) event.MoveProgress) (end func()) {
	if report == nil {
		return func() {}
	}
	m := newMeter()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				report(now(m))
			case <-stop:
				report(now(m))
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
