package apply

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
)

// roleIndex is the role of the table of a geo index in its marker.
const roleIndex = "index"

// markIndex writes the ownership marker into the index before the first row: without it, a run whose state is
// lost could not tell its own index from one that somebody else fills.
func (x *indexRunner) markIndex(ctx context.Context) error {
	s, err := x.table(ctx, x.a.Index)
	if err != nil {
		return err
	}
	if err := x.foreignIndex(s.Envs[marker.Env]); err != nil {
		return err
	}
	if m, _ := marker.Parse(s.Envs[marker.Env]); m != nil {
		return nil // ours, as foreignIndex says
	}
	p, err := x.r.priors()
	if err != nil {
		return err
	}
	return x.mark(ctx, x.a.Index, roleIndex, x.r.Plan.Source.TableRef, marker.PriorOf(s.Envs, marker.Env), p)
}

// foreignIndex refuses a marker that is not of this run.
func (x *indexRunner) foreignIndex(text string) error {
	m, err := marker.Parse(text)
	if err == nil && (m == nil || m.Lineage == x.r.Store.Document().Lineage) {
		return nil
	}
	return &StepError{Step: x.id, Code: CodeForeignMarker, Text: marker.Env + " of " + x.a.Index.String() + " names another owner",
		Hint: "`" + x.r.rollbackCommand() + "` takes this run back; then plan again", Err: err}
}

// marked are the tables that may carry the marker of this run, in the order in which it is taken out: as long as
// the source is marked, a lost state can be rebuilt.
func (d *disownRunner) marked() []plan.TableRef {
	tables := []plan.TableRef{d.a.Target}
	if step, ok := firstStep[plan.CreateIndex](d.r.Plan); ok {
		tables = append(tables, step.Action.(plan.CreateIndex).Table)
	}
	return append(tables, d.a.Source)
}

// unmarkIndex puts back what the index was created with.
func (d *disownRunner) unmarkIndex(ctx context.Context) error {
	step, ok := firstStep[plan.CreateIndex](d.r.Plan)
	if !ok {
		return nil
	}
	a := step.Action.(plan.CreateIndex)
	return d.unmark(ctx, a.Table, marker.PriorOf(a.Envs, marker.Env))
}

// beforeIndex takes the index that the lost run made, or may have made, out of the facts. One that is not provably
// its own stays in them, and the plan refuses it.
func (a *adoption) beforeIndex(f plan.Facts, target *plan.TableFacts) plan.Facts {
	if f.Index == nil || f.Index.Table == nil {
		return f
	}
	index := *f.Index
	t := index.Table
	ended := target != nil && target.Marker == nil && a.mark.TargetID != 0 && target.ID == a.mark.TargetID // the target is unmarked first
	switch {
	case t.Marker != nil && t.Marker.Lineage == a.mark.Lineage, ended && t.Marker == nil && t.ID > a.mark.TargetID:
		a.index = &created{ID: t.ID}
	case t.Marker == nil && t.ID > a.mark.TargetHighestID && !t.HasRows:
		// The run may have died between create and marking it: the create step judges its shape.
		a.index = &created{Sent: true}
	default:
		return f
	}
	index.Table = nil
	f.Index = &index
	return f
}
