package apply

import (
	"cmp"
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// healthRunner waits for full replication and then marks the target as this run's.
type healthRunner struct {
	base
	a plan.AwaitHealthy
}

func (h *healthRunner) done(ctx context.Context) (bool, string, error) {
	health, err := h.health(ctx)
	if err != nil { // a table that was created a moment ago: run waits for it
		reason, err := tolerate(ctx, err)
		return false, reason, err
	}
	if health.Full < health.Partitions || health.Partitions == 0 {
		return false, fmt.Sprintf("%d of %d partitions are fully replicated", health.Full, health.Partitions), nil
	}
	whole := fmt.Sprintf("all %d partitions have %d replicas", health.Partitions, h.a.Replicas)
	if !h.r.marks() {
		return true, whole, nil
	}
	s, err := h.table(ctx, h.a.Table)
	if err != nil {
		return false, "", err
	}
	if m, _ := marker.Parse(s.Envs[marker.Env]); m == nil || m.Lineage != h.r.Store.Document().Lineage {
		return false, "the target does not carry the marker yet", nil
	}
	return true, whole, nil
}

// marks says whether the plan puts ownership markers up: not where the source is a backup, whose target names it.
func (r *Run) marks() bool {
	_, owns := firstStep[plan.Own](r.Plan)
	return owns || r.Plan.Back
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
			return health.Full >= health.Partitions && health.Partitions > 0,
				fmt.Sprintf("%d of %d partitions fully replicated, %d without primary", health.Full, health.Partitions, health.NoPrimary), nil
		})
	if err != nil || !h.r.marks() {
		return err
	}
	p, err := h.r.priors()
	if err != nil {
		return err
	}
	s, err := h.target(ctx, h.a.Table)
	if err != nil {
		return err
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil || m != nil && m.Lineage != h.r.Store.Document().Lineage {
		return &StepError{Step: h.id, Code: CodeForeignMarker, Text: h.a.Table.String() + " carries somebody else's marker",
			Hint: "`pegmigrate doctor` shows whose"}
	}
	if err := h.tellSource(ctx, p); err != nil {
		return err
	}
	return h.mark(ctx, h.a.Table, "target", h.r.Plan.Source.TableRef, p.TargetInfo, p)
}

// tellSource adds the id of the created table to the source's marker: it is all that is left to know
// it by when the state is lost after the target's own marker is out again. It goes before the
// target's marker, whose presence makes this step done.
func (h *healthRunner) tellSource(ctx context.Context, p ownPriors) error {
	if h.r.createdTarget() == 0 {
		return nil
	}
	source := h.r.Plan.Source.TableRef
	s, err := h.table(ctx, source)
	if err != nil {
		return err
	}
	m, err := marker.Parse(s.Envs[marker.Env])
	if err != nil || m == nil || m.Lineage != h.r.Store.Document().Lineage {
		return &StepError{Step: h.id, Code: CodeForeignMarker, Text: source.String() + " does not carry this run's marker any more",
			Hint: "`pegmigrate doctor` shows whose is there"}
	}
	return h.mark(ctx, source, "source", h.a.Table, p.SourceInfo, p)
}

// target looks at the target and refuses one that is not the table it was: somebody may have
// dropped it and made another of its name.
func (b base) target(ctx context.Context, t plan.TableRef) (TableState, error) {
	s, err := b.table(ctx, t)
	if err != nil {
		return s, err
	}
	id := cmp.Or(b.r.createdTarget(), b.r.Plan.Target.ID)
	if id != 0 && s.ID != id {
		return s, &StepError{Step: b.id, Code: CodeTargetStolen, Text: fmt.Sprintf("%s has id %d, it had %d when this migration began with it", t, s.ID, id),
			Hint: "somebody dropped the table and made another: `pegmigrate rollback`, then plan again"}
	}
	return s, nil
}
