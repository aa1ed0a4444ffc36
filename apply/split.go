package apply

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeSplit is the code of a split that could not be finished, and of staged files that are not its own.
const CodeSplit = "PM3056"

// kindSplit is splitMemory.
const kindSplit = "split"

// splitMemory is what a split remembers. Until it is finished it says that what lies in the staging
// folder is this run's.
type splitMemory struct {
	TargetID int32 `json:"target_id"`
	// Now is what expiry is measured against, by all runs of one split.
	Now  time.Time `json:"now"`
	Ref  BackupRef `json:"ref"`
	Done bool      `json:"done,omitempty"`
	// Lost says that the state that knew more was lost: only complete files for TargetID are this run's.
	Lost bool `json:"lost,omitempty"`

	Outcome SplitOutcome `json:"outcome"`
}

func (r *Run) splitMemory(step string) (splitMemory, bool, error) {
	return unblob[splitMemory](r.record(step).Proof, kindSplit)
}

func (b base) rememberSplit(m splitMemory) error {
	proof, err := blob(kindSplit, m)
	if err != nil {
		return err
	}
	return b.r.update(b.id, func(s *state.Step) { s.Proof = proof })
}

// splitRunner writes the input of the bulk load.
type splitRunner struct {
	base
	a plan.Split
}

func (s *splitRunner) done(ctx context.Context) (bool, string, error) {
	m, ok, err := s.r.splitMemory(s.id)
	if err != nil || !ok || !m.Done {
		return false, "the files to load are not written yet", err
	}
	id, exists, err := s.staged(ctx, s.a.Staging)
	if err != nil {
		return false, "", err
	}
	if !exists || id != m.TargetID {
		return false, stagingDir(s.a.Staging) + " does not hold the files that were written", nil
	}
	o := m.Outcome
	text := fmt.Sprintf("%s in %s (%s): %s read, %s written", plan.Counted(uint64(o.Files), "file"), stagingDir(s.a.Staging), plan.Bytes(o.Bytes),
		plan.Counted(o.In, "row"), plan.Counted(o.Out, "row"))
	if o.Expired > 0 {
		text += fmt.Sprintf(", %d expired left out", o.Expired)
	}
	if o.Skipped > 0 {
		text += fmt.Sprintf(", %d of the servers' own left out", o.Skipped)
	}
	if o.Leftover > 0 {
		text += fmt.Sprintf(", %d left out that a partition split of the source had left behind", o.Leftover)
	}
	if o.Placeholders > 0 {
		text += fmt.Sprintf(", %s empty", plan.Counted(uint64(o.Placeholders), "partition"))
	}
	return true, text, nil
}

func (s *splitRunner) run(ctx context.Context) error {
	target, err := s.target(ctx, s.a.Target)
	if err != nil {
		return err
	}
	if target.Partitions != s.a.Partitions {
		return &StepError{Step: s.id, Code: CodeSplit, Text: fmt.Sprintf("%s has %d partitions, planned were %d", s.a.Target, target.Partitions, s.a.Partitions),
			Hint: "`" + s.r.rollbackCommand() + "` and plan again"}
	}
	ref, err := s.backupOf(s.a.Backup)
	if err != nil {
		return err
	}
	m, resume, err := s.begin(ctx, target.ID, ref)
	if err != nil {
		return err
	}
	out, err := s.r.World.Files.Split(ctx, SplitJob{Split: s.a, Ref: ref, TargetID: target.ID, Resume: resume, Now: m.Now,
		Report: func(p event.MoveProgress) { p.Step = s.id; s.r.Sink.Emit(p) }})
	if err != nil {
		return s.stopped(ctx, err)
	}
	if out.In != out.Out+out.Expired+out.Skipped+out.Leftover {
		return &StepError{Step: s.id, Code: CodeSplit,
			Text: fmt.Sprintf("rows do not add up: %d read, %d written, %d expired, %d of the servers' own, %d left by a partition split",
				out.In, out.Out, out.Expired, out.Skipped, out.Leftover),
			Hint: "this is a defect of the tool: nothing is loaded; `" + s.r.rollbackCommand() + "` takes everything back"}
	}
	m.Done, m.Outcome = true, out
	return s.rememberSplit(m)
}

