package apply

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// Kinds of the blobs that apply keeps in the state document. The version of each is 1.
const (
	kindIntent = "intent"
	kindProof  = "proof"
	kindPriors = "priors" // ownPriors
	kindDeny   = "deny"   // marker.Prior of replica.deny_client_request
	kindEnvs   = "envs"   // map[string]marker.Prior
	kindCreate = "create" // createPrior
	kindFence  = "fence"  // fenceProof
	kindCursor = "copy-cursor"
	// KindPlan is the plan that a document carries out.
	KindPlan = "plan"
)

// NewDocument makes the state document with which a migration begins.
func NewDocument(p *plan.Plan, lineage, toolVersion string) (*state.Document, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("store the plan: %w", err)
	}
	doc := &state.Document{
		ToolVersion: toolVersion, Lineage: lineage, Migration: p.Migration,
		ConfigFingerprint: p.ConfigFingerprint, IdentityFingerprint: p.IdentityFingerprint, PlanFingerprint: p.ID,
		Plan: &state.Blob{Kind: KindPlan, Version: plan.FormatVersion, Data: data},
	}
	for _, s := range p.Steps {
		doc.Steps = append(doc.Steps, state.Step{ID: s.ID, Status: state.Pending})
	}
	return doc, nil
}

// PlanOf reads the plan that a document carries out.
func PlanOf(doc *state.Document) (*plan.Plan, error) {
	if doc.Plan == nil || doc.Plan.Kind != KindPlan {
		return nil, &StepError{Code: CodeState2, Text: "the state document holds no plan",
			Hint: "restore its .backup, or `pegmigrate apply -adopt`"}
	}
	if doc.Plan.Version != plan.FormatVersion {
		return nil, &StepError{Code: CodeState2,
			Text: fmt.Sprintf("the migration was begun with plan format %d, this pegmigrate knows %d", doc.Plan.Version, plan.FormatVersion),
			Hint: "finish it with pegmigrate " + doc.ToolVersion}
	}
	p := &plan.Plan{}
	if err := json.Unmarshal(doc.Plan.Data, p); err != nil {
		return nil, &StepError{Code: CodeState2, Text: "the plan in the state document cannot be read", Err: err,
			Hint: "restore its .backup, or `pegmigrate apply -adopt`"}
	}
	return p, nil
}

// record gives a step's memory; a step that the document does not know is pending.
func (r *Run) record(id string) state.Step {
	if s := r.Store.Document().Step(id); s != nil {
		return *s
	}
	return state.Step{ID: id, Status: state.Pending}
}

// intend makes the intent, and the prior value when this is the first attempt, durable.
func (r *Run) intend(ctx context.Context, step plan.Step, work runner) error {
	prior := r.record(step.ID).Prior
	if prior == nil {
		var err error
		if prior, err = work.prior(ctx); err != nil {
			return err
		}
	}
	intent, err := blob(kindIntent, step)
	if err != nil {
		return err
	}
	return r.update(step.ID, func(s *state.Step) {
		s.Status = state.Intended
		s.Intent = intent
		s.Prior = prior
		s.Attempts++
		s.Error = ""
		if s.Started.IsZero() {
			s.Started = r.Now()
		}
	})
}

func (r *Run) recordDone(id, proof string) error {
	p, err := blob(kindProof, proof)
	if err != nil {
		return err
	}
	return r.update(id, func(s *state.Step) {
		s.Status = state.Done
		s.Finished = r.Now()
		if s.Proof == nil || s.Proof.Kind == kindProof {
			s.Proof = p
		}
	})
}

// recordFailure keeps the text for `status`. That it could not be written is the smaller trouble:
// the failure itself is reported anyway.
func (r *Run) recordFailure(id string, cause error) {
	_ = r.update(id, func(s *state.Step) {
		s.Status = state.Failed
		s.Finished = r.Now()
		s.Error = cause.Error()
	})
}

// update changes one step's record, durably.
func (r *Run) update(id string, change func(*state.Step)) error {
	return r.Store.Update(func(d *state.Document) error {
		s := d.Step(id)
		if s == nil {
			return &StepError{Step: id, Code: CodeState2, Text: "the state document does not know this step",
				Hint: "the plan and the state do not belong together: plan again"}
		}
		change(s)
		return nil
	})
}

// blob wraps a value for the state document.
func blob(kind string, v any) (*state.Blob, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", kind, err)
	}
	return &state.Blob{Kind: kind, Version: 1, Data: data}, nil
}

// unblob reads a value back; false when the blob is absent or of another kind.
func unblob[T any](b *state.Blob, kind string) (T, bool, error) {
	var v T
	if b == nil || b.Kind != kind {
		return v, false, nil
	}
	if b.Version != 1 {
		return v, false, &StepError{Code: CodeState2, Text: fmt.Sprintf("%s has version %d in the state document, 1 is known", kind, b.Version),
			Hint: "use the pegmigrate that wrote it"}
	}
	if err := json.Unmarshal(b.Data, &v); err != nil {
		return v, false, &StepError{Code: CodeState2, Text: kind + " cannot be read in the state document", Err: err,
			Hint: "restore its .backup, or `pegmigrate apply -adopt`"}
	}
	return v, true, nil
}
