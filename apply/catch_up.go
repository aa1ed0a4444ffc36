package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// A catch-up ends a copy that ran while clients wrote. Before the fence goes up one pass brings over what
// they changed during the copy, so that behind it only the writes of the last moments differ. Behind it a
// pass compares everything, brings over what differs, and reads that again on both sides. With the fence
// proven to have stood from before the pass until after it, both tables hold the same rows.
//
// Behind the fence the target is read as well, although nobody but us should have written to it since the pass
// before: what was read of it earlier would call a row equal that a stranger wrote later, and nothing that servers
// tell shows that nobody did (DESIGN.md, The catch-up). It is read at the same time as the source.

// catchUpRunner compares and mends behind the fence.
type catchUpRunner struct {
	base
	a plan.CatchUp
	// caught is what this run proved, nil before.
	caught *caughtUp
	kept   json.RawMessage
}

// caughtUp adds up the passes behind one fence.
type caughtUp struct {
	rows             ComparedCounts
	written, deleted uint64
	passes           int
}

func (c *catchUpRunner) done(context.Context) (bool, string, error) {
	if c.caught == nil {
		return false, "nothing was compared behind the fence yet", nil
	}
	text := fmt.Sprintf("behind the fence %s on the source, %d on the target, 0 differences", plan.Counted(c.caught.rows.SourceRows, "row"), c.caught.rows.TargetRows)
	if n := c.caught.written + c.caught.deleted; n > 0 {
		text += fmt.Sprintf("; %s differed before: %d were written, %d deleted", plan.Counted(n, "row"), c.caught.written, c.caught.deleted)
	}
	return true, text, nil
}

// holds says whether the catch-up of an earlier run still counts. It matters for a source that stays fenced.
func (c *catchUpRunner) holds(context.Context) (bool, error) { return !c.r.leakedBefore(), nil }

func (c *catchUpRunner) run(ctx context.Context) error {
	// A default_ttl that is in force would stamp what is brought over; before the fence this was looked at,
	// unless the fence was up already when this run began.
	if err := c.parkTTL(ctx, c.a.Target); err != nil {
		return err
	}
	if _, err := c.settle(ctx, c.a.Source); err != nil { // what leaked until now is compared now
		return err
	}
	var sum caughtUp
	var leaked []int32
	for differed := 0; ; {
		sum.passes++
		out, err := c.pass(ctx, leaked)
		if err != nil {
			return err
		}
		sum.rows = out.rows()
		sum.written, sum.deleted = sum.written+out.Written, sum.deleted+out.Deleted
		if leaked, err = c.settle(ctx, c.a.Source); err != nil {
			return err
		}
		if !out.Equal() {
			differed++
			c.kept = nil // where rows stay different, nothing is taken from an earlier pass
		}
		switch {
		case out.Equal() && len(leaked) == 0:
			return c.prove(sum, out)
		case differed >= verifyRounds:
			return &DifferencesError{Step: c.id, Count: max(out.Left, 1), Hint: "they come back after they were brought over: " +
				"look whether anybody writes to " + c.a.Target.String() + ", then run the same command again; the rows copied so far stay"}
		case sum.passes >= leakRounds:
			return &StepError{Step: c.id, Code: CodeFence, Text: fmt.Sprintf("the fence leaked during each of %d comparisons", sum.passes),
				Hint: "keep primaries from moving (meta level steady) and run the same command again"}
		}
		c.warn(CodeDifferences, c.again(sum.passes, out, leaked), "")
	}
}

// again says why there is another pass.
func (c *catchUpRunner) again(passes int, out CatchUpOutcome, leaked []int32) string {
	s := fmt.Sprintf("comparing again (pass %d): ", passes+1)
	switch {
	case out.TooMany:
		return s + fmt.Sprintf("%s were brought over, too many to read each again", plan.Counted(out.Written+out.Deleted, "row"))
	case out.Left > 0:
		return s + plan.Counted(out.Left, "row") + " still differed"
	}
	return s + fmt.Sprintf("the fence may have leaked on partitions %v", firstN(leaked, 8))
}

// pass reads everything the first time, and later what may have leaked.
func (c *catchUpRunner) pass(ctx context.Context, leaked []int32) (CatchUpOutcome, error) {
	return c.catchUp(ctx, c.a, CatchUpJob{Before: c.kept, Recheck: leaked, Keep: func(kept json.RawMessage) { c.kept = kept }})
}

