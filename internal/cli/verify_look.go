package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// looked is what verify has to know of the tables before it compares them.
type looked struct {
	facts          plan.Facts
	source, target plan.TableRef
	header         difference.Header
	feed           feed
	// moved says why clients are, or may be, on the target: "" when they are on the source.
	moved string
}

// feed is what brings writes of the source to the target.
type feed struct {
	by       string // for people, "" when nothing does
	patience time.Duration
	skew     time.Duration
	// table and id are of a duplication, id 0 without one.
	table plan.TableRef
	id    int32
}

// statusShipping is the status of a duplication that ships what clients write (duplication_common.h, DS_LOG).
const statusShipping = "DS_LOG"

// look finds out which tables there are and what joins them.
func (v *verification) look(ctx context.Context) error {
	var err error
	if v.facts, err = v.observe(ctx); err != nil {
		return err
	}
	for _, side := range []struct {
		ref   plan.TableRef
		facts *plan.TableFacts
	}{{v.source, v.facts.SourceTable}, {v.target, v.facts.TargetTable}} {
		if err := v.comparable(side.ref, side.facts); err != nil {
			return err
		}
	}
	if v.feed, err = v.findFeed(ctx); err != nil {
		return err
	}
	if v.o.patient {
		v.feed.patience = v.o.patience
		if v.feed.by == "" && v.o.patience > 0 {
			v.feed.by = "what you know of"
		}
	}
	return v.makeHeader(ctx)
}

// comparable refuses a table that is not there or cannot be read.
func (v *verification) comparable(ref plan.TableRef, t *plan.TableFacts) error {
	switch {
	case t == nil && ref == v.target:
		return failf(apply.CodeVerify, "`"+v.resumeCommand()+"` makes and fills it", "%s does not exist: there is nothing to compare %s with", ref, v.source)
	case t == nil:
		return failf(apply.CodeVerify, "check source.table, and whether the table was dropped or renamed after the migration", "%s does not exist", ref)
	case plan.DeniesReads(t.Envs):
		return failf(apply.CodeVerify, "reads have to be allowed for a comparison; `pegmigrate doctor` says who denies them", "%s cannot be read: %s is %q", ref, plan.EnvDeny, t.Envs[plan.EnvDeny])
	}
	return nil
}

// clientsMoved says why the target is the truth, "" when it is not.
func clientsMoved(doc *state.Document, m *schema.Migration) string {
	if doc == nil || doc.Outcome == state.OutcomeRolledBack {
		return ""
	}
	p, err := apply.PlanOf(doc)
	if err != nil {
		return ""
	}
	begun := func(s plan.Step) bool {
		record := doc.Step(s.ID)
		if record == nil || record.Status == state.Undone || record.Status == state.Pending {
			return false
		}
		switch a := s.Action.(type) {
		case plan.SwitchRoute, plan.Drain:
			return true
		case plan.Approve:
			return a.Gate == schema.GateCutover && record.Status == state.Done
		}
		return false
	}
	switch m.Method.(type) {
	case *schema.DuplicationMethod, *schema.DualWriteMethod:
		if doc.Outcome == state.OutcomeDone {
			return "the migration is finished and clients write to the target"
		}
	}
	if i := slices.IndexFunc(p.Steps, begun); i >= 0 {
		return fmt.Sprintf("the cut-over has begun (step %s) and clients may write to the target", p.Steps[i].ID)
	}
	return ""
}

// findFeed says what brings writes over, and how long that takes.
func (v *verification) findFeed(ctx context.Context) (feed, error) {
	if slices.Contains(v.facts.SourceTable.Duplications, v.facts.Target.Name) {
		return v.duplicated(ctx, v.source, v.facts.Target.Name)
	}
	if slices.Contains(v.facts.TargetTable.Duplications, v.facts.Source.Name) { // with a return ticket
		return v.duplicated(ctx, v.target, v.facts.Source.Name)
	}
	if _, twice := v.migration.Method.(*schema.DualWriteMethod); twice {
		f := feed{skew: apply.DualPatience}
		if v.moved == "" {
			f.by, f.patience = "clients that write both tables", apply.DualPatience
		}
		return f, nil
	}
	return feed{}, nil
}

