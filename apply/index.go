package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindIndexed is the proof that an index holds what it should.
const kindIndexed = "indexed"

// indexed is the proof of an index. Of is when the rows that it is of were proven: where the source stays fenced
// and its fence leaked, they may be mended later.
type indexed struct {
	IndexOutcome
	Of time.Time `json:"of"`
}

// rowsProven is when the last step ended that brings rows to the target or compares them.
func (r *Run) rowsProven() time.Time {
	var last time.Time
	for _, s := range r.Plan.Steps {
		switch s.Action.(type) {
		case plan.Copy, plan.CatchUp, plan.Verify:
			if at := r.record(s.ID).Finished; at.After(last) {
				last = at
			}
		}
	}
	return last
}

// indexRunner makes the geo index of the target and proves it.
type indexRunner struct {
	base
	a plan.BuildIndex
}

func (x *indexRunner) done(context.Context) (bool, string, error) {
	out, ok, err := unblob[indexed](x.r.record(x.id).Proof, kindIndexed)
	if err != nil || !ok {
		return false, "the index is not proven yet", err
	}
	if x.r.rowsProven().After(out.Of) {
		return false, "rows of " + x.a.Table.String() + " were brought over after the index was proven", nil
	}
	text := fmt.Sprintf("%s of %s for %s, 0 differences", plan.Counted(out.Held, "row"), x.a.Index, plan.Counted(out.Rows, "row"))
	if out.Unplaced > 0 {
		text += fmt.Sprintf("; %s without a position", plan.Counted(out.Unplaced, "row"))
	}
	if out.Fleeting > 0 {
		text += fmt.Sprintf("; %s about to expire were not compared", plan.Counted(out.Fleeting, "row"))
	}
	return true, text, nil
}

// holds says whether the index that an earlier run proved is of the rows that the table has now.
func (x *indexRunner) holds(ctx context.Context) (bool, error) {
	held, _, err := x.done(ctx)
	return held, err
}

func (x *indexRunner) run(ctx context.Context) error {
	if err := x.whole(ctx); err != nil {
		return err
	}
	if err := x.ours(ctx); err != nil {
		return err
	}
	if err := x.markIndex(ctx); err != nil {
		return err
	}
	journal := x.r.Store.Journal(x.id)
	job := IndexJob{Table: x.a.Table, Index: x.a.Index, Geo: x.a.Geo, Limits: x.a.Limits, Unpaced: x.r.fenceUp(), Cursors: map[string]json.RawMessage{},
		Save:   func(m map[string]json.RawMessage) error { return saveCursors(journal, m) },
		Report: func(p event.MoveProgress) { p.Step = x.id; x.r.Sink.Emit(p) },
	}
	if err := journal.Replay(func(b state.Blob) error {
		if b.Kind == kindCursor && b.Version == 1 {
			job.Cursors[b.Key] = b.Data
		}
		return nil
	}); err != nil {
		return err
	}
	if err := x.r.World.Indexes.Build(ctx, job); err != nil {
		return x.stopped(ctx, err)
	}
	out, err := x.r.World.Indexes.Prove(ctx, job)
	if err != nil {
		return x.stopped(ctx, err)
	}
	return x.judge(journal, out)
}

// judge keeps what was found. After differences the next run writes every row again, which mends all but rows
// that are too many.
func (x *indexRunner) judge(journal *state.Journal, out IndexOutcome) error {
	if out.Differences > 0 {
		if err := journal.Discard(); err != nil {
			return err
		}
		return &DifferencesError{Step: x.id, Count: out.Differences,
			Text: fmt.Sprintf("%s holds %s, and %s of %s have a position; partitions %v of the index differ", x.a.Index, plan.Counted(out.Held, "row"),
				plan.Counted(out.Rows-out.Unplaced, "row"), x.a.Table, firstN(out.Differing, 8)),
			Hint: "look whether anybody writes to " + x.a.Table.String() + " or its index, then run the same command again: it writes every index row anew; rows that are too many go with `pegmigrate rollback` only"}
	}
	if out.Unplaced > 0 {
		x.warn(CodeIndex, fmt.Sprintf("%s of %s have no position and are not in the index", plan.Counted(out.Unplaced, "row"), x.a.Table), "")
	}
	proof, err := blob(kindIndexed, indexed{out, x.r.rowsProven()})
	if err != nil {
		return err
	}
	if err := x.r.update(x.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

// stopped says what to do when the index could not be made.
func (x *indexRunner) stopped(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil || isWriteError(err):
		return err
	case errors.Is(err, ErrNoPosition):
		return &StepError{Step: x.id, Code: CodeIndex, Text: "a row has no place in the index", Err: err,
			Hint: "mend the row, check latitude_index and longitude_index, or declare on_undecodable = \"skip\", and run the same command again"}
	}
	return &StepError{Step: x.id, Code: CodeCopy, Text: "the index could not be made", Err: err,
		Hint: "when the cause is mended, run the same command again: it goes on from the saved cursors"}
}

// whole waits until the index table is fully replicated.
func (x *indexRunner) whole(ctx context.Context) error {
	return x.await(ctx, x.r.Waits.Healthy, CodeNeverHealthy, "look at the target's replica servers; `pegmigrate rollback` drops the table",
		func(ctx context.Context) (bool, string, error) {
			ctx, cancel := x.call(ctx)
			defer cancel()
			health, err := x.r.World.Tables.Health(ctx, x.a.Index)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return health.Full >= health.Partitions && health.Partitions > 0,
				fmt.Sprintf("%d of %d partitions of %s fully replicated, %d without primary", health.Full, health.Partitions, x.a.Index, health.NoPrimary), nil
		})
}

// ours refuses an index table that is not the one that this run created, or that would stamp rows.
func (x *indexRunner) ours(ctx context.Context) error {
	s, err := x.table(ctx, x.a.Index)
	if err != nil {
		return err
	}
	step, ok := firstStep[plan.CreateIndex](x.r.Plan)
	if !ok {
		return &StepError{Step: x.id, Code: CodeState2, Text: "the plan does not create the table of the index", Hint: "plan again"}
	}
	memory, err := x.r.created(step.ID)
	if err != nil {
		return err
	}
	if memory.ID != s.ID {
		return &StepError{Step: x.id, Code: CodeTargetStolen, Text: fmt.Sprintf("%s has id %d, this run created id %d", x.a.Index, s.ID, memory.ID),
			Hint: "somebody dropped the table and made another: `pegmigrate rollback`, then plan again"}
	}
	if ttl := s.Envs[plan.EnvDefaultTTL]; ttl != "" && ttl != "0" {
		return &StepError{Step: x.id, Code: CodeTTL, Text: fmt.Sprintf("%s has got default_ttl=%s, which would stamp its rows", x.a.Index, ttl),
			Hint: "set it to 0 until the run is done"}
	}
	return nil
}