// catchUp is one pass, told.
func (b base) catchUp(ctx context.Context, a plan.CatchUp, job CatchUpJob) (CatchUpOutcome, error) {
	job.Source, job.Target, job.Limits, job.Options = a.Source, a.Target, a.Limits, a.Options
	job.Report = func(p event.MoveProgress) { p.Step = b.id; b.r.Sink.Emit(p) }
	begun := b.r.Now()
	out, err := b.r.World.CatchUps.CatchUp(ctx, job)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return out, context.Cause(ctx)
	case isWriteError(err):
		return out, err
	default:
		return out, &StepError{Step: b.id, Code: CodeVerify, Text: "the pass that brings over what differs could not be finished", Err: err,
			Hint: "when the cause is mended, run the same command again: the rows copied so far stay"}
	}
	b.r.Sink.Emit(event.CaughtUp{Step: b.id, Live: job.Live, SourceRows: out.Found.SourceRows, TargetRows: out.Found.TargetRows,
		Written: out.Written, Deleted: out.Deleted, Left: out.Left, Elapsed: b.r.Now().Sub(begun)})
	return out, nil
}

// prove keeps what is proven now.
func (c *catchUpRunner) prove(sum caughtUp, out CatchUpOutcome) error {
	c.caught = &sum
	now, fenced := c.r.Now(), c.r.fencedPartitions()
	if err := c.r.certify(func(cert *Certificate) {
		cert.CaughtUp, cert.Compared, cert.Written, cert.Deleted = now, sum.rows, sum.written, sum.deleted
		cert.Passes, cert.Partitions = sum.passes, fenced
	}); err != nil {
		return err
	}
	c.r.Sink.Emit(event.Verified{Step: c.id, SourceRows: sum.rows.SourceRows, TargetRows: sum.rows.TargetRows, Round: sum.passes,
		ExpiredMidway: out.Found.ExpiredMidway})
	return c.r.leaksMended()
}

// fencedPartitions are the proofs of the fence.
func (r *Run) fencedPartitions() (list []PartitionCertificate) {
	step, _, _ := r.fenceStep()
	p, _, err := r.fenceProof(step.ID)
	if err != nil {
		return nil
	}
	for _, probe := range p.Probes {
		list = append(list, PartitionCertificate{Partition: probe.Partition, Primary: probe.Primary, Ballot: probe.Ballot, Fenced: probe.At})
	}
	return list
}

// catchUpLive is the pass before the fence goes up. A fence that is up already, because a run died while it
// was being raised, has clients wait: then there is none.
func (r *Run) catchUpLive(ctx context.Context, b base) error {
	step, ok := firstStep[plan.CatchUp](r.Plan)
	if !ok {
		return nil
	}
	a := step.Action.(plan.CatchUp)
	if raised, err := r.raised(ctx); err != nil || raised {
		return err
	}
	if err := b.parkTTL(ctx, a.Target); err != nil {
		return err
	}
	begun := r.Now()
	if _, err := b.catchUp(ctx, a, CatchUpJob{Live: true}); err != nil {
		return err
	}
	took, budget := r.Now().Sub(begun), r.writeReject()
	sync, err := b.syncInterval(ctx, a.Source.Cluster)
	if left := budget - plan.LiftTime(sync); err == nil && budget > 0 && took > left && !paced(a.Limits) {
		b.warn(CodeBudget, fmt.Sprintf("comparing while clients wrote took %s; behind the fence it is done again, and of the budget of %s there are %s for it",
			plan.Duration(took.Round(time.Second)), plan.Duration(budget), plan.Duration(left)),
			"the fence is lifted in time whatever happens; raise limits.write_reject if it is not enough")
	}
	return err
}

// paced says that a pass while clients write may be slower than one behind the fence.
func paced(l plan.CopyLimits) bool {
	return l.RowsPerSecond > 0 || l.BytesPerSecond > 0 || len(l.Window) > 0 || l.StopIf != plan.StopIf{}
}

// raised says whether the source carries this run's fence.
func (r *Run) raised(ctx context.Context) (bool, error) {
	step, f, _ := r.fenceStep()
	prior, err := r.denyPrior()
	if err != nil {
		return false, err
	}
	s, err := base{r: r, id: step.ID}.table(ctx, f.Table)
	return err == nil && s.Envs[plan.EnvDeny] == f.Mode && prior.Value != f.Mode, err
}
