package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeResurrected is the code of a look for resurrected rows that could not be finished.
const CodeResurrected = "PM3060"

const (
	// kindResurrected is a ResurrectionOutcome.
	kindResurrected = "resurrected"
	// kindResurrectedCursor is a cursor of the engine that looks.
	kindResurrectedCursor = "resurrected-cursor"
)

// resurrectionRunner deletes what the load brought back to life.
type resurrectionRunner struct {
	base
	a plan.RepairResurrected
}

func (s *resurrectionRunner) done(context.Context) (bool, string, error) {
	out, ok, err := unblob[ResurrectionOutcome](s.r.record(s.id).Proof, kindResurrected)
	if err != nil || !ok {
		return false, "nobody looked for resurrected rows yet", err
	}
	text := fmt.Sprintf("%s of the backup looked at, %d of them only on %s with the backup's value", plan.Counted(out.Rows, "row"), out.Found, s.a.Target)
	if out.Repaired > 0 {
		text += fmt.Sprintf(", %d deleted there", out.Repaired)
	}
	if out.Open > 0 {
		text += fmt.Sprintf("; %d changed meanwhile and are left to the comparison", out.Open)
	}
	return true, text, nil
}

func (s *resurrectionRunner) run(ctx context.Context) error {
	if _, err := s.target(ctx, s.a.Target); err != nil {
		return err
	}
	ref, err := s.backupOf(s.a.Backup)
	if err != nil {
		return err
	}
	journal := s.r.Store.Journal(s.id)
	cursors := map[string]json.RawMessage{}
	if err := journal.Replay(func(b state.Blob) error {
		if b.Kind == kindResurrectedCursor && b.Version == 1 {
			cursors[b.Key] = b.Data
		}
		return nil
	}); err != nil {
		return err
	}
	out, err := s.r.World.Files.RepairResurrected(ctx, ResurrectionJob{RepairResurrected: s.a, Ref: ref, Cursors: cursors,
		Save: func(m map[string]json.RawMessage) error {
			for _, key := range sorted(m) {
				if err := journal.Append(state.Blob{Kind: kindResurrectedCursor, Key: key, Version: 1, Data: m[key]}); err != nil {
					return err
				}
			}
			return journal.Sync()
		},
		Report: func(p event.MoveProgress) { p.Step = s.id; s.r.Sink.Emit(p) }})
	if err != nil {
		return s.stopped(ctx, err)
	}
	if out.Repaired > 0 {
		s.warn(CodeResurrected, fmt.Sprintf("%s had come back to life on %s, deleted there again: the target had dropped the traces of deletions before the load, or the delete of a client was still on its way there",
			plan.Counted(out.Repaired, "row"), s.a.Target), "")
	}
	proof, err := blob(kindResurrected, out)
	if err != nil {
		return err
	}
	if err := s.r.update(s.id, func(rec *state.Step) { rec.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

func (s *resurrectionRunner) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if isWriteError(err) {
		return err
	}
	return &StepError{Step: s.id, Code: CodeResurrected, Text: "the look for resurrected rows could not be finished", Err: err,
		Hint: "when the cause is mended, run the same command again: what was looked at is not looked at twice"}
}
