package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindCopied is the proof that every source partition was read to its end and acknowledged.
const kindCopied = "copied"

// copied is what the copy step leaves for the comparison.
type copied struct {
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
	// Filtered and Kept are as in CopyOutcome.
	Filtered uint64          `json:"filtered,omitempty"`
	Kept     uint64          `json:"kept,omitempty"`
	Digest   json.RawMessage `json:"digest,omitempty"`
}

func (c copied) text() string {
	s := fmt.Sprintf("%s (%s) acknowledged by the target", plan.Counted(c.Rows, "row"), plan.Bytes(c.Bytes))
	if c.Filtered > 0 {
		s += fmt.Sprintf(", %s left out by filters", plan.Counted(c.Filtered, "row"))
	}
	if c.Kept > 0 {
		s += fmt.Sprintf(", %d of them left as the target had them", c.Kept)
	}
	return s
}

// kindRecopied marks a comparison that follows a second copy: rows of the first one that the source
// has lost since are still on the target.
const kindRecopied = "recopied"

func recopied() *state.Blob {
	return &state.Blob{Kind: kindRecopied, Version: 1, Data: json.RawMessage("true")}
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
	return true, out.text(), nil
}

func (c *copyRunner) run(ctx context.Context) error {
	if err := c.parkTTL(ctx, c.a.Target); err != nil {
		return err
	}
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
		Source: c.a.Source, Target: c.a.Target, Limits: c.a.Limits, Options: c.a.Options, Unpaced: c.r.fenceUp(), Cursors: cursors,
		Save:   func(m map[string]json.RawMessage) error { return saveCursors(journal, m) },
		Report: func(p event.MoveProgress) { p.Step = c.id; c.r.Sink.Emit(p) },
	}
	out, err := c.move(ctx, job)
	if err != nil {
		return err
	}
	if err := c.unverified(ctx); err != nil {
		return err
	}
	proof, err := blob(kindCopied, copied{Rows: out.Rows, Bytes: out.Bytes, Filtered: out.Filtered, Kept: out.Kept, Digest: out.Digest})
	if err != nil {
		return err
	}
	// The proof makes the cursors worthless; a crash in between leaves both, which say the same.
	if err := c.r.update(c.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

// parkTTL takes a default_ttl of the target out of force that an earlier copy of this migration had
// finished with: it would stamp every row that has no expiry. It comes back with the step that set
// it, which is done again after the copy.
func (b base) parkTTL(ctx context.Context, t plan.TableRef) error {
	s, err := b.target(ctx, t)
	if err != nil {
		return err
	}
	if s.Envs[plan.EnvDefaultTTL] == "" {
		return nil
	}
	// Also with "0": a run that was killed right after setting it has not proven it.
	park := &parkRunner{b, plan.ParkTTL{Table: t}}
	return park.run(ctx)
}

// unverified looks once more at the fence when nothing compares the rows afterwards.
func (c *copyRunner) unverified(ctx context.Context) error {
	if c.r.watch == nil || c.r.verifies() {
		return nil
	}
	leaked, err := c.r.watch.settle(ctx)
	if err != nil || len(leaked) == 0 {
		return err
	}
	if err := c.r.copyAnew(); err != nil {
		return err
	}
	return &StepError{Step: c.id, Code: CodeFence, Text: "the fence leaked while rows were copied, and no comparison is declared that would find what changed",
		Hint: "apply again copies everything anew; leave verify out of the declaration for a full comparison"}
}

func (c *copyRunner) move(ctx context.Context, job CopyJob) (CopyOutcome, error) {
	out, err := c.r.World.Engine.Copy(ctx, job)
	if err == nil || ctx.Err() != nil || isWriteError(err) {
		return out, err
	}
	return out, &StepError{Step: c.id, Code: CodeCopy, Text: "the copy stopped", Err: err,
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

// copyAnew makes the next apply copy everything again, and lets the comparison after it take away
// what the source lost meanwhile. The journal goes first: a cursor in it would let rows be skipped.
func (r *Run) copyAnew() error {
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Copy); ok {
			if err := r.Store.Journal(s.ID).Discard(); err != nil {
				return err
			}
		}
	}
	return r.Store.Update(func(d *state.Document) error {
		for _, s := range r.Plan.Steps {
			rec := d.Step(s.ID)
			if rec == nil {
				continue
			}
			switch s.Action.(type) {
			case plan.Copy:
				rec.Status, rec.Proof, rec.Cursor = state.Pending, nil, nil
			case plan.Verify:
				rec.Cursor = recopied()
			}
		}
		return nil
	})
}

// verifies says whether the plan compares the rows.
func (r *Run) verifies() bool {
	for _, s := range r.Plan.Steps {
		if _, ok := s.Action.(plan.Verify); ok {
			return true
		}
	}
	return false
}
