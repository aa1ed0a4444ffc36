package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// runnerOf is the only place that maps actions to code.
func (r *Run) runnerOf(step plan.Step) (runner, error) {
	base := base{r: r, id: step.ID}
	switch a := step.Action.(type) {
	case plan.Own:
		return &ownRunner{base, a}, nil
	case plan.CreateTable:
		return &createRunner{base, a}, nil
	case plan.AwaitHealthy:
		return &healthRunner{base, a}, nil
	case plan.SetEnvs:
		return &envsRunner{base, a}, nil
	case plan.ParkTTL:
		return &parkRunner{base, a}, nil
	case plan.Approve:
		return &approveRunner{base, a}, nil
	case plan.Fence:
		return &fenceRunner{base: base, a: a}, nil
	case plan.Quiesce:
		if r.cutsOver() {
			return &freezeRunner{base, a}, nil
		}
		return &quiesceRunner{base: base, a: a}, nil
	case plan.Drain:
		return &drainRunner{base: base, a: a}, nil
	case plan.RecheckKeys:
		return &recheckRunner{base: base, a: a}, nil
	case plan.SwitchRoute:
		return &switchRunner{base, a}, nil
	case plan.Evict:
		return &evictRunner{base: base, a: a}, nil
	case plan.Copy:
		return &copyRunner{base, a}, nil
	case plan.CreateIndex:
		return &createRunner{base, plan.CreateTable(a)}, nil
	case plan.BuildIndex:
		return &indexRunner{base: base, a: a}, nil
	case plan.CatchUp:
		return &catchUpRunner{base: base, a: a}, nil
	case plan.Verify:
		return &verifyRunner{base: base, a: a}, nil
	case plan.LiftFence:
		return &liftRunner{base, a}, nil
	case plan.Disown:
		return &disownRunner{base, a}, nil
	}
	if work := r.duplicationRunner(base, step); work != nil {
		return work, nil
	}
	if work := r.filesRunner(base, step); work != nil {
		return work, nil
	}
	return nil, &StepError{Step: step.ID, Code: CodeState2, Text: fmt.Sprintf("no runner for action %q", step.Action.Kind()),
		Hint: "use the pegmigrate that made the plan"}
}

// base is what every runner has.
type base struct {
	r  *Run
	id string
}

// prior is the default: the step changes nothing that has a prior value.
func (base) prior(context.Context) (*state.Blob, error) { return nil, nil }

// warn emits a warning of this step.
func (b base) warn(code, text, hint string) {
	b.r.Sink.Emit(event.Warning{Step: b.id, Code: code, Text: text, Hint: hint})
}

// approveRunner waits at a gate by ending the run.
type approveRunner struct {
	base
	a plan.Approve
}

func (g *approveRunner) done(context.Context) (bool, string, error) {
	for _, approved := range g.r.Store.Document().Approved {
		if approved == g.a.Gate {
			return true, "gate " + g.a.Gate + " is approved", nil
		}
	}
	return false, "nobody has approved gate " + g.a.Gate, nil
}

func (g *approveRunner) run(context.Context) error {
	return &GateError{Gate: g.a.Gate, Step: g.id}
}
