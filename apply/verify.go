package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// verifyRounds bounds how often a comparison is repeated after a repair.
const verifyRounds = 4

// verifyRunner proves the copy by comparing rows. The clusters cannot tell cheaply whether it was
// done; only its own result counts, and only while the source cannot have changed since.
type verifyRunner struct {
	base
	a plan.Verify
	// clean is the result of this run, nil before.
	clean *event.Verified
}

func (v *verifyRunner) done(context.Context) (bool, string, error) {
	if v.clean == nil {
		return false, "not compared yet", nil
	}
	return true, fmt.Sprintf("%d rows on the source, %d on the target, 0 differences", v.clean.SourceRows, v.clean.TargetRows), nil
}

func (v *verifyRunner) run(ctx context.Context) error {
	inBudget, cancel, err := v.r.withBudget(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	err = v.rounds(inBudget)
	switch {
	case err == nil:
		return nil
	case overBudget(inBudget):
		return v.r.abandonWindow(ctx, v.id)
	case ctx.Err() == nil && isDifferences(err):
		return v.again(err)
	}
	return err
}

// rounds compares until a comparison is clean and the fence, when there is one, is proven not to
// have leaked since before it began. Differences that a leak explains are repaired, as are those
// that a second attempt still finds, when this run created the target.
func (v *verifyRunner) rounds(ctx context.Context) error {
	leaked, err := v.settle(ctx)
	if err != nil {
		return err
	}
	repair := v.a.Repair && (leaked || v.r.record(v.id).Attempts > 1)
	for round := 1; ; round++ {
		result, err := v.compare(ctx, round, repair)
		if err != nil {
			return err
		}
		leaked, err := v.settle(ctx)
		if err != nil {
			return err
		}
		switch {
		case result.Differences == 0 && len(result.SourceChanged) > 0:
			return v.sourceChanged(result)
		case result.Differences == 0 && !leaked:
			v.clean = &result
			return nil
		case round == verifyRounds:
			return &DifferencesError{Step: v.id, Count: result.Differences}
		case result.Differences > 0 && !repair && !(leaked && v.a.Repair):
			return &DifferencesError{Step: v.id, Count: result.Differences}
		}
		repair = v.a.Repair
		v.warn(CodeDifferences, fmt.Sprintf("comparing again (round %d): %d rows differed", round+1, result.Differences), "")
	}
}

// settle waits until the fence is proven anew, and says whether it leaked. Without a fence there
// is nothing that could.
func (v *verifyRunner) settle(ctx context.Context) (leaked bool, err error) {
	if v.r.watch == nil {
		return false, nil
	}
	partitions, err := v.r.watch.settle(ctx)
	return len(partitions) > 0, err
}

func (v *verifyRunner) compare(ctx context.Context, round int, repair bool) (event.Verified, error) {
	result, err := v.r.World.Engine.Verify(ctx, VerifyJob{
		Source: v.a.Source, Target: v.a.Target, Limits: v.a.Limits, AllowExtra: v.a.AllowExtra,
		Repair: repair, FirstDigest: v.firstDigest(round),
		Report: func(p event.MoveProgress) { p.Step = v.id; v.r.Sink.Emit(p) },
	})
	if err != nil {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		return result, &StepError{Step: v.id, Code: CodeVerify, Text: "the comparison could not be finished", Err: err,
			Hint: "run the same command again: nothing is copied twice"}
	}
	result.Step, result.Round = v.id, round
	v.r.Sink.Emit(result)
	return result, nil
}

// firstDigest is the digest that the copy took of the source. It is compared once, and only where
// the operator promised that nobody writes: behind a fence that leaked it may differ rightly.
func (v *verifyRunner) firstDigest(round int) json.RawMessage {
	if round > 1 || v.a.SourceWrites != "stopped" {
		return nil
	}
	for _, s := range v.r.Plan.Steps {
		if _, ok := s.Action.(plan.Copy); !ok {
			continue
		}
		out, _, err := unblob[copied](v.r.record(s.ID).Proof, kindCopied)
		if err != nil {
			return nil
		}
		return out.Digest
	}
	return nil
}

func (v *verifyRunner) sourceChanged(result event.Verified) error {
	err := &StepError{Step: v.id, Code: CodeSourceChanged,
		Text: fmt.Sprintf("the source was written to during the copy: %d of its partitions do not hold the rows that were read from them, %v", len(result.SourceChanged), firstN(result.SourceChanged, 8)),
		Hint: "stop the writers, or declare source_writes = \"fenced\", and apply again: everything is copied anew"}
	return v.again(err)
}

// again makes the next apply copy everything anew: rows that the source lost meanwhile are found
// by the comparison that follows.
func (v *verifyRunner) again(cause error) error {
	for _, s := range v.r.Plan.Steps {
		if _, ok := s.Action.(plan.Copy); !ok {
			continue
		}
		if err := v.r.update(s.ID, func(rec *state.Step) { rec.Status, rec.Proof, rec.Cursor = state.Pending, nil, nil }); err != nil {
			return err
		}
	}
	return cause
}

func firstN(list []int32, n int) []int32 { return list[:min(n, len(list))] }