// duplicated is the feed of a table's duplication to another cluster.
func (v *verification) duplicated(ctx context.Context, table plan.TableRef, remote string) (feed, error) {
	entry, err := v.duplication(ctx, table, remote)
	if err != nil {
		return feed{}, err
	}
	if entry.Status != statusShipping {
		return feed{}, failf(apply.CodeVerify, "compare when it is in "+statusShipping+"; `pegmigrate status` shows it",
			"duplication %d of %s is in %s: what differs cannot be told from what it has not shipped yet", entry.ID, table, entry.Status)
	}
	f := feed{by: fmt.Sprintf("duplication %d of %s", entry.ID, table), table: table, id: entry.ID}
	if v.o.patient {
		return f, nil
	}
	shipping, err := v.shipping(ctx, f)
	if err != nil {
		return f, err
	}
	if shipping.Held != "" {
		return f, failf(apply.CodeVerify, "when every partition ships, run the same command again",
			"duplication %d of %s does not ship, so what differs cannot be told from what is on its way: %s", entry.ID, table, shipping.Held)
	}
	f.patience = shipping.Patience
	return f, nil
}

func (v *verification) duplication(ctx context.Context, table plan.TableRef, remote string) (apply.Duplication, error) {
	list, err := actuate.NewDuplications(v.actuators).Duplications(ctx, table)
	if err != nil {
		return apply.Duplication{}, v.unread(ctx, err)
	}
	for _, d := range list {
		if d.Remote == remote {
			return d, nil
		}
	}
	return apply.Duplication{}, failf(apply.CodeVerify, "run the same command again", "the duplication of %s to %s was removed a moment ago", table, remote)
}

// shipping looks at how far a duplication is.
func (v *verification) shipping(ctx context.Context, f feed) (actuate.Shipping, error) {
	sync := v.env.Waits.DuplicationSync
	if d := v.facts.Duplication; d != nil && d.DuplicationSync > 0 {
		sync = d.DuplicationSync
	}
	out, err := actuate.NewLive(v.actuators, v.env.Now).Shipping(ctx, f.table, f.id, sync)
	if err != nil {
		return out, v.unread(ctx, err)
	}
	return out, nil
}

// stillShips refuses to call rows different that a duplication did not ship, because it stopped or fell behind while
// they were compared.
func (v *verification) stillShips(ctx context.Context, found uint64) error {
	if v.feed.id == 0 {
		return nil
	}
	now, err := v.shipping(ctx, v.feed)
	if err != nil {
		return err
	}
	why := now.Held
	if why == "" && now.Patience > v.feed.patience && !v.o.patient && now.Patience-v.feed.patience > v.feed.patience/2 {
		why = fmt.Sprintf("a partition is %d mutations behind, more than when the comparison began", now.Worst)
	}
	if why == "" {
		return nil
	}
	return failf(apply.CodeVerify, "run the same command again when it has caught up",
		"%s differed, but %s was not able to ship them: %s", plan.Counted(found, "row"), v.feed.by, why)
}

func (v *verification) unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var own *failure
	if errors.As(err, &own) {
		return err
	}
	return failf(apply.CodeVerify, "nothing was changed; run the same command again when the cluster answers", "the clusters could not be looked at: %v", err)
}

// makeHeader says which tables these are, to tell them from others of the same name.
func (v *verification) makeHeader(ctx context.Context) error {
	v.header = difference.Header{Migration: v.migration.Name, Tool: v.env.Version, At: v.env.Now().UTC(), Mode: v.mode, Sample: v.sample,
		Patience: v.feed.patience, Rows: rowsMeant(v.options())}
	tables := actuate.NewTables(v.actuators)
	for _, side := range []struct {
		ref  plan.TableRef
		name string
		into *difference.Table
	}{{v.source, v.facts.Source.Name, &v.header.Source}, {v.target, v.facts.Target.Name, &v.header.Target}} {
		t, err := tables.Table(ctx, side.ref)
		if err != nil {
			return v.unread(ctx, err)
		}
		*side.into = difference.Table{Cluster: side.ref.Cluster, Name: side.name, Table: side.ref.Table, AppID: t.ID, Partitions: t.Partitions, CreatedAt: t.CreatedAt.UTC()}
	}
	return nil
}