// begin decides whether this run goes on with what is staged, and takes down that it is this run's
// before the first file is written.
func (s *splitRunner) begin(ctx context.Context, target int32, ref BackupRef) (m splitMemory, resume bool, err error) {
	m, begun, err := s.r.splitMemory(s.id)
	if err != nil {
		return m, false, err
	}
	id, exists, err := s.staged(ctx, s.a.Staging)
	if err != nil {
		return m, false, err
	}
	switch {
	case exists && (!begun || m.Lost && id != m.TargetID), id != 0 && id != target && id != m.TargetID:
		return m, false, &StepError{Step: s.id, Code: CodeSplit,
			Text: fmt.Sprintf("%s holds files already%s, and not of this run", stagingDir(s.a.Staging), map[bool]string{true: fmt.Sprintf(", for the table with id %d", id)}[id != 0]),
			Hint: "remove that folder if nobody needs it, or declare another staging"}
	case begun && m.TargetID == target && m.Ref == ref && exists:
		m.Done = false
		return m, true, nil
	case exists: // of this run, for a table or from a backup that are no more
		if err := s.removeStaged(ctx, s.a.Staging); err != nil {
			return m, false, err
		}
	}
	m = splitMemory{TargetID: target, Now: s.r.Now(), Ref: ref}
	return m, false, s.rememberSplit(m)
}

func (s *splitRunner) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if isWriteError(err) {
		return err
	}
	hint := "when the cause is mended, run the same command again: finished units are not written twice"
	if errors.Is(err, ErrDamaged) {
		hint = "the backup is damaged: `" + s.r.rollbackCommand() + "` and apply again with a new one"
	}
	return &StepError{Step: s.id, Code: CodeSplit, Text: "the split stopped", Err: err, Hint: hint}
}

// stagingDir is the folder of a staging as an operator finds it.
func stagingDir(s plan.Staging) string {
	dir := path.Join(s.Provider.Store.Root, s.Root, s.Cluster, s.Table)
	if s.Provider.Store.Type == "hdfs_service" && len(s.Provider.Store.NameNodes) > 0 {
		return "hdfs://" + s.Provider.Store.NameNodes[0] + "/" + strings.TrimPrefix(dir, "/")
	}
	return dir
}

// staged asks what is in a staging folder.
func (b base) staged(ctx context.Context, s plan.Staging) (id int32, exists bool, err error) {
	err = b.insist(ctx, "look at "+stagingDir(s), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		var err error
		id, exists, err = b.r.World.Stores.Staged(ctx, s)
		return err
	})
	return id, exists, err
}

func (b base) removeStaged(ctx context.Context, s plan.Staging) error {
	return b.insist(ctx, "remove "+stagingDir(s), func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, b.r.Waits.Undo) // many files
		defer cancel()
		return b.r.World.Stores.RemoveStaging(ctx, s)
	})
}

// stagingRunner removes the input of a load that is over.
type stagingRunner struct {
	base
	a   plan.RemoveStaging
	ran bool
}

func (s *stagingRunner) done(ctx context.Context) (bool, string, error) {
	ours, why, err := s.stagedByUs(ctx, s.a.Staging, s.a.Step)
	return err == nil && (!ours || s.ran && why == stagingGone(s.a.Staging)), why, err
}

func (s *stagingRunner) run(ctx context.Context) error {
	s.ran = true
	return s.removeStaged(ctx, s.a.Staging)
}

// stagedByUs says whether the staging folder holds what the named step of this run wrote, and nothing
// else's. Where nothing is left of it that can be seen, empty folders of a split, or of a removal, that was
// interrupted may be: they are ours too.
func (b base) stagedByUs(ctx context.Context, st plan.Staging, step string) (ours bool, why string, err error) {
	m, begun, err := b.r.splitMemory(step)
	if err != nil {
		return false, "", err
	}
	id, exists, err := b.staged(ctx, st)
	switch {
	case err != nil:
		return false, "", err
	case !exists:
		return begun, stagingGone(st), nil
	case !begun || (id != 0 || m.Lost) && id != m.TargetID:
		return false, stagingDir(st) + " is left alone, what is in it is not of this run", nil
	}
	return true, stagingDir(st) + " is still there", nil
}

func stagingGone(st plan.Staging) string { return stagingDir(st) + " is gone" }

// undoSplit removes what this run staged.
func (b base) undoSplit(ctx context.Context, a plan.RemoveStaging) (string, error) {
	ours, why, err := b.stagedByUs(ctx, a.Staging, b.id)
	if err != nil || !ours {
		return why, err
	}
	return stagingDir(a.Staging) + " is removed", b.removeStaged(ctx, a.Staging)
}
