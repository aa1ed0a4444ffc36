package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// backupRunner makes a backup, or adopts one. What a meta server knows of backups is lost with its leadership, and the
// protocol has no cancel: the files decide whether one is finished, and one that died is removed only when no server
// uploads any more.
type backupRunner struct {
	base
	a    plan.Backup
	ramp *ramp
}

// done accepts only a backup that this run made or adopted, and only when all its files are there.
func (k *backupRunner) done(ctx context.Context) (bool, string, error) {
	m, err := k.r.backupMemory(k.id)
	if err != nil {
		return false, "", err
	}
	if m.ID == 0 || len(m.Dead) > 0 {
		return false, "there is no backup yet", nil
	}
	if k.stale(m) {
		return false, fmt.Sprintf("backup %d is older than %s", m.ID, k.a.After), nil
	}
	stored, err := k.stored(ctx, k.a.Provider, backupPlace(k.a, m.ID))
	switch {
	case errors.Is(err, ErrNoBackup), errors.Is(err, ErrDamaged):
		return false, err.Error(), nil
	case err != nil:
		return false, "", err
	}
	return true, fmt.Sprintf("%sbackup %d of %s is finished: %d partitions, %d files, %s", map[bool]string{true: "adopted: "}[m.Adopted], m.ID, k.a.Source,
		k.a.Partitions, stored.Files, plan.Bytes(uint64(stored.Bytes))), nil
}

// stored reads what a backup's metadata says. Absence and damage are answers.
func (b base) stored(ctx context.Context, p plan.Provider, ref BackupRef) (s StoredBackup, err error) {
	err = b.insist(ctx, "read the backup "+ref.String(), func(ctx context.Context) error {
		var err error
		s, err = b.r.World.Stores.ReadBackup(ctx, p, ref)
		if errors.Is(err, ErrNoBackup) || errors.Is(err, ErrDamaged) {
			return fmt.Errorf("%w (%w)", err, ErrRefused) // asking again would give the same
		}
		return err
	})
	return s, err
}

func (k *backupRunner) run(ctx context.Context) error {
	k.ramp = k.newRamp(k.a.Rate)
	if err := k.dropStale(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err := k.clearDead(ctx, k.a); err != nil {
			return err
		}
		finished, err := k.begin(ctx)
		if err != nil || finished {
			return err
		}
		if m, err := k.r.backupMemory(k.id); err != nil {
			return err
		} else if m.ID == 0 {
			continue // what was found is not to be used
		}
		died, err := k.follow(ctx)
		if err != nil || died == "" {
			return err
		}
		if err := k.bury(died, try); err != nil {
			return err
		}
		if try >= max(k.a.Attempts, 1) {
			if err := k.clearDead(ctx, k.a); err != nil {
				return err
			}
			return &StepError{Step: k.id, Code: CodeBackup, Text: fmt.Sprintf("%d backups died one after the other, the last one because %s", try, died),
				Hint: "what they left is removed; keep the meta leader and the replica servers from changing, and run the same command again"}
		}
	}
}

// begin starts a backup, unless there is one that need not be started: this run's own, the one of a request whose
// answer was lost, or a finished one that may be adopted.
func (k *backupRunner) begin(ctx context.Context) (finished bool, err error) {
	m, err := k.r.backupMemory(k.id)
	if err != nil || m.ID != 0 {
		return false, err
	}
	if !m.Sent.IsZero() {
		if found, err := k.awaitLost(ctx, errors.New("an earlier request for a backup was not answered")); err != nil || found {
			return false, err
		}
	}
	if adopted, err := k.adopt(ctx); err != nil || adopted {
		return adopted, err
	}
	return false, k.start(ctx)
}

// adopt takes the youngest finished backup that is young enough.
func (k *backupRunner) adopt(ctx context.Context) (bool, error) {
	if k.a.AdoptMaxAge <= 0 {
		return false, nil
	}
	oldest := k.r.Now().Add(-k.a.AdoptMaxAge)
	if k.a.After != "" {
		// The clock of the meta server may be ahead of ours: what it dates shortly behind the fence may be older.
		ended := k.r.record(k.a.After).Finished
		if ended.IsZero() {
			return false, nil
		}
		if ended = ended.Add(clockSkew); ended.After(oldest) {
			oldest = ended
		}
	}
	list, err := k.folders(ctx, k.a)
	if err != nil {
		return false, err
	}
	for _, ref := range list {
		if time.UnixMilli(ref.ID).Before(oldest) {
			continue
		}
		stored, err := k.stored(ctx, k.a.Provider, backupPlace(k.a, ref.ID))
		if errors.Is(err, ErrNoBackup) || errors.Is(err, ErrDamaged) {
			continue // unfinished, or not whole
		}
		if err != nil {
			return false, err
		}
		if stored.Ref.AppID != k.a.AppID || stored.Ref.Table != k.a.Source.Table || stored.Ref.Partitions != k.a.Partitions {
			continue
		}
		return true, k.r.rememberBackup(k.id, func(m *backupMemory) {
			m.ID, m.Adopted, m.Asked = ref.ID, true, time.UnixMilli(ref.ID)
		})
	}
	return false, nil
}

// backupAttempts bounds the requests whose answers are lost.
const backupAttempts = 3

