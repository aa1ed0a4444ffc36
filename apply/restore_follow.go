package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindEmpty are the partitions of a restored table that came up empty, []int32.
const kindEmpty = "empty-partitions"

// ignoredBadData is the status of a partition that came up empty (replica_restore.cpp). Servers tell it only until the
// partition has a primary, so it is noted when it is seen, and what was found damaged before counts too.
const ignoredBadData = "ERR_IGNORE_BAD_DATA"

// wholeRestore is the progress of a partition that is restored (cold_backup_constant::PROGRESS_FINISHED).
const wholeRestore = 1000

// restoreSight is one look at a table that is being restored.
type restoreSight struct {
	parts  []RestorePartition
	health Health
}

// open says what is not restored yet, "" for nothing. Secondaries learn from primaries; they are waited for later.
func (s restoreSight) open() string {
	var slow []string
	sum, n := 0, 0
	for _, p := range s.parts {
		if sum += int(p.Progress); p.Progress < wholeRestore {
			if n++; n <= 6 {
				slow = append(slow, fmt.Sprintf("%d at %d %%", p.Partition, p.Progress/10))
			}
		}
	}
	switch {
	case n > 6:
		slow = append(slow, fmt.Sprintf("%d more", n-6))
		fallthrough
	case n > 0:
		return fmt.Sprintf("%d of %d partitions are restored, %d %% of all; partition %s", len(s.parts)-n, len(s.parts), sum/(10*len(s.parts)), strings.Join(slow, ", "))
	case len(s.parts) == 0, s.health.Partitions == 0, s.health.NoPrimary > 0:
		return fmt.Sprintf("%d of %d partitions have no primary", s.health.NoPrimary, s.health.Partitions)
	}
	return ""
}

// mark is what progress is known by.
func (s restoreSight) mark() string {
	var b strings.Builder
	for _, p := range s.parts {
		fmt.Fprint(&b, p.Progress, " ")
	}
	return fmt.Sprint(b.String(), s.health)
}

// look asks how far the table with that id is. ErrNoTable: it is gone.
func (s *restoreRunner) look(ctx context.Context, id int32) (out restoreSight, err error) {
	call, cancel := s.call(ctx)
	defer cancel()
	if out.parts, err = s.r.World.Restores.RestoreProgress(call, s.a.Target, id); err != nil {
		return out, err
	}
	out.health, err = s.r.World.Tables.Health(call, s.a.Target)
	return out, err
}

// follow waits until every partition has a primary that opened its files.
func (s *restoreRunner) follow(ctx context.Context) error {
	memory, err := s.r.created(s.id)
	if err != nil || memory.ID == 0 {
		return err
	}
	var last restoreSight
	return s.awaitProgress(ctx, s.r.Waits.Files, CodeRestore, func(ctx context.Context) (sight, error) {
		now, err := s.look(ctx, memory.ID)
		if errors.Is(err, ErrNoTable) {
			return sight{}, s.gone(ctx, memory.ID, last)
		}
		if err != nil {
			reason, err := tolerate(ctx, err)
			return sight{mark: "?", limit: s.r.Waits.Restoring, reason: reason, causes: "look at the meta servers of " + s.a.Target.Cluster}, err
		}
		if len(now.parts) > 0 {
			last = now
		}
		if err := s.noteEmpty(now.parts); err != nil {
			return sight{}, err
		}
		// A partition may be whole between two looks: then bytes flowed, whatever the servers' counters caught of it.
		moving := slices.ContainsFunc(now.parts, func(p RestorePartition) bool { return p.Progress > 0 })
		if err := s.ramp.look(ctx, moving); err != nil {
			return sight{}, err
		}
		s.report(now)
		open := now.open()
		if open == "" {
			s.tellEmpty()
		}
		return sight{over: open == "", mark: now.mark(), limit: s.r.Waits.Restoring, reason: open + s.ramp.text(), causes: s.causes()}, nil
	})
}

func (s *restoreRunner) causes() string {
	return fmt.Sprintf("known causes: replica servers of %s that are down, have no room, or whose [block_service.%s] cannot be reached: they try again for ever; `%s` drops the table",
		s.a.Target.Cluster, s.a.Provider.Name, s.r.rollbackCommand())
}

