package apply

import (
	"github.com/pegmigrate/pegmigrate/plan"
)

// Kinds of the blobs by which the steps before a cut-over hand over to those inside it.
const (
	// kindDuplication is the proof of AddDuplication: duplicationProof.
	kindDuplication = "duplication"
	// kindLive is the proof of CompareLive: LiveOutcome.
	kindLive = "live"
)

// liveOutcome is what the live comparison found; all zero when the plan has none.
func (r *Run) liveOutcome() (LiveOutcome, error) {
	step, ok := firstStep[plan.CompareLive](r.Plan)
	if !ok {
		return LiveOutcome{}, nil
	}
	out, ok, err := unblob[LiveOutcome](r.record(step.ID).Proof, kindLive)
	if err == nil && !ok {
		err = &StepError{Step: step.ID, Code: CodeState2, Text: "the state document does not know what the live comparison found",
			Hint: "run the same command again"}
	}
	return out, err
}
