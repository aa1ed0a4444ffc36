package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeRestore is about a restore: refused, taken back by the servers, or stuck.
const CodeRestore = "PM3053"

// kindHighest is the largest app id that the target's cluster listed before a restore, an int32.
const kindHighest = "highest-id"

// The envs that a restore gives its table for ever (backup_restore_constant, server_state_restore.cpp).
const (
	envRestoreProvider = "restore.block_service_provider"
	envRestoreApp      = "restore.app_name"
	envRestoreAppID    = "restore.app_id"
	envRestoreBackup   = "restore.backup_id"
)

// restoreRunner makes the target from a backup. Its memory of the table is that of a creation.
type restoreRunner struct {
	base
	a    plan.Restore
	ramp *ramp
}

// prior is the id above which a table must be to be ours.
func (s *restoreRunner) prior(ctx context.Context) (*state.Blob, error) {
	var highest int32
	err := s.insist(ctx, "list the tables of "+s.a.Target.Cluster, func(ctx context.Context) error {
		ctx, cancel := s.call(ctx)
		defer cancel()
		var err error
		highest, err = s.r.World.Tables.HighestID(ctx, s.a.Target.Cluster)
		return err
	})
	if err != nil {
		return nil, err
	}
	if own, err := s.r.priors(); err == nil && own.TargetHighestID > 0 { // a lost run's table may be there already
		highest = min(highest, own.TargetHighestID)
	}
	return blob(kindHighest, highest)
}

