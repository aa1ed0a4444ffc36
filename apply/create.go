package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// created is the memory of a creation: the app id is what rollback may drop.
type created struct {
	ID int32 `json:"id,omitempty"`
	// Sent is set before a create request leaves and taken back when its answer says that it did
	// nothing: only while it is set may a table that turns up be ours.
	Sent bool `json:"sent,omitempty"`
}

// createRunner creates the target.
type createRunner struct {
	base
	a plan.CreateTable
}

// done accepts only a table that this run made: one whose id was recorded, or one that turned up,
// with the planned shape, after a create request whose answer is not known.
func (c *createRunner) done(ctx context.Context) (bool, string, error) {
	s, err := c.table(ctx, c.a.Table)
	if err != nil && !errors.Is(err, ErrNoTable) {
		return false, "", err
	}
	return c.judge(s, err == nil)
}

func (c *createRunner) judge(s TableState, exists bool) (bool, string, error) {
	memory, err := c.r.created(c.id)
	if err != nil {
		return false, "", err
	}
	switch {
	case !exists && memory.ID == 0:
		return false, c.a.Table.String() + " does not exist", nil
	case !exists:
		return false, "", &StepError{Step: c.id, Code: CodeTargetStolen,
			Text: fmt.Sprintf("%s, which this run created with id %d, is gone", c.a.Table, memory.ID),
			Hint: "recall it, or `pegmigrate rollback` and plan again"}
	case memory.ID != 0 && memory.ID != s.ID:
		return false, "", c.stolen(s, fmt.Sprintf("this run created id %d", memory.ID))
	case memory.ID == 0:
		if err := c.plausible(s, memory); err != nil {
			return false, "", err
		}
		if err := c.remember(created{ID: s.ID}); err != nil {
			return false, "", err
		}
	}
	return true, fmt.Sprintf("%s exists with id %d", c.a.Table, s.ID), nil
}

// plausible judges a table that may be ours. Ids only grow, so one that existed before the
// migration began cannot pass; our marker cannot be a stranger's; and a table that somebody else
// made in the same moment, in the same shape, passes only if it has no env that we did not ask for.
func (c *createRunner) plausible(s TableState, memory created) error {
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil || m != nil && m.Lineage != c.r.Store.Document().Lineage {
		return c.stolen(s, "its "+marker.Env+" names another owner")
	}
	if m != nil {
		return nil
	}
	if !memory.Sent {
		return c.stolen(s, "this run had not asked for it yet")
	}
	p, err := c.r.priors()
	if err != nil {
		return err
	}
	if s.ID <= p.TargetHighestID || s.Partitions != c.a.Partitions || s.Replicas != c.a.Replicas || !maps.Equal(s.Envs, c.a.Envs) {
		return c.stolen(s, fmt.Sprintf("asked for were %d partitions x %d, envs %v and an id above %d",
			c.a.Partitions, c.a.Replicas, sorted(c.a.Envs), p.TargetHighestID))
	}
	return nil
}

func (c *createRunner) stolen(s TableState, why string) error {
	return &StepError{Step: c.id, Code: CodeTargetStolen,
		Text: fmt.Sprintf("%s exists with id %d, %d partitions x %d, and is not of this run: %s", c.a.Table, s.ID, s.Partitions, s.Replicas, why),
		Hint: "`pegmigrate rollback` takes this run back and leaves that table alone; then plan again"}
}

func (c *createRunner) run(ctx context.Context) error {
	before, err := c.r.created(c.id)
	if err != nil {
		return err
	}
	if err := c.remember(created{Sent: true}); err != nil {
		return err
	}
	id, lost, err := c.send(ctx)
	switch {
	case lost != nil:
		return c.awaitLost(ctx, lost)
	case err == nil:
		return c.remember(created{ID: id})
	case before.Sent:
		// An earlier request may have made the table that stands in the way of this one.
		if done, _, look := c.done(ctx); look != nil || done {
			return look
		}
	default:
		if err := c.remember(created{}); err != nil {
			return err
		}
	}
	return err
}

// send asks for the table once; more often only as long as the cluster says that it did nothing. A
// lost answer is no answer, whatever else failed.
func (c *createRunner) send(ctx context.Context) (id int32, lost, err error) {
	err = c.insist(ctx, "create "+c.a.Table.String(), func(ctx context.Context) error {
		call, cancel := c.call(ctx)
		defer cancel()
		var err error
		id, err = c.r.World.Tables.CreateTable(call, c.a)
		if err != nil && (errors.Is(err, ErrOutcomeUnknown) || call.Err() != nil) {
			lost = err
			return nil
		}
		return err
	})
	return id, lost, err
}

// awaitLost looks for the table of a request that may still be on its way to the leader.
func (c *createRunner) awaitLost(ctx context.Context, lost error) error {
	// The wait begins with the first look that is answered: what lost the answer may take a while.
	if _, err := c.table(ctx, c.a.Table); err != nil && !errors.Is(err, ErrNoTable) {
		return err
	}
	return c.await(ctx, c.r.Waits.Call, CodeCluster, "run the same command again: it looks for the table first",
		func(ctx context.Context) (bool, string, error) {
			s, err := c.table(ctx, c.a.Table)
			if err != nil && !errors.Is(err, ErrNoTable) {
				return false, "", err
			}
			done, reason, err := c.judge(s, err == nil)
			return done, fmt.Sprintf("%v; %s", lost, reason), err
		})
}

func (c *createRunner) remember(v created) error {
	proof, err := blob(kindCreate, v)
	if err != nil {
		return err
	}
	return c.r.update(c.id, func(s *state.Step) { s.Proof = proof })
}

// created gives what a create step remembers.
func (r *Run) created(step string) (created, error) {
	v, _, err := unblob[created](r.record(step).Proof, kindCreate)
	return v, err
}

// createsTarget says whether an action makes the target; its step remembers created.
func createsTarget(a plan.Action) bool {
	switch a.(type) {
	case plan.CreateTable, plan.Restore:
		return true
	}
	return false
}

// createdTarget is the app id of the target that this run created, 0 for none.
func (r *Run) createdTarget() int32 {
	for _, s := range r.Plan.Steps {
		if createsTarget(s.Action) {
			memory, err := r.created(s.ID)
			if err == nil {
				return memory.ID
			}
		}
	}
	return 0
}

// CreatedID gives the app id of the target that a document's migration created, 0 for none, and
// whether a creation may be under way.
func CreatedID(doc *state.Document, p *plan.Plan) (id int32, creating bool) {
	for _, s := range p.Steps {
		if _, ok := s.Action.(plan.AddDuplication); ok {
			// The servers create the follower, by themselves and some time later.
			record := doc.Step(s.ID)
			creating = record != nil && record.Attempts > 0 && record.Status != state.Undone
			continue
		}
		if !createsTarget(s.Action) {
			continue
		}
		record := doc.Step(s.ID)
		if record == nil {
			continue
		}
		v, _, err := unblob[created](record.Proof, kindCreate)
		return v.ID, err != nil || v.ID == 0 && v.Sent
	}
	return 0, creating
}