func (s *restoreRunner) report(now restoreSight) {
	p := event.MoveProgress{Step: s.id, Kind: "restore", PartitionCount: len(now.parts), Limit: s.ramp.rate(), LimitReason: s.ramp.reason()}
	for _, part := range now.parts {
		whole := part.Progress >= wholeRestore
		if whole {
			p.PartitionsDone++
		}
		p.Partitions = append(p.Partitions, event.PartitionProgress{Index: part.Partition, Active: part.Progress > 0 && !whole, Done: whole})
	}
	s.r.Sink.Emit(p)
}

// noteEmpty makes durable which partitions came up empty.
func (s *restoreRunner) noteEmpty(parts []RestorePartition) error {
	known, _, err := unblob[[]int32](s.r.record(s.id).Cursor, kindEmpty)
	if err != nil {
		return err
	}
	before := len(known)
	for _, p := range parts {
		if p.Status == ignoredBadData && !slices.Contains(known, p.Partition) {
			known = append(known, p.Partition)
		}
	}
	if len(known) == before {
		return nil
	}
	slices.Sort(known)
	cursor, err := blob(kindEmpty, known)
	if err != nil {
		return err
	}
	return s.r.update(s.id, func(rec *state.Step) { rec.Cursor = cursor })
}

// emptyPartitions are the partitions of the restored table that came up empty, as declared: seen so, or found damaged
// before.
func (r *Run) emptyPartitions() []int32 {
	step, ok := firstStep[plan.Restore](r.Plan)
	if !ok || !r.skipsBad() {
		return nil
	}
	seen, _, err := unblob[[]int32](r.record(step.ID).Cursor, kindEmpty)
	if err != nil {
		return nil
	}
	all := append(slices.Clone(seen), r.damaged()...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *restoreRunner) tellEmpty() {
	if empty := s.r.emptyPartitions(); len(empty) > 0 {
		s.warn(CodeRestore, fmt.Sprintf("partitions %v of %s came up empty: their files in the backup are damaged or missing", empty, s.a.Target),
			"it is declared so (skip_bad_partition); their rows are not on the target")
	}
}

// gone explains why the table is not there any more. Servers that find a file missing or damaged drop the whole new
// table; which one it was they tell only their logs, so the files of what was not restored yet are read.
func (s *restoreRunner) gone(ctx context.Context, id int32, last restoreSight) error {
	if t, err := s.tableOnce(ctx, s.a.Target); err == nil && t.ID != id {
		return s.stolen(t, fmt.Errorf("this run's had id %d and is gone", id))
	}
	if err := s.remember(created{}); err != nil { // another restore makes another table
		return err
	}
	cause := s.damage(ctx, last)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &StepError{Step: s.id, Code: CodeRestore,
		Text: fmt.Sprintf("the servers took the restore back and dropped the new table (id %d)%s", id, cause),
		Hint: "they do so when a file of the backup is missing or damaged as they see it; mend the backup, or declare skip_bad_partition, and apply again"}
}

// damage looks for the file that made the servers give up.
func (s *restoreRunner) damage(ctx context.Context, last restoreSight) string {
	var whole, open []int32
	for _, p := range last.parts {
		if p.Progress >= wholeRestore {
			whole = append(whole, p.Partition)
		} else {
			open = append(open, p.Partition)
		}
	}
	text := ""
	if len(open) > 0 {
		text = fmt.Sprintf("; not restored were partitions %v", firstN(open, 8))
	}
	ref, err := s.backupOf(s.a.Backup)
	if err != nil {
		return text
	}
	ctx, cancel := context.WithTimeout(ctx, s.r.Waits.Restoring)
	defer cancel()
	begun := s.r.Now()
	found, err := s.r.World.Stores.VerifyBackup(ctx, BackupVerifyJob{VerifyBackup: plan.VerifyBackup{Provider: s.a.Provider, Backup: s.a.Backup}, Ref: ref, Verified: whole,
		Save: func(int32) error { return nil },
		Report: func(event.MoveProgress) {
			s.r.Sink.Emit(event.Waiting{Step: s.id, Reason: "the files of the backup are read to find the damaged one", Elapsed: s.r.Now().Sub(begun).Truncate(time.Second), Limit: s.r.Waits.Restoring})
		}})
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrNoBackup):
		if len(found.Damaged) > 0 {
			text += fmt.Sprintf("; damaged are partitions %v", found.Damaged)
		}
		return text + ": " + err.Error()
	case err == nil:
		return text + fmt.Sprintf("; its files are whole as seen from here: somebody else dropped it, or [block_service.%s] of the target's servers leads elsewhere", s.a.Provider.Name)
	}
	return text
}
