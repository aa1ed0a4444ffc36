package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// created is the proof of a table that this run made: its app id is what rollback may drop.
type created struct {
	ID int32 `json:"id"`
}

// createRunner creates the target.
type createRunner struct {
	base
	a plan.CreateTable
}

// done accepts only a table that this run made: one whose id was recorded, or one that appeared
// after the intent, with the planned shape, while our create request was on its way.
func (c *createRunner) done(ctx context.Context) (bool, string, error) {
	s, err := c.table(ctx, c.a.Table)
	if errors.Is(err, ErrNoTable) {
		return false, c.a.Table.String() + " does not exist", nil
	}
	if err != nil {
		return false, "", err
	}
	record := c.r.record(c.id)
	id, known, err := c.r.createdID(c.id)
	if err != nil {
		return false, "", err
	}
	if known && id != s.ID {
		return false, "", c.stolen(s, fmt.Sprintf("this run created id %d", id))
	}
	if !known {
		if record.Attempts < 2 && !c.r.sentCreate {
			return false, "", c.stolen(s, "it was absent when the migration began")
		}
		if err := c.plausible(s); err != nil {
			return false, "", err
		}
		if err := c.recordID(s.ID); err != nil {
			return false, "", err
		}
	}
	return true, fmt.Sprintf("%s exists with id %d", c.a.Table, s.ID), nil
}

// plausible compares a table that may be ours with what was asked for. Ids only grow, so a table
// that existed before the intent cannot pass.
func (c *createRunner) plausible(s TableState) error {
	p, err := c.r.priors()
	if err != nil {
		return err
	}
	if s.ID <= p.TargetHighestID || s.Partitions != c.a.Partitions || s.Replicas != c.a.Replicas {
		return c.stolen(s, fmt.Sprintf("asked for were %d partitions x %d and an id above %d", c.a.Partitions, c.a.Replicas, p.TargetHighestID))
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil || m != nil && m.Lineage != c.r.Store.Document().Lineage {
		return c.stolen(s, "its "+marker.Env+" names another owner")
	}
	return nil
}

func (c *createRunner) stolen(s TableState, why string) error {
	return &StepError{Step: c.id, Code: CodeTargetStolen,
		Text: fmt.Sprintf("%s exists with id %d, %d partitions x %d, and is not of this run: %s", c.a.Table, s.ID, s.Partitions, s.Replicas, why),
		Hint: "`pegmigrate rollback` takes this run back and leaves that table alone; then plan again"}
}

func (c *createRunner) run(ctx context.Context) error {
	c.r.sentCreate = true
	call, cancel := c.call(ctx)
	defer cancel()
	id, err := c.r.World.Tables.CreateTable(call, c.a)
	if err == nil {
		return c.recordID(id)
	}
	if !errors.Is(err, ErrOutcomeUnknown) {
		return fmt.Errorf("create %s: %w", c.a.Table, err)
	}
	// The request may still be on its way to the leader: look until it shows or the wait is over.
	return c.await(ctx, c.r.Waits.Call, CodeCluster, "run the same command again: it looks for the table first",
		func(ctx context.Context) (bool, string, error) {
			done, reason, err := c.done(ctx)
			return done, "the answer to create was lost; " + reason, err
		})
}

func (c *createRunner) recordID(id int32) error {
	proof, err := blob(kindCreate, created{ID: id})
	if err != nil {
		return err
	}
	return c.r.update(c.id, func(s *state.Step) { s.Proof = proof })
}

// createdID gives the app id that a create step recorded.
func (r *Run) createdID(step string) (int32, bool, error) {
	v, ok, err := unblob[created](r.record(step).Proof, kindCreate)
	return v.ID, ok, err
}

// CreatedBlob is the proof of a create step whose table was found by -adopt.
func CreatedBlob(id int32) (*state.Blob, error) { return blob(kindCreate, created{ID: id}) }

// CreatedID gives the app id of the target that a document's migration created, 0 for none, and
// whether a creation may be under way.
func CreatedID(doc *state.Document, p *plan.Plan) (id int32, creating bool) {
	for _, s := range p.Steps {
		if _, ok := s.Action.(plan.CreateTable); !ok {
			continue
		}
		record := doc.Step(s.ID)
		if record == nil {
			continue
		}
		v, _, err := unblob[created](record.Proof, kindCreate)
		if err != nil {
			return 0, true
		}
		return v.ID, v.ID == 0 && record.Attempts > 0 && record.Status != state.Undone
	}
	return 0, false
}

// healthRunner waits for full replication and then marks the target as this run's.
type healthRunner struct {
	base
	a plan.AwaitHealthy
}

func (h *healthRunner) done(ctx context.Context) (bool, string, error) {
	health, err := h.health(ctx)
	if err != nil {
		return false, "", err
	}
	if health.Full < health.Partitions {
		return false, fmt.Sprintf("%d of %d partitions are fully replicated", health.Full, health.Partitions), nil
	}
	s, err := h.table(ctx, h.a.Table)
	if err != nil {
		return false, "", err
	}
	if m, _ := marker.Parse(s.Envs[marker.Env]); m == nil || m.Lineage != h.r.Store.Document().Lineage {
		return false, "the target does not carry the marker yet", nil
	}
	return true, fmt.Sprintf("all %d partitions have %d replicas", health.Partitions, h.a.Replicas), nil
}

func (h *healthRunner) health(ctx context.Context) (Health, error) {
	ctx, cancel := h.call(ctx)
	defer cancel()
	return h.r.World.Tables.Health(ctx, h.a.Table)
}

func (h *healthRunner) run(ctx context.Context) error {
	err := h.await(ctx, h.r.Waits.Healthy, CodeNeverHealthy, "look at the target's replica servers; `pegmigrate rollback` drops the table",
		func(ctx context.Context) (bool, string, error) {
			health, err := h.health(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return health.Full == health.Partitions && health.Partitions > 0,
				fmt.Sprintf("%d of %d partitions fully replicated, %d without primary", health.Full, health.Partitions, health.NoPrimary), nil
		})
	if err != nil {
		return err
	}
	p, err := h.r.priors()
	if err != nil {
		return err
	}
	s, err := h.table(ctx, h.a.Table)
	if err != nil {
		return err
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil || m != nil && m.Lineage != h.r.Store.Document().Lineage {
		return &StepError{Step: h.id, Code: CodeForeignMarker, Text: h.a.Table.String() + " carries somebody else's marker",
			Hint: "`pegmigrate doctor` shows whose"}
	}
	return h.r.mark(ctx, h.a.Table, "target", h.r.Plan.Source.TableRef, p.TargetInfo, p)
}
