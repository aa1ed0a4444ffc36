package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	// verifyRounds bounds the comparisons that find differences: after as many repairs something
	// else is wrong.
	verifyRounds = 4
	// leakRounds bounds all comparisons. One that only follows a leak reads the units that leaked,
	// so a cluster whose primaries move now and then does not make a large table start over.
	leakRounds = 24
)

// verifyRunner proves the copy by comparing rows. The clusters cannot tell cheaply whether it was
// done; only its own result counts, and only while the source cannot have changed since.
type verifyRunner struct {
	base
	a plan.Verify
	// clean is the result of this run, nil before.
	clean *event.Verified
	// kept is the last comparison in the engine's own form.
	kept json.RawMessage
}

func (v *verifyRunner) done(context.Context) (bool, string, error) {
	if v.clean == nil {
		return false, "not compared yet", nil
	}
	return true, v.text(), nil
}

// text says what was compared, and no more than that.
func (v *verifyRunner) text() string {
	counts := fmt.Sprintf("%s on the source, %d on the target", plan.Counted(v.clean.SourceRows, "row"), v.clean.TargetRows)
	switch v.a.Mode {
	case plan.VerifyCount:
		return counts + "; only their numbers were compared"
	case plan.VerifySample:
		return fmt.Sprintf("%s in a sample of %s of the rows, 0 differences there", counts, share(v.a.Sample))
	}
	return counts + ", 0 differences"
}

func (v *verifyRunner) run(ctx context.Context) error {
	err := v.rounds(ctx)
	if err == nil {
		return v.r.leaksMended()
	}
	if ctx.Err() != nil || !v.disproven(err) || v.onTheMove() {
		return err
	}
	if again := v.r.copyAnew(); again != nil {
		return again
	}
	return err
}

// holds says whether a comparison of an earlier run still counts. It matters for a source that stays
// fenced: what leaked in while nobody was at work is on the source alone.
func (v *verifyRunner) holds(context.Context) (bool, error) { return !v.r.leakedBefore(), nil }

// disproven says that the comparison ended and the rows were not what they should be.
func (v *verifyRunner) disproven(err error) bool {
	var step *StepError
	return isDifferences(err) || errors.As(err, &step) && step.Code == CodeSourceChanged
}

// onTheMove says that a difference may be a write of a moment ago, which copying everything again
// would not catch up with.
func (v *verifyRunner) onTheMove() bool { return v.a.SourceWrites == "accepted" && v.mends() }

// mends says whether differences may be repaired: never those of a part of the rows, which would only hide
// the others.
func (v *verifyRunner) mends() bool { return v.a.Repair && v.whole() }

// whole says that every row of the comparison's tables is looked at.
func (v *verifyRunner) whole() bool { return v.a.Mode == "" || v.a.Mode == plan.VerifyFull }

// rounds compares until a comparison is clean and the fence, when there is one, is proven not to
// have leaked since before it began. When this run created the target, differences are repaired
// that have an explanation: a fence that leaked, an earlier copy, writes that were not stopped.
// Others end the run the first time; they are nothing to be mended in silence.
func (v *verifyRunner) rounds(ctx context.Context) error {
	leaked, err := v.settle(ctx, v.a.Source)
	if err != nil {
		return err
	}
	repair := v.mends() && (len(leaked) > 0 || v.r.leakedBefore() || v.secondCopy() || v.onTheMove())
	leaked = nil // the first comparison is of everything
	differed := 0
	for round := 1; ; round++ {
		result, err := v.compare(ctx, round, repair, leaked)
		if err != nil {
			return err
		}
		if leaked, err = v.settle(ctx, v.a.Source); err != nil {
			return err
		}
		if result.Differences > 0 {
			differed++
		}
		if over, err := v.judge(result, repair, leaked, round, differed); over {
			return err
		}
		repair = v.mends() && (repair || len(leaked) > 0)
		v.warn(CodeDifferences, fmt.Sprintf("comparing again (round %d): %s differed%s", round+1, plan.Counted(result.Differences, "row"),
			map[bool]string{true: fmt.Sprintf(", the fence may have leaked on partitions %v", firstN(leaked, 8))}[len(leaked) > 0]), "")
	}
}

// judge says whether a comparison ends the rounds, and how.
func (v *verifyRunner) judge(result event.Verified, repair bool, leaked []int32, round, differed int) (over bool, err error) {
	switch {
	case len(result.SourceChanged) > 0:
		return true, v.sourceChanged(result)
	case result.Differences == 0 && len(leaked) == 0:
		v.clean = &result
		return true, nil
	case result.Differences == 0 && round >= leakRounds:
		return true, &StepError{Step: v.id, Code: CodeFence, Text: fmt.Sprintf("the fence leaked during each of %d comparisons", round),
			Hint: "keep primaries from moving (meta level steady) and run the same command again"}
	case differed >= verifyRounds, round >= leakRounds, result.Differences > 0 && !repair && !(len(leaked) > 0 && v.mends()):
		return true, v.differ(result)
	}
	return false, nil
}

