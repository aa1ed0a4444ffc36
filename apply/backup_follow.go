package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// backupSight is one look at a backup that was begun.
type backupSight struct {
	status BackupStatus
	// known says that the meta server remembers it.
	known bool
	files BackupProgress
	// uploading is the largest upload of a replica so far, -1 when it was not told.
	uploading int64
}

// underway says that the meta server still drives it: nothing may be removed, and none can be begun.
func (s backupSight) underway() bool {
	return s.known && s.status.Ended.IsZero() && !s.status.Failed
}

func (b base) lookAtBackup(ctx context.Context, a plan.Backup, id int64) (s backupSight, err error) {
	call, cancel := b.call(ctx)
	s.status, err = b.r.World.Backups.Backup(call, a.Source, a.AppID, id)
	cancel()
	if s.known = err == nil; err != nil && !errors.Is(err, ErrNoBackup) {
		return s, err
	}
	if s.files, err = b.r.World.Stores.WatchBackup(ctx, a.Provider, backupPlace(a, id)); err != nil {
		return s, err
	}
	call, cancel = b.call(ctx) // a store may have taken its time
	defer cancel()
	if s.uploading, err = b.r.World.Backups.Uploading(call, a.Source.Cluster); err != nil {
		s.uploading = -1 // the files show progress too
	}
	return s, nil
}

// unknownLooks is how many looks in a row have to find a backup unknown: the leader may be changing.
const unknownLooks = 3

// follow waits until the backup is finished. died says why it never will be, "" when it is.
func (k *backupRunner) follow(ctx context.Context) (died string, err error) {
	m, err := k.r.backupMemory(k.id)
	if err != nil {
		return "", err
	}
	unknown := 0
	var unseen time.Time
	err = k.awaitProgress(ctx, k.r.Waits.Files, CodeBackup, func(ctx context.Context) (sight, error) {
		s, err := k.lookAtBackup(ctx, k.a, m.ID)
		if err != nil {
			reason, err := tolerate(ctx, err)
			return sight{mark: "?", limit: k.r.Waits.Backing, reason: reason, causes: "look at the meta servers of " + k.a.Source.Cluster + " and at the block store"}, err
		}
		if unknown++; s.known {
			unknown = 0
		}
		if err := k.ramp.look(ctx, s.files.Bytes > 0 || s.uploading > 0); err != nil {
			return sight{}, err
		}
		k.report(s)
		over, why, err := k.judge(ctx, m.ID, s, unknown, &unseen)
		died = why
		return k.sightOf(s, over), err
	})
	return died, err
}

// judge says whether a backup is over, and why it died when it did.
func (k *backupRunner) judge(ctx context.Context, id int64, s backupSight, unknown int, unseen *time.Time) (over bool, died string, err error) {
	switch {
	case s.known && s.status.Failed:
		return true, "the meta server says that it failed: a replica could not upload, or the table was dropped", nil
	case s.files.Info && (!s.underway()):
		_, err := k.stored(ctx, k.a.Provider, backupPlace(k.a, id))
		if errors.Is(err, ErrNoBackup) || errors.Is(err, ErrDamaged) {
			return true, "it is finished, and its files do not fit together: " + err.Error(), nil
		}
		return err == nil, "", err
	case unknown >= unknownLooks:
		return true, "the meta server does not know it any more: another one took over, and nobody goes on with it", nil
	case s.known && !s.status.Ended.IsZero():
		if unseen.IsZero() {
			*unseen = k.r.Now()
		}
		if k.r.Now().Sub(*unseen) >= k.r.Waits.Transient {
			return false, "", &StepError{Step: k.id, Code: CodeBackup,
				Text: fmt.Sprintf("the servers say that backup %d is finished, and %s has no backup_info of it as seen from here", id, k.a.Provider.Store.Root+"/"+k.a.Root),
				Hint: fmt.Sprintf("provider %q of this declaration and [block_service.%s] of the servers do not lead to the same place, or cold_backup_root is another; with local_service every server must see the same directory",
					k.a.Provider.Name, k.a.Provider.Name)}
		}
	}
	return false, "", nil
}

// sightOf puts a look into words.
func (k *backupRunner) sightOf(s backupSight, over bool) sight {
	text := fmt.Sprintf("%d of %d partitions are backed up, %s are written", s.files.Finished, k.a.Partitions, plan.Bytes(uint64(s.files.Bytes)))
	if s.uploading > 0 {
		text += fmt.Sprintf(", the largest upload of a replica is at %s", plan.Bytes(uint64(s.uploading)))
	}
	return sight{over: over, mark: fmt.Sprint(s.files, s.uploading, s.known), limit: k.r.Waits.Backing, reason: text + k.ramp.text(),
		causes: "known causes: a partition without primary; a block store that times out or is full (servers try again for ever); a replica server that is down; there is no cancel, the servers may yet go on"}
}

