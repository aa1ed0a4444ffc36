package apply_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	partitionTime = 11 * time.Second // to back up one partition, and to restore it
	uploadLate    = 55 * time.Second // how late servers tell of uploads
	uploadRest    = 40 * time.Second // how long uploads of a dead backup go on
)

// fakeBacking is the part of the world that has to do with backups.
type fakeBacking struct {
	// known is what the meta leader of each cluster remembers, oldest first.
	known map[string][]*fakeBackup
	// store holds the folders, by root and id.
	store map[string]*fakeBackup
	// backupStarts counts the backups that were begun.
	backupStarts int
	// frozen stops every upload: nothing moves any more.
	frozen bool
	// backupLater makes the next START take effect that much later, with its answer lost.
	backupLater time.Duration
	lateBackups []lateBackup
	// elsewhere says that the servers write to a place that cannot be seen from here.
	elsewhere bool
	// dying is how old the first backup is when the meta leader changes, zero for never.
	dying time.Duration
	// wrongs is what no caller may ever do.
	wrongs []string
	fakeRestoring
	fakeLimits
}

type lateBackup struct {
	at time.Time
	a  plan.Backup
}

// fakeBackup is a backup: its folder, and what the meta server knows of it.
type fakeBackup struct {
	cluster, provider, path, root string
	table                         string
	id                            int64
	appID, partitions, replicas   int32
	begun                         time.Time
	rows                          map[string]fakeRow
	failed                        bool
	// died is when nobody drove it any more, zero for never; uploads go on until rest.
	died, rest time.Time
	damaged    map[int32]bool
	// duplicating is what its app_metadata says.
	duplicating bool
	loading     bool
}

func newBacking() fakeBacking {
	return fakeBacking{known: map[string][]*fakeBackup{}, store: map[string]*fakeBackup{}, fakeLimits: newLimits()}
}

// backingWorld completes a world with what makes and restores backups.
func (w *fakeWorld) backingWorld(out apply.World) apply.World {
	out.Backups, out.Restores, out.Rates = fakeBackups{w}, fakeRestores{w}, fakeRates{w}
	out.Stores, out.Files = fakeStores{w: w}, fakeRows{w: w}
	return out
}

func (b *fakeBackup) place() string { return fmt.Sprint(b.root, "/", b.id) }

func placeOf(ref apply.BackupRef) string { return fmt.Sprint(ref.Root, "/", ref.ID) }

// finished is how many partitions are written at a time.
func (b *fakeBackup) finished(at time.Time) int {
	if !b.died.IsZero() && b.died.Before(at) {
		at = b.died
	}
	return min(int(at.Sub(b.begun)/partitionTime), int(b.partitions))
}

func (b *fakeBackup) whole(at time.Time) bool { return b.finished(at) == int(b.partitions) }

func (b *fakeBackup) underway(at time.Time) bool { return b.died.IsZero() && !b.whole(at) }

// uploads says whether a server writes into the folder.
func (b *fakeBackup) uploads(at time.Time) bool {
	return b.underway(at) || at.Before(b.rest)
}

// backups lets what was asked for late begin; the lock is held.
func (w *fakeWorld) backups() {
	var later []lateBackup
	for _, l := range w.lateBackups {
		if time.Now().Before(l.at) {
			later = append(later, l)
		} else {
			_, _ = w.startBackup(l.a)
		}
	}
	w.lateBackups = later
	for _, b := range w.known["east"] {
		if w.dying > 0 && w.backupStarts == 1 && time.Since(b.begun) >= w.dying && !b.whole(b.begun.Add(w.dying)) {
			died := b.begun.Add(w.dying)
			b.died, b.rest = died, died.Add(uploadRest)
			w.dying, w.known["east"] = 0, nil
			break
		}
	}
	if w.frozen {
		for _, b := range w.store {
			if b.underway(time.Now()) {
				b.begun = b.begun.Add(time.Since(w.frozenAt(b)))
			}
		}
	}
}

// frozenAt keeps a backup where it is.
func (w *fakeWorld) frozenAt(b *fakeBackup) time.Time {
	return b.begun.Add(partitionTime + partitionTime/2)
}