// differ is the error for a comparison that is not clean.
func (v *verifyRunner) differ(result event.Verified) *DifferencesError {
	return &DifferencesError{Step: v.id, Count: result.Differences, Mode: v.a.Mode, Sample: v.a.Sample,
		SourceRows: result.SourceRows, TargetRows: result.TargetRows}
}

// settle waits until the fence is proven anew, and says on which partitions it may have leaked.
// Without a fence there is nothing that could. What leaked in may still be on its way to the
// secondaries, and would be read by a later scan only.
func (b base) settle(ctx context.Context, source plan.TableRef) (leaked []int32, err error) {
	if b.r.watch == nil {
		return nil, nil
	}
	if leaked, err = b.r.watch.settle(ctx); err != nil || len(leaked) == 0 {
		return leaked, err
	}
	quiesce := &quiesceRunner{base: b, a: plan.Quiesce{Table: source}}
	return leaked, quiesce.run(ctx)
}

// leakedBefore says that the fence may have let writes in while no run was at work.
func (r *Run) leakedBefore() bool {
	step, _, _ := r.fenceStep()
	p, _, err := r.fenceProof(step.ID)
	return err == nil && p.Leaked
}

// leaksMended notes that everything was compared since the fence leaked.
func (r *Run) leaksMended() error {
	if !r.leakedBefore() {
		return nil
	}
	step, fence, _ := r.fenceStep()
	return (&fenceRunner{base: base{r: r, id: step.ID}, a: fence}).amend(func(p *fenceProof) { p.Leaked = false })
}

// secondCopy says that rows of an earlier copy may be on the target.
func (v *verifyRunner) secondCopy() bool {
	c := v.r.record(v.id).Cursor
	return c != nil && c.Kind == kindRecopied
}

// compare reads everything in the first round, and later what differed or may have leaked since.
func (v *verifyRunner) compare(ctx context.Context, round int, repair bool, leaked []int32) (event.Verified, error) {
	result, err := v.r.World.Engine.Verify(ctx, VerifyJob{
		Source: v.a.Source, Target: v.a.Target, Limits: v.a.Limits, Options: v.a.Options, Mode: v.a.Mode, Sample: v.a.Sample,
		Unpaced: v.r.fenceUp(), AllowExtra: v.a.AllowExtra,
		Repair: repair, FirstDigest: v.firstDigest(round),
		Before: v.kept, Recheck: leaked, Keep: func(kept json.RawMessage) { v.kept = kept },
		Report: func(p event.MoveProgress) { p.Step = v.id; v.r.Sink.Emit(p) },
	})
	if err != nil {
		if ctx.Err() != nil {
			return result, context.Cause(ctx)
		}
		return result, &StepError{Step: v.id, Code: CodeVerify, Text: "the comparison could not be finished", Err: err,
			Hint: "run the same command again: nothing is copied twice"}
	}
	result.Step, result.Round = v.id, round
	if result.Stamped > 0 {
		v.warn(CodeTTL, fmt.Sprintf("%s got an expiry from the source's default_ttl since they were copied; the target's will do the same", plan.Counted(result.Stamped, "row")), "")
	}
	v.r.Sink.Emit(result)
	return result, nil
}

// firstDigest is the digest that the copy took of the source. It is compared once, and only where
// the operator promised that nobody writes: behind a fence that leaked it may differ rightly. Copy and
// comparison must have read everything.
func (v *verifyRunner) firstDigest(round int) json.RawMessage {
	if o := v.a.Options; round > 1 || v.a.SourceWrites != "stopped" || !v.whole() || !o.Rows().All() || o.DropValue {
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

// sourceChanged ends a run whose operator promised that nobody writes. The rows may be equal all
// the same, but nothing proves it.
func (v *verifyRunner) sourceChanged(result event.Verified) error {
	text := fmt.Sprintf("the source was written to during the copy: %d of its partitions do not hold the rows that were read from them, %v",
		len(result.SourceChanged), firstN(result.SourceChanged, 8))
	hint := "stop the writers, or declare source_writes = \"fenced\", and apply again: everything is copied anew"
	if result.Differences == 0 {
		return &StepError{Step: v.id, Code: CodeSourceChanged, Text: text, Hint: hint}
	}
	v.warn(CodeSourceChanged, text, hint)
	differ := v.differ(result)
	differ.SourceChanged = len(result.SourceChanged)
	return differ
}

func firstN(list []int32, n int) []int32 { return list[:min(n, len(list))] }
