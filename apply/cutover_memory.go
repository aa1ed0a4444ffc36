package apply

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Kinds of the blobs by which the steps before a cut-over hand over to those inside it.
const (
	// kindDuplication is the proof of AddDuplication: duplicationProof.
	kindDuplication = "duplication"
	// kindLive is the proof of CompareLive: LiveOutcome.
	kindLive = "live"
)

// duplicationProof is what is known of the duplication that this run added, or adopted as its own.
type duplicationProof struct {
	ID int32 `json:"id"`
}

// duplicationID is the id of this run's duplication.
func (r *Run) duplicationID() (int32, error) {
	step, ok := firstStep[plan.AddDuplication](r.Plan)
	if !ok {
		return 0, &StepError{Code: CodeState2, Text: "the plan adds no duplication", Hint: "plan again"}
	}
	p, ok, err := unblob[duplicationProof](r.record(step.ID).Proof, kindDuplication)
	if err == nil && !ok {
		err = &StepError{Step: step.ID, Code: CodeState2, Text: "the state document does not know the id of the duplication",
			Hint: fmt.Sprintf("`%s` finds it again", r.Resume)}
	}
	return p.ID, err
}

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
