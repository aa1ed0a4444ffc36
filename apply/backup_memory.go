package apply

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeBackup is about a backup: it died, is damaged, is somebody else's, or cannot be seen.
const CodeBackup = "PM3052"

// kindBackup is what a Backup step knows, a backupMemory.
const kindBackup = "backup"

// backupMemory is what is known of the backups that this run asked for, or of the one that it adopted.
type backupMemory struct {
	// ID is the backup's, 0 until it is known.
	ID int64 `json:"id,omitempty"`
	// Asked is when the request for it left, by our clock; zero when that is not known.
	Asked time.Time `json:"asked,omitzero"`
	// Adopted says that it was there before: it is never removed.
	Adopted bool `json:"adopted,omitempty"`
	// Sent is when the first request left whose backup is not known, Last when the last one did; zero when
	// there is none.
	Sent time.Time `json:"sent,omitzero"`
	Last time.Time `json:"last,omitzero"`
	// Known are the backups that were there before the first request.
	Known []int64 `json:"known,omitempty"`
	// Dead are backups of this run that died and whose folders are not removed yet.
	Dead []int64 `json:"dead,omitempty"`
	// Recovered is set when the state that knew more was lost: Sent is then when the migration began.
	Recovered bool `json:"recovered,omitempty"`
}

// mayBe says whether a backup is one that the requests made. Ids are milliseconds of the meta's clock.
func (m backupMemory) mayBe(id int64, late time.Duration) bool {
	if m.Sent.IsZero() || slices.Contains(m.Known, id) || slices.Contains(m.Dead, id) {
		return false
	}
	at := time.UnixMilli(id)
	if m.Recovered {
		return !at.Before(m.Sent)
	}
	return !at.Before(m.Sent.Add(-clockSkew)) && !at.After(m.Last.Add(late+clockSkew))
}

func (r *Run) backupMemory(step string) (backupMemory, error) {
	m, _, err := unblob[backupMemory](r.record(step).Proof, kindBackup)
	return m, err
}

// rememberBackup changes what a Backup step knows, durably.
func (r *Run) rememberBackup(step string, change func(*backupMemory)) error {
	m, err := r.backupMemory(step)
	if err != nil {
		return err
	}
	before := m
	before.Known, before.Dead = slices.Clone(m.Known), slices.Clone(m.Dead)
	if change(&m); reflect.DeepEqual(m, before) {
		return nil
	}
	proof, err := blob(kindBackup, m)
	if err != nil {
		return err
	}
	return r.update(step, func(s *state.Step) { s.Proof = proof })
}

// backupOf fills in the id that only a step knows.
func (b base) backupOf(ref plan.BackupRef) (BackupRef, error) {
	if ref.Step == "" {
		return ref, nil
	}
	m, err := b.r.backupMemory(ref.Step)
	if err == nil && m.ID == 0 {
		err = &StepError{Step: b.id, Code: CodeState2, Text: fmt.Sprintf("the state document does not know the backup of step %q", ref.Step),
			Hint: fmt.Sprintf("`%s` finds it again", b.r.Resume)}
	}
	ref.ID, ref.Step = m.ID, ""
	return ref, err
}

// backupPlace is where one backup of a Backup action lies.
func backupPlace(a plan.Backup, id int64) BackupRef {
	return BackupRef{Root: a.Root, ID: id, Table: a.Source.Table, AppID: a.AppID, Partitions: a.Partitions}
}

// asked lists the one-time backups of the table that the meta server remembers.
func (b base) backups(ctx context.Context, a plan.Backup) (list []BackupStatus, err error) {
	err = b.insist(ctx, "list the backups of "+a.Source.String(), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		var err error
		list, err = b.r.World.Backups.Backups(ctx, a.Source, a.AppID)
		return err
	})
	return list, err
}

// folders lists the backups of the table on the store. Stores have deadlines of their own.
func (b base) folders(ctx context.Context, a plan.Backup) (list []BackupRef, err error) {
	err = b.insist(ctx, "list the backups below "+a.Root, func(ctx context.Context) error {
		var err error
		list, err = b.r.World.Stores.FindBackups(ctx, a.Provider, backupPlace(a, 0))
		return err
	})
	return list, err
}

// findLost looks for the backup of a request whose answer is not known: in the memory of the meta server, and, because
// another one may have taken over since, on the store. The first that it finds is the youngest.
func (b base) findLost(ctx context.Context, a plan.Backup) (id int64, listed bool, err error) {
	m, err := b.r.backupMemory(b.id)
	if err != nil {
		return 0, false, err
	}
	late := b.r.Waits.Call + b.r.Waits.Transient
	list, err := b.backups(ctx, a)
	if err != nil {
		return 0, false, err
	}
	for _, s := range list {
		if s.Provider == a.Provider.Name && s.Path == a.Path && m.mayBe(s.ID, late) {
			return s.ID, true, nil
		}
	}
	folders, err := b.folders(ctx, a)
	if err != nil {
		return 0, false, err
	}
	for _, f := range folders {
		if m.mayBe(f.ID, late) {
			return f.ID, false, nil
		}
	}
	return 0, false, nil
}

// backupByHand is what an operator does when the backup could not be removed.
func (r *Run) backupByHand(step string, a plan.RemoveBackup) string {
	m, err := r.backupMemory(step)
	if err != nil || m.ID == 0 && len(m.Dead) == 0 {
		return fmt.Sprintf("in the shell of cluster %s: query_backup_status of the table; remove the folder of a backup that nobody needs once cold.backup.max.upload.file.size is 0", a.Source.Cluster)
	}
	ids := slices.Clone(m.Dead)
	if m.ID != 0 && !m.Adopted {
		ids = append(ids, m.ID)
	}
	s, _ := r.Plan.Step(step)
	root := a.Source.Table
	if k, ok := s.Action.(plan.Backup); ok {
		root = k.Provider.Store.Root + "/" + k.Root
	}
	return fmt.Sprintf("remove the folders %v below %s once cold.backup.max.upload.file.size is 0 on every replica server of %s", ids, root, a.Source.Cluster)
}