func (w *fakeWorld) startBackup(a plan.Backup) (int64, error) {
	now := time.Now()
	t, err := w.find(a.Source)
	if err != nil || t.id != a.AppID {
		return 0, fmt.Errorf("ERR_INVALID_STATE: %w", apply.ErrRefused)
	}
	for _, b := range w.known[a.Source.Cluster] {
		if b.appID == a.AppID && b.underway(now) && !b.failed {
			return 0, fmt.Errorf("ERR_INVALID_STATE: backup %d is actively being backed up: %w", b.id, apply.ErrRefused)
		}
	}
	for _, b := range w.store {
		if b.appID == a.AppID && b.uploads(now) {
			w.wrongs = append(w.wrongs, fmt.Sprintf("a backup is begun while %d is still being uploaded", b.id))
		}
	}
	b := &fakeBackup{cluster: a.Source.Cluster, provider: a.Provider.Name, path: a.Path, root: a.Root, table: a.Source.Table, id: now.UnixMilli(), appID: a.AppID,
		partitions: t.partitions, replicas: t.replicas, begun: now, rows: maps.Clone(t.rows), damaged: map[int32]bool{}}
	w.known[b.cluster] = append(w.known[b.cluster], b)
	w.store[b.place()] = b
	w.backupStarts++
	return b.id, nil
}

// loseLeader is a change of the meta leader: the new one knows of no backup.
func (w *fakeWorld) loseLeader(cluster string) {
	now := time.Now()
	for _, b := range w.known[cluster] {
		b.die(now)
	}
	w.known[cluster] = nil
}

// die ends a backup that is under way; its uploads go on for a while.
func (b *fakeBackup) die(now time.Time) {
	if b.underway(now) {
		b.died, b.rest = now, now.Add(uploadRest)
	}
}

// failBackups is a replica that could not upload.
func (w *fakeWorld) failBackups() {
	for _, b := range w.store {
		if b.underway(time.Now()) {
			b.die(time.Now())
			b.failed = true
		}
	}
}

type fakeBackups struct{ w *fakeWorld }