func (s *restoreRunner) done(ctx context.Context) (bool, string, error) {
	t, err := s.table(ctx, s.a.Target)
	if err != nil && !errors.Is(err, ErrNoTable) {
		return false, "", err
	}
	ours, reason, err := s.judge(t, err == nil)
	if err != nil || !ours {
		return false, reason, err
	}
	look, err := s.look(ctx, t.ID)
	if err != nil {
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	if open := look.open(); open != "" {
		return false, open, nil
	}
	text := fmt.Sprintf("%s (id %d) is restored, all %d partitions have a primary", s.a.Target, t.ID, look.health.Partitions)
	if empty := s.r.emptyPartitions(); len(empty) > 0 {
		text += fmt.Sprintf("; partitions %v are empty", empty)
	}
	return true, text, nil
}

// judge says whether the target is there and this run's.
func (s *restoreRunner) judge(t TableState, exists bool) (ours bool, reason string, err error) {
	memory, err := s.r.created(s.id)
	if err != nil {
		return false, "", err
	}
	switch {
	case !exists:
		return false, s.a.Target.String() + " does not exist", nil
	case memory.ID == t.ID:
		return true, "", nil
	case memory.ID != 0:
		return false, "", s.stolen(t, fmt.Errorf("this run's has id %d", memory.ID))
	}
	if err := s.plausible(t, memory); err != nil {
		return false, "", s.stolen(t, err)
	}
	return true, "", s.remember(created{ID: t.ID})
}

// plausible judges a table that may be ours: a restored table names the backup that it was made from, and ids only
// grow.
func (s *restoreRunner) plausible(t TableState, memory created) error {
	m, err := marker.Parse(t.Envs[marker.Env])
	if err != nil || m != nil && m.Lineage != s.r.Store.Document().Lineage {
		return fmt.Errorf("its %s names another owner", marker.Env)
	}
	if m != nil {
		return nil
	}
	if !memory.Sent {
		return errors.New("this run had not asked for it yet")
	}
	ref, err := s.backupOf(s.a.Backup)
	if err != nil {
		return err
	}
	highest, ok, err := unblob[int32](s.r.record(s.id).Prior, kindHighest)
	if err != nil {
		return err
	}
	if !ok || t.ID <= highest {
		return fmt.Errorf("ids up to %d were there before", highest)
	}
	for _, env := range []struct{ key, want string }{
		{envRestoreBackup, strconv.FormatInt(ref.ID, 10)}, {envRestoreAppID, strconv.Itoa(int(ref.AppID))},
		{envRestoreApp, ref.Table}, {envRestoreProvider, s.a.Provider.Name},
	} {
		if got := t.Envs[env.key]; got != env.want {
			return fmt.Errorf("its %s is %q, not %q", env.key, got, env.want)
		}
	}
	return nil
}

func (s *restoreRunner) stolen(t TableState, why error) error {
	return &StepError{Step: s.id, Code: CodeTargetStolen, Text: fmt.Sprintf("%s exists with id %d and is not of this run", s.a.Target, t.ID), Err: why,
		Hint: "`" + s.r.rollbackCommand() + "` takes this run back and leaves that table alone; then plan again"}
}

func (s *restoreRunner) remember(v created) error {
	proof, err := blob(kindCreate, v)
	if err != nil {
		return err
	}
	return s.r.update(s.id, func(rec *state.Step) { rec.Proof = proof })
}

func (s *restoreRunner) run(ctx context.Context) error {
	s.ramp = s.newRamp(s.a.Rate)
	memory, err := s.r.created(s.id)
	if err != nil {
		return err
	}
	if memory.ID == 0 {
		if err := s.start(ctx, memory); err != nil {
			return err
		}
	}
	return s.follow(ctx)
}

// start asks for the restore, once.
func (s *restoreRunner) start(ctx context.Context, before created) error {
	ref, err := s.clear(ctx)
	if err != nil {
		return err
	}
	if before.Sent { // an earlier request may still be on its way to the leader
		if found, err := s.awaitLost(ctx, errors.New("an earlier request was not answered")); err != nil || found {
			return err
		}
	}
	if _, err := s.table(ctx, s.a.Target); !errors.Is(err, ErrNoTable) {
		if err != nil {
			return err
		}
		_, _, err = s.done(ctx) // it is ours, or an error
		return err
	}
	if err := s.remember(created{Sent: true}); err != nil {
		return err
	}
	id, lost, err := s.send(ctx, ref)
	switch {
	case lost != nil:
		found, err := s.awaitLost(ctx, lost)
		if err != nil || found {
			return err
		}
		return &StepError{Step: s.id, Code: CodeRestore, Text: "the restore was not started", Err: lost, Hint: "run the same command again: it looks for the table first"}
	case err == nil:
		return s.remember(created{ID: id})
	case !before.Sent:
		if err := s.remember(created{}); err != nil {
			return err
		}
	}
	return s.refused(err)
}

// clear looks, right before the request, at what must not be: each of these ends in a dead meta server, or in a table
// that never becomes healthy.
func (s *restoreRunner) clear(ctx context.Context) (BackupRef, error) {
	ref, err := s.backupOf(s.a.Backup)
	if err != nil {
		return ref, err
	}
	stored, err := s.stored(ctx, s.a.Provider, ref)
	if err != nil && (!errors.Is(err, ErrDamaged) || !s.a.SkipBadPartition || stored.Ref.AppID == 0) {
		return ref, &StepError{Step: s.id, Code: CodeRestore, Text: "the backup cannot be restored", Err: err,
			Hint: fmt.Sprintf("it is looked for below %s/%s, where provider %q of the target's servers must lead too", s.a.Provider.Store.Root, ref.Root, s.a.Provider.Name)}
	}
	if stored.Ref.AppID != ref.AppID || stored.Ref.Table != ref.Table {
		return ref, &StepError{Step: s.id, Code: CodeRestore,
			Text: fmt.Sprintf("the backup says that it is of table %q with id %d, not of %q with id %d: a request with wrong words kills the meta server", stored.Ref.Table, stored.Ref.AppID, ref.Table, ref.AppID),
			Hint: "declare what its app_metadata says"}
	}
	if stored.Duplicating {
		return ref, &StepError{Step: s.id, Code: CodeRestore,
			Text: fmt.Sprintf("backup %d was made while %s was duplicated, and says so: the restored table would be marked as duplicated for ever, keep every log and refuse incr, check_and_set and check_and_mutate", ref.ID, ref.Table),
			Hint: "`" + s.r.rollbackCommand() + "`, remove the duplication and apply again, or declare method backup_bulk_load"}
	}
	if stored.Loading {
		return ref, &StepError{Step: s.id, Code: CodeRestore,
			Text: fmt.Sprintf("backup %d was made while %s took part in a bulk load, and says so: the restored table would count as loading until the meta servers of %s restart, and no other table could be loaded", ref.ID, ref.Table, s.a.Target.Cluster),
			Hint: "use another backup, or declare method backup_bulk_load"}
	}
	var alive int
	if err := s.insist(ctx, "count the replica servers of "+s.a.Target.Cluster, func(ctx context.Context) error {
		ctx, cancel := s.call(ctx)
		defer cancel()
		var err error
		alive, err = s.r.World.Restores.LiveNodes(ctx, s.a.Target.Cluster)
		return err
	}); err != nil {
		return ref, err
	}
	if alive < int(stored.Replicas) {
		return ref, &StepError{Step: s.id, Code: CodeRestore,
			Text: fmt.Sprintf("the backup makes %d replicas of each partition, and %s has %d live replica servers: the table would never be healthy", stored.Replicas, s.a.Target.Cluster, alive),
			Hint: "bring servers back, or use method backup_bulk_load, whose target has the replica count that you declare"}
	}
	return ref, nil
}

// send asks once; more often only as long as the cluster says that it did nothing.
func (s *restoreRunner) send(ctx context.Context, ref BackupRef) (id int32, lost, err error) {
	err = s.insist(ctx, "restore "+s.a.Target.String(), func(ctx context.Context) error {
		call, cancel := s.call(ctx)
		defer cancel()
		var err error
		id, err = s.r.World.Restores.StartRestore(call, s.a, ref.ID)
		switch {
		case err != nil && (errors.Is(err, ErrOutcomeUnknown) || call.Err() != nil):
			lost = err
			return nil
		case err == nil && id <= 0:
			lost = errors.New("the meta server answered OK and named no table")
		}
		return err
	})
	return id, lost, err
}

func (s *restoreRunner) refused(err error) error {
	if !errors.Is(err, ErrRefused) {
		return err
	}
	return &StepError{Step: s.id, Code: CodeRestore, Text: "the restore was refused", Err: err,
		Hint: fmt.Sprintf("ERR_OBJECT_NOT_FOUND: the target's servers do not see the backup, compare [block_service.%s]; ERR_INVALID_PARAMETERS: they do not know the provider, or the name is taken", s.a.Provider.Name)}
}

// awaitLost looks for the table of a request that may still be on its way to the leader.
func (s *restoreRunner) awaitLost(ctx context.Context, lost error) (found bool, err error) {
	if _, err := s.table(ctx, s.a.Target); err != nil && !errors.Is(err, ErrNoTable) {
		return false, err // the wait begins with the first look that is answered
	}
	begun := s.r.Now()
	err = s.await(ctx, s.r.Waits.Call+s.r.Waits.Transient, CodeCluster, "run the same command again: it looks for the table first", func(ctx context.Context) (bool, string, error) {
		t, err := s.table(ctx, s.a.Target)
		if err != nil && !errors.Is(err, ErrNoTable) {
			return false, "", err
		}
		var reason string
		if found, reason, err = s.judge(t, err == nil); err != nil {
			return false, "", err
		}
		return found || s.r.Now().Sub(begun) >= s.r.Waits.Call, fmt.Sprintf("%v; %s", lost, reason), nil
	})
	return found, err
}
