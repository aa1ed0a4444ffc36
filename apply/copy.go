package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindCopied is the proof that every source partition was read to its end and acknowledged.
const kindCopied = "copied"

// copied is what the copy step leaves for the comparison.
type copied struct {
	Rows    uint64          `json:"rows"`
	Bytes   uint64          `json:"bytes"`
	Expired uint64          `json:"expired"`
	Digest  json.RawMessage `json:"digest,omitempty"`
}

// copyRunner moves the rows.
type copyRunner struct {
	base
	a plan.Copy
}

func (c *copyRunner) done(context.Context) (bool, string, error) {
	out, ok, err := unblob[copied](c.r.record(c.id).Proof, kindCopied)
	if err != nil || !ok {
		return false, "not every partition is copied", err
	}
	return true, fmt.Sprintf("%d rows (%s) acknowledged by the target, %d had expired", out.Rows, plan.Bytes(out.Bytes), out.Expired), nil
}

func (c *copyRunner) run(ctx context.Context) error {
	journal := c.r.Store.Journal(c.id)
	cursors := map[string]json.RawMessage{}
	if err := journal.Replay(func(b state.Blob) error {
		if b.Kind == kindCursor && b.Version == 1 {
			cursors[b.Key] = b.Data
		}
		return nil
	}); err != nil {
		return err
	}
	job := CopyJob{
		Source: c.a.Source, Target: c.a.Target, Limits: c.a.Limits, Cursors: cursors,
		Save:   func(m map[string]json.RawMessage) error { return saveCursors(journal, m) },
		Report: func(p event.MoveProgress) { p.Step = c.id; c.r.Sink.Emit(p) },
	}
	out, err := c.move(ctx, job)
	if err != nil {
		return err
	}
	c.r.moved = out
	proof, err := blob(kindCopied, copied{Rows: out.Rows, Bytes: out.Bytes, Expired: out.Expired, Digest: out.Digest})
	if err != nil {
		return err
	}
	// The proof makes the cursors worthless; a crash in between leaves both, which say the same.
	if err := c.r.update(c.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

func (c *copyRunner) move(ctx context.Context, job CopyJob) (CopyOutcome, error) {
	inBudget, cancel, err := c.r.withBudget(ctx)
	if err != nil {
		return CopyOutcome{}, err
	}
	defer cancel()
	out, err := c.r.World.Engine.Copy(inBudget, job)
	switch {
	case err == nil:
		return out, nil
	case overBudget(inBudget):
		return CopyOutcome{}, c.r.abandonWindow(ctx, c.id)
	case ctx.Err() != nil || isWriteError(err):
		return CopyOutcome{}, err
	}
	return CopyOutcome{}, &StepError{Step: c.id, Code: CodeCopy, Text: "the copy stopped", Err: err,
		Hint: "when the cause is mended, run the same command again: it goes on from the saved cursors"}
}

func saveCursors(journal *state.Journal, cursors map[string]json.RawMessage) error {
	for _, key := range sortedKeys(cursors) {
		if err := journal.Append(state.Blob{Kind: kindCursor, Key: key, Version: 1, Data: cursors[key]}); err != nil {
			return err
		}
	}
	return journal.Sync()
}

// errOverBudget is the cause of a context that ends because the reject window does.
var errOverBudget = errors.New("write-reject budget used up")

func overBudget(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errOverBudget) }

// withBudget ends the context when lifting the fence has to begin.
func (r *Run) withBudget(ctx context.Context) (context.Context, context.CancelFunc, error) {
	left, ok, err := r.budgetLeft(ctx)
	if err != nil || !ok {
		return ctx, func() {}, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, max(left, 0), errOverBudget)
	return bounded, cancel, nil
}

// abandonWindow lifts the fence and forgets what was copied behind it: rows may change from now
// on. The next apply starts the window anew.
func (r *Run) abandonWindow(ctx context.Context, at string) error {
	budget := r.writeReject()
	for _, s := range r.Plan.Steps {
		f, ok := s.Action.(plan.Fence)
		if !ok {
			continue
		}
		if err := r.undoFence(ctx, s.ID, f.Table); err != nil {
			return err
		}
	}
	if err := r.forgetMove(); err != nil {
		return err
	}
	return &BudgetError{Step: at, Budget: budget}
}

// forgetMove sets the steps from the fence to the comparison back to pending.
func (r *Run) forgetMove() error {
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Copy:
			if err := r.Store.Journal(s.ID).Discard(); err != nil {
				return err
			}
		case plan.Fence, plan.Quiesce, plan.Verify:
		default:
			continue
		}
		if err := r.update(s.ID, func(rec *state.Step) {
			rec.Status, rec.Proof, rec.Cursor = state.Pending, nil, nil
			if _, ok := s.Action.(plan.Fence); ok {
				rec.Prior = nil // taken anew with the next fence
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// overdueFence lifts a fence whose budget ended while nobody was at work, before anything else.
func (r *Run) overdueFence(ctx context.Context) error {
	if !r.fenceUp() {
		return nil
	}
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Fence); !ok {
			continue
		}
		p, known, err := unblob[fenceProof](r.record(s.ID).Proof, kindFence)
		if err != nil {
			return err
		}
		if known && !p.Until.IsZero() && r.Now().After(p.Until) {
			return r.abandonWindow(ctx, s.ID)
		}
	}
	return nil
}