// start asks for a backup. Never while one may be under way: the server knows only those of its own memory.
func (k *backupRunner) start(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if err := k.rememberRequest(ctx); err != nil {
			return err
		}
		id, lost, err := k.send(ctx)
		switch {
		case lost != nil:
			if found, err := k.awaitLost(ctx, lost); err != nil || found {
				return err
			}
			if attempt < backupAttempts {
				continue // it was looked for as long as it could be under way
			}
			err = lost
		case err == nil:
			return k.know(id, true)
		}
		m, look := k.r.backupMemory(k.id)
		if look == nil && m.Sent.Equal(m.Last) && lost == nil { // this one did nothing, and there was none before it
			look = k.r.rememberBackup(k.id, func(m *backupMemory) { m.Sent, m.Last, m.Known = time.Time{}, time.Time{}, nil })
		}
		if look != nil {
			return look
		}
		if settled(err) || lost != nil {
			return &StepError{Step: k.id, Code: CodeBackup, Text: "the backup was not started", Err: err,
				Hint: "nothing was changed by this request; mend what it says and run the same command again"}
		}
		return err
	}
}

// know makes the id of this run's backup durable. proven says that the server named it in its answer.
func (k *backupRunner) know(id int64, proven bool) error {
	return k.r.rememberBackup(k.id, func(m *backupMemory) {
		m.Recovered, m.Asked = m.Recovered && !proven, m.Last
		m.ID, m.Adopted, m.Sent, m.Last, m.Known = id, false, time.Time{}, time.Time{}, nil
	})
}

// rememberRequest makes durable that a request leaves, and what there was before it.
func (k *backupRunner) rememberRequest(ctx context.Context) error {
	list, err := k.backups(ctx, k.a)
	if err != nil {
		return err
	}
	m, err := k.r.backupMemory(k.id)
	if err != nil {
		return err
	}
	known := m.Known
	for _, s := range list {
		if s.Ended.IsZero() && !s.Failed {
			return &StepError{Step: k.id, Code: CodeBackup, Text: fmt.Sprintf("backup %d of %s is under way and is not of this run", s.ID, k.a.Source),
				Hint: "the servers make one at a time; run the same command again when it is over"}
		}
		if m.Sent.IsZero() {
			known = append(known, s.ID)
		}
	}
	if m.Sent.IsZero() {
		folders, err := k.folders(ctx, k.a)
		if err != nil {
			return err
		}
		for _, f := range folders {
			known = append(known, f.ID)
		}
	}
	now := k.r.Now()
	return k.r.rememberBackup(k.id, func(m *backupMemory) {
		if m.Sent.IsZero() {
			m.Sent, m.Known = now, known
		}
		m.Last = now
	})
}

// send asks once; more often only as long as the cluster says that it did nothing.
func (k *backupRunner) send(ctx context.Context) (id int64, lost, err error) {
	err = k.insist(ctx, "start a backup of "+k.a.Source.String(), func(ctx context.Context) error {
		call, cancel := k.call(ctx)
		defer cancel()
		var err error
		id, err = k.r.World.Backups.StartBackup(call, k.a)
		switch {
		case err != nil && (errors.Is(err, ErrOutcomeUnknown) || call.Err() != nil):
			lost = err
			return nil
		case err == nil && id <= 0:
			lost = errors.New("the meta server answered OK and named no backup")
		}
		return err
	})
	return id, lost, err
}

// awaitLost looks for the backup of a request that may still be on its way to the leader.
func (k *backupRunner) awaitLost(ctx context.Context, lost error) (found bool, err error) {
	var begun time.Time
	// The limit leaves room for a first look that is answered late, or it would be over before the looking is.
	err = k.await(ctx, 2*k.r.Waits.Call+2*k.r.Waits.Transient, CodeBackup, "run the same command again: it looks for the backup first",
		func(ctx context.Context) (bool, string, error) {
			id, _, err := k.findLost(ctx, k.a)
			if err != nil {
				return false, "", err
			}
			if id != 0 {
				found = true
				return true, "", k.foundLost(id)
			}
			if begun.IsZero() { // the wait begins with the first look that is answered
				begun = k.r.Now()
			}
			return k.r.Now().Sub(begun) >= k.r.Waits.Call, fmt.Sprintf("%v; none has turned up yet", lost), nil
		})
	return found, err
}

// foundLost takes a backup for this run's. One that a run began whose state was lost may be older than the fence that
// this one raised: it is not used, and removed unless it is finished.
func (k *backupRunner) foundLost(id int64) error {
	m, err := k.r.backupMemory(k.id)
	if err != nil {
		return err
	}
	if m.Recovered && k.a.After != "" {
		k.warn(CodeBackup, fmt.Sprintf("backup %d was begun by a run whose state is lost, and may be older than %s: it is not used", id, k.a.After), "")
		return k.r.rememberBackup(k.id, func(m *backupMemory) {
			*m = backupMemory{Dead: append(m.Dead, id), Recovered: true}
		})
	}
	return k.know(id, false)
}

// bury notes that the backup died, which is told.
func (k *backupRunner) bury(died string, try int) error {
	m, err := k.r.backupMemory(k.id)
	if err != nil {
		return err
	}
	k.warn(CodeBackup, fmt.Sprintf("backup %d of %s died (attempt %d of %d): %s", m.ID, k.a.Source, try, max(k.a.Attempts, 1), died),
		"its folder is removed once no server uploads any more")
	return k.r.rememberBackup(k.id, func(m *backupMemory) {
		*m = backupMemory{Dead: append(m.Dead, m.ID), Recovered: m.Recovered}
	})
}