func (f fakeBackups) StartBackup(ctx context.Context, a plan.Backup) (id int64, err error) {
	did := false
	err = f.w.around(ctx, call{name: "StartBackup", table: a.Source, changes: true}, func() error {
		if later := f.w.backupLater; later > 0 {
			f.w.backupLater, did = 0, true
			f.w.lateBackups = append(f.w.lateBackups, lateBackup{time.Now().Add(later), a})
			return errKilled
		}
		var err error
		id, err = f.w.startBackup(a)
		did = err == nil
		return err
	})
	if err != nil && did {
		return 0, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return id, err
}

func (b *fakeBackup) status(now time.Time) apply.BackupStatus {
	s := apply.BackupStatus{ID: b.id, Provider: b.provider, Path: b.path, Started: b.begun, Failed: b.failed}
	if b.whole(now) {
		s.Ended = b.begun.Add(partitionTime * time.Duration(b.partitions))
	}
	return s
}

func (f fakeBackups) Backups(ctx context.Context, ref plan.TableRef, appID int32) (list []apply.BackupStatus, err error) {
	err = f.w.around(ctx, call{name: "Backups", table: ref}, func() error {
		for _, b := range slices.Backward(f.w.known[ref.Cluster]) {
			if b.appID == appID {
				list = append(list, b.status(time.Now()))
			}
		}
		return nil
	})
	return list, err
}

func (f fakeBackups) Backup(ctx context.Context, ref plan.TableRef, appID int32, id int64) (s apply.BackupStatus, err error) {
	err = f.w.around(ctx, call{name: "Backup", table: ref}, func() error {
		for _, b := range f.w.known[ref.Cluster] {
			if b.appID == appID && b.id == id {
				s = b.status(time.Now())
				return nil
			}
		}
		return apply.ErrNoBackup
	})
	return s, err
}

// Uploading tells late that an upload began, and late that it ended.
func (f fakeBackups) Uploading(ctx context.Context, cluster string) (n int64, err error) {
	err = f.w.around(ctx, call{name: "Uploading", table: plan.TableRef{Cluster: cluster}}, func() error {
		for _, b := range f.w.store {
			if b.cluster == cluster && b.begun.Before(time.Now().Add(-uploadLate)) && b.uploads(time.Now().Add(-uploadLate)) {
				n = max(n, 1000)
			}
		}
		return nil
	})
	return n, err
}

// fakeStores are block stores, as far as backups go.
type fakeStores struct {
	apply.Stores
	w *fakeWorld
}

func (f fakeStores) FindBackups(ctx context.Context, p plan.Provider, ref apply.BackupRef) (list []apply.BackupRef, err error) {
	err = f.w.around(ctx, call{name: "FindBackups", detail: " " + ref.Root}, func() error {
		for _, b := range f.w.store {
			if b.root == ref.Root && b.appID == ref.AppID && b.table == ref.Table && b.provider == p.Name && !f.w.elsewhere {
				ref.ID = b.id
				list = append(list, ref)
			}
		}
		slices.SortFunc(list, func(a, b apply.BackupRef) int { return int(b.ID - a.ID) })
		return nil
	})
	return list, err
}

func (w *fakeWorld) folder(ref apply.BackupRef) *fakeBackup {
	if w.elsewhere {
		return nil
	}
	return w.store[placeOf(ref)]
}

func (f fakeStores) ReadBackup(ctx context.Context, _ plan.Provider, ref apply.BackupRef) (s apply.StoredBackup, err error) {
	err = f.w.around(ctx, call{name: "ReadBackup"}, func() error {
		b := f.w.folder(ref)
		if b == nil || !b.whole(time.Now()) {
			return fmt.Errorf("%s: no backup_info: %w", ref, apply.ErrNoBackup)
		}
		s = b.stored()
		return nil
	})
	return s, err
}

func (b *fakeBackup) stored() apply.StoredBackup {
	return apply.StoredBackup{Ref: apply.BackupRef{Root: b.root, ID: b.id, Table: b.table, AppID: b.appID, Partitions: b.partitions},
		Replicas: b.replicas, Bytes: int64(b.partitions) * 1000, Files: int(b.partitions) * 3, Taken: b.begun, Duplicating: b.duplicating, Loading: b.loading}
}

func (f fakeStores) WatchBackup(ctx context.Context, _ plan.Provider, ref apply.BackupRef) (p apply.BackupProgress, err error) {
	err = f.w.around(ctx, call{name: "WatchBackup"}, func() error {
		if b := f.w.folder(ref); b != nil {
			n := b.finished(time.Now())
			p = apply.BackupProgress{Finished: n, Bytes: int64(n) * 1000, Info: b.whole(time.Now())}
		}
		return nil
	})
	return p, err
}

func (f fakeStores) VerifyBackup(ctx context.Context, job apply.BackupVerifyJob) (s apply.StoredBackup, err error) {
	for p := range job.Ref.Partitions {
		if slices.Contains(job.Verified, p) {
			continue
		}
		if !sleep(ctx, f.w.batchTime) {
			return s, ctx.Err()
		}
		damaged := false
		err := f.w.around(ctx, call{name: "VerifyBackup", detail: fmt.Sprint(" partition ", p)}, func() error {
			b := f.w.folder(job.Ref)
			if b == nil {
				return apply.ErrNoBackup
			}
			damaged = b.damaged[p]
			taken := s.Damaged
			s = b.stored()
			s.Damaged = taken
			f.w.checked = append(f.w.checked, p)
			return nil
		})
		switch {
		case err != nil:
			return s, err
		case damaged:
			s.Damaged = append(s.Damaged, p)
		default:
			if err := job.Save(p); err != nil {
				return s, err
			}
		}
	}
	if len(s.Damaged) > 0 {
		return s, fmt.Errorf("%d/000012.sst: md5 differs: %w", s.Damaged[0], apply.ErrDamaged)
	}
	return s, nil
}

func (f fakeStores) RemoveBackup(ctx context.Context, _ plan.Provider, ref apply.BackupRef, unfinished bool) error {
	return f.w.around(ctx, call{name: "RemoveBackup", detail: fmt.Sprint(" ", ref.ID), changes: true}, func() error {
		b := f.w.folder(ref)
		switch {
		case b == nil:
			return nil
		case b.uploads(time.Now()):
			f.w.wrongs = append(f.w.wrongs, fmt.Sprintf("backup %d is removed while it is uploaded", b.id))
		case unfinished && b.whole(time.Now()):
			return fmt.Errorf("backup %d is finished: %w", b.id, apply.ErrRefused)
		}
		delete(f.w.store, b.place())
		return nil
	})
}
