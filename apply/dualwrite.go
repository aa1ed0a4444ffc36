package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeDualWrite is the code of dual writing that is not proven.
const CodeDualWrite = "PM3059"

// kindDualWrite is dualWriteProof.
const kindDualWrite = "dual-write"

// DualPatience is how long a write that clients make on both tables may be on one of them only: they try
// again until their deadline, which is seconds, and meanwhile partitions may reject writes because they
// ingest.
const DualPatience = time.Minute

// dualWriteProof is what was seen of dual writing, and when.
type dualWriteProof struct {
	At      time.Time        `json:"at"`
	Since   time.Time        `json:"since"`
	Outcome DualWriteOutcome `json:"outcome"`
}

// dualWriteRunner proves that clients write both tables.
type dualWriteRunner struct {
	base
	a plan.ProveDualWrite
}

func (d *dualWriteRunner) done(context.Context) (bool, string, error) {
	p, ok, err := unblob[dualWriteProof](d.r.record(d.id).Proof, kindDualWrite)
	if err != nil || !ok {
		return false, "no write was seen on both tables yet", err
	}
	return true, p.Outcome.text(d.a), nil
}

// text says what was seen and what it proves. With n of n sampled writes seen, the share of writes that
// miss the target is below 3/n with 95 % confidence (rule of three).
func (o DualWriteOutcome) text(a plan.ProveDualWrite) string {
	text := fmt.Sprintf("%s of %s written since the gate are on %s, equal", plan.Counted(uint64(o.Both+o.Lagging), "row"), a.Source, a.Target)
	if o.Lagging > 0 {
		text += fmt.Sprintf(" (%d only at a later look)", o.Lagging)
	}
	switch n := o.Both + o.Lagging; {
	case n >= 6:
		text += fmt.Sprintf("; with 95 %% confidence less than one write in %d misses the target", n/3)
	default:
		text += "; too few to say more than that some clients do it"
	}
	return text + "; deletes leave nothing to look at: the resurrection check looks for theirs"
}

func (d *dualWriteRunner) run(ctx context.Context) error {
	since := d.r.record(d.a.Gate).Finished
	if since.IsZero() {
		return &StepError{Step: d.id, Code: CodeState2, Text: fmt.Sprintf("the state document does not tell when gate step %q was passed", d.a.Gate),
			Hint: "run the same command again: it goes through the gate first"}
	}
	if _, err := d.target(ctx, d.a.Target); err != nil {
		return err
	}
	out, err := d.r.World.DualWrites.ProveDualWrite(ctx, DualWriteJob{ProveDualWrite: d.a, Since: since, Patience: d.r.Waits.Arrival,
		Report: func(p event.MoveProgress) { p.Step = d.id; d.r.Sink.Emit(p) }})
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &StepError{Step: d.id, Code: CodeDualWrite, Text: "whether clients write both tables could not be looked at", Err: err,
			Hint: "when the cause is mended, run the same command again"}
	}
	if err := d.judge(out, since); err != nil {
		return err
	}
	proof, err := blob(kindDualWrite, dualWriteProof{At: d.r.Now(), Since: since, Outcome: out})
	if err != nil {
		return err
	}
	return d.r.update(d.id, func(s *state.Step) { s.Proof = proof })
}

// judge refuses what proves nothing, and what proves the contrary.
func (d *dualWriteRunner) judge(out DualWriteOutcome, since time.Time) error {
	seen := out.Both + out.Lagging
	switch {
	case out.Missing > 0 && seen == 0:
		return d.refuse(fmt.Sprintf("%s receives no writes: none of the %s written on %s since %s is there%s", d.a.Target, plan.Counted(uint64(out.Missing), "row"),
			d.a.Source, since.UTC().Format("15:04:05 MST"), examples(out.Examples)),
			"see that every writer writes both tables")
	case out.Missing > 0:
		return d.refuse(fmt.Sprintf("some writes miss %s: of %s written on %s since %s, %d are not there or differ%s", d.a.Target, plan.Counted(uint64(seen+out.Missing), "row"),
			d.a.Source, since.UTC().Format("15:04:05 MST"), out.Missing, examples(out.Examples)),
			"find the writer of these keys: it writes the source alone, or does not try again when the target rejects")
	case seen == 0:
		return d.refuse(fmt.Sprintf("nobody wrote to %s within %s: dual writing cannot be proven", d.a.Source, plan.Duration(d.a.For)),
			"let an application write some rows, on both tables")
	case seen < d.a.Rows:
		d.warn(CodeDualWrite, fmt.Sprintf("only %s were seen, wanted were %d: that every writer writes both tables is mostly your word", plan.Counted(uint64(seen), "write"), d.a.Rows),
			"the comparison before the cut-over finds what a writer left out")
	}
	return nil
}

func (d *dualWriteRunner) refuse(text, hint string) error {
	return &StepError{Step: d.id, Code: CodeDualWrite, Text: text, Hint: hint + ", then run the same command again"}
}

func examples(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return ", such as " + strings.Join(keys[:min(len(keys), 3)], ", ")
}

// closingDual is the last word of a migration whose clients wrote both tables; "" for others.
func (r *Run) closingDual() string {
	if !r.writtenTwice() {
		return ""
	}
	text := fmt.Sprintf("%s has the rows of %s and what clients wrote to both since", r.Plan.Target.TableRef, r.Plan.Source.TableRef)
	step, ok := firstStep[plan.CompareLive](r.Plan)
	if !ok {
		return text + "; nothing was compared"
	}
	out, _, _ := unblob[LiveOutcome](r.record(step.ID).Proof, kindLive) // absent, there is less to say
	text += fmt.Sprintf(": %s on the source, %d on the target, 0 differences", plan.Counted(out.SourceRows, "row"), out.TargetRows)
	if out.OpenCount > 0 || out.TooMany {
		text += fmt.Sprintf("; %d keys kept changing while they were compared", out.OpenCount)
	}
	return text
}

// writtenTwice says that clients themselves write both tables.
func (r *Run) writtenTwice() bool {
	_, ok := firstStep[plan.ProveDualWrite](r.Plan)
	return ok
}
