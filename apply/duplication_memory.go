package apply

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// duplicationProof is what is known of the duplication that this run added, or found to be its own.
type duplicationProof struct {
	// ID is the duplication's, 0 until it is known.
	ID int32 `json:"id,omitempty"`
	// Sent is when the first request that may have had an effect left; zero when none did.
	Sent time.Time `json:"sent,omitzero"`
	// Last is when the last one left.
	Last time.Time `json:"last,omitzero"`
	// Recovered is set when the state that knew more was lost: Sent is then when the migration began.
	Recovered bool `json:"recovered,omitempty"`
	// Follower is the app id of the table that the duplication created, 0 until it was seen.
	Follower int32 `json:"follower,omitempty"`
	// Leaders are the source's primaries, by partition, from before the first request until Opened.
	Leaders []ledBy `json:"leaders,omitempty"`
	// Opened is set once every partition was seen to ship its log from a decree that is stored.
	Opened bool `json:"opened,omitempty"`
	// LostBefore is what servers that keep count had lost before the first request, Lost how many
	// mutations of this duplication were lost as far as it was seen.
	LostBefore float64 `json:"lost_before,omitempty"`
	Lost       float64 `json:"lost,omitempty"`
}

// clockSkew is how far the clock of a meta server, by which duplications are dated, may be off from
// ours.
const clockSkew = 5 * time.Minute

// createdAt is when an entry was made: what the meta says, or its id, which is the second of its
// creation (meta/duplication, duplication ids).
func (d Duplication) createdAt() time.Time {
	if d.CreatedAt.IsZero() {
		return time.Unix(int64(d.ID), 0)
	}
	return d.CreatedAt
}

// mayBe says why an entry is not the one that these requests made; nil when it may be. A request
// takes effect until late after it left.
func (p duplicationProof) mayBe(d Duplication, late time.Duration) error {
	switch at := d.createdAt(); {
	case p.ID != 0 && d.ID != p.ID:
		return fmt.Errorf("this run's has id %d", p.ID)
	case p.ID != 0:
		return nil
	case p.Sent.IsZero():
		return errors.New("this run had not asked for one")
	case at.Before(p.Sent.Add(-clockSkew)):
		return fmt.Errorf("it was made at %s, this run asked at %s", stamp(at), stamp(p.Sent))
	case !p.Recovered && at.After(p.Last.Add(late+clockSkew)):
		return fmt.Errorf("it was made at %s, long after this run asked at %s", stamp(at), stamp(p.Last))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// duplicationStep is the step that adds the duplication.
// In a return it is the one that the migration added for the way back.
func (r *Run) duplicationStep() (plan.Step, plan.AddDuplication, error) {
	if r.Plan.Back {
		return plan.Step{ID: plan.ReturnStep}, plan.AddDuplication{Source: r.Plan.Source.TableRef, Target: r.Plan.Target.TableRef,
			Remote: r.Plan.Target.ClusterName, LogOnly: true}, nil
	}
	step, ok := firstStep[plan.AddDuplication](r.Plan)
	if !ok {
		return plan.Step{}, plan.AddDuplication{}, &StepError{Code: CodeState2, Text: "the plan adds no duplication", Hint: "plan again"}
	}
	return step, step.Action.(plan.AddDuplication), nil
}

// duplicationMemory is what the state knows of the duplication; all zero for nothing.
func (r *Run) duplicationMemory() (duplicationProof, error) {
	step, _, err := r.duplicationStep()
	if err != nil {
		return duplicationProof{}, err
	}
	return r.memoryOf(step.ID)
}

// memoryOf is what the state knows of the duplication that a step added.
func (r *Run) memoryOf(step string) (duplicationProof, error) {
	p, _, err := unblob[duplicationProof](r.record(step).Proof, kindDuplication)
	return p, err
}

// rememberDuplication changes what the state knows of the duplication, durably.
func (r *Run) rememberDuplication(change func(*duplicationProof)) error {
	step, _, err := r.duplicationStep()
	if err != nil {
		return err
	}
	return r.rememberOf(step.ID, change)
}

// rememberOf changes what the state knows of the duplication that a step added, durably.
func (r *Run) rememberOf(step string, change func(*duplicationProof)) error {
	p, err := r.memoryOf(step)
	if err != nil {
		return err
	}
	before := p
	if change(&p); reflect.DeepEqual(p, before) {
		return nil
	}
	proof, err := blob(kindDuplication, p)
	if err != nil {
		return err
	}
	return r.update(step, func(s *state.Step) { s.Proof = proof })
}

// duplicationID is the id of this run's duplication.
func (r *Run) duplicationID() (int32, error) {
	step, _, err := r.duplicationStep()
	if err != nil {
		return 0, err
	}
	p, err := r.duplicationMemory()
	if err == nil && p.ID == 0 {
		err = &StepError{Step: step.ID, Code: CodeState2, Text: "the state document does not know the id of the duplication",
			Hint: fmt.Sprintf("`%s` finds it again", r.Resume)}
	}
	return p.ID, err
}

// The envs that a duplication gives its follower (meta/duplication, create_follower_app_for_duplication).
const envMasterCluster = "duplication.master_cluster"

// followerOf says why a table is not the follower that this run's duplication made; nil when it is.
// Ids only grow, so a table that was there before cannot pass; the follower carries the source's envs
// of the moment of its creation, this run's marker among them, and the name of the source's cluster.
func (r *Run) followerOf(s TableState, p duplicationProof) error {
	if p.Follower != 0 {
		if p.Follower == s.ID {
			return nil
		}
		return fmt.Errorf("the follower had id %d", p.Follower)
	}
	own, err := r.priors()
	if err != nil {
		return err
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	switch {
	case p.ID == 0:
		return errors.New("this run's duplication is not known")
	case s.ID <= own.TargetHighestID:
		return fmt.Errorf("ids up to %d were there before", own.TargetHighestID)
	case s.Envs[envMasterCluster] != r.Plan.Source.ClusterName:
		return fmt.Errorf("its %s is %q, not %q", envMasterCluster, s.Envs[envMasterCluster], r.Plan.Source.ClusterName)
	case err != nil || m != nil && m.Lineage != r.Store.Document().Lineage:
		return fmt.Errorf("its %s names another owner", marker.Env)
	case m == nil && !s.CreatedAt.IsZero() && s.CreatedAt.Before(p.Sent.Add(-clockSkew)):
		return fmt.Errorf("it was created at %s, before the duplication", stamp(s.CreatedAt))
	}
	return nil
}