// report shows how far the backup is, as its files do.
func (k *backupRunner) report(s backupSight) {
	k.r.Sink.Emit(event.MoveProgress{Step: k.id, Kind: "backup", PartitionsDone: s.files.Finished, PartitionCount: int(k.a.Partitions), Bytes: uint64(max(s.files.Bytes, 0)),
		Limit: k.ramp.rate(), LimitReason: k.ramp.reason()})
}

// clearDead removes what backups of this run left that died.
func (b base) clearDead(ctx context.Context, a plan.Backup) error {
	m, err := b.r.backupMemory(b.id)
	if err != nil || len(m.Dead) == 0 {
		return err
	}
	if err := b.awaitQuiet(ctx, a, m.Dead); err != nil {
		return err
	}
	for _, id := range m.Dead {
		finished, err := b.removeBackup(ctx, a, id, true)
		if err != nil {
			return err
		}
		if err := b.r.rememberBackup(b.id, func(m *backupMemory) {
			m.Dead = without(m.Dead, id)
			if finished && m.ID == 0 && (!m.Recovered || a.After == "") {
				m.ID = id // it came to its end after all
			}
		}); err != nil {
			return err
		}
		if finished {
			b.warn(CodeBackup, fmt.Sprintf("backup %d of %s came to its end after all; it stays", id, a.Source), "")
		}
	}
	return nil
}

func without(list []int64, id int64) (out []int64) {
	for _, n := range list {
		if n != id {
			out = append(out, n)
		}
	}
	return out
}

// removeBackup removes the folder of a backup. finished says that it was not removed because it is finished.
func (b base) removeBackup(ctx context.Context, a plan.Backup, id int64, unfinished bool) (finished bool, err error) {
	ref := backupPlace(a, id)
	err = b.insist(ctx, "remove the backup "+ref.String(), func(ctx context.Context) error {
		return b.r.World.Stores.RemoveBackup(ctx, a.Provider, ref, unfinished)
	})
	if unfinished && errors.Is(err, ErrRefused) {
		return true, nil
	}
	return false, err
}

// awaitQuiet waits until nobody writes into the folders of backups any more: the meta server does not drive them, no
// replica server reports an upload, for as long as such reports may be late, and no file was added meanwhile.
func (b base) awaitQuiet(ctx context.Context, a plan.Backup, ids []int64) error {
	var since time.Time
	files := ""
	return b.awaitProgress(ctx, b.r.Waits.Files, CodeBackup, func(ctx context.Context) (sight, error) {
		out := sight{mark: "?", limit: b.r.Waits.Backing, causes: "look at cold.backup.max.upload.file.size of the replica servers of " + a.Source.Cluster}
		busy, now, err := b.busy(ctx, a, ids)
		if err != nil {
			since = time.Time{}
			out.reason, err = tolerate(ctx, err)
			return out, err
		}
		if busy != "" || now != files || since.IsZero() {
			since = b.r.Now()
		}
		files = now
		calm := b.r.Now().Sub(since)
		out.over = busy == "" && calm >= b.r.Waits.Uploads
		out.mark = busy + now
		out.reason = busy
		if busy == "" {
			out.mark, out.limit = "quiet "+now, b.r.Waits.Uploads+2*b.r.Waits.Files
			out.reason = fmt.Sprintf("no server uploads any more; they tell that late, and the dead backup is removed after %s without an upload", plan.Duration(b.r.Waits.Uploads))
		}
		return out, nil
	})
}

// busy says who still works on backups, "" for nobody, and what their files are.
func (b base) busy(ctx context.Context, a plan.Backup, ids []int64) (who, files string, err error) {
	for _, id := range ids {
		s, err := b.lookAtBackup(ctx, a, id)
		if err != nil {
			return "", "", err
		}
		files += fmt.Sprint(s.files)
		switch {
		case s.underway():
			who = fmt.Sprintf("backup %d is still under way, and cannot be cancelled", id)
		case s.uploading < 0:
			who = "a replica server does not tell whether it uploads"
		case s.uploading > 0:
			who = fmt.Sprintf("a replica server still uploads (%s so far): the running uploads of a backup that died go on to their end", plan.Bytes(uint64(s.uploading)))
		}
		if s.uploading > 0 {
			files += fmt.Sprint(s.uploading)
		}
	}
	return who, files, nil
}
