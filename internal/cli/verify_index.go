package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// stepIndex is what the progress of the comparison of an index is told under.
const stepIndex = "verify-index"

// indexMeant is the geo index that belongs to the migration as it was begun, or else as it is declared; ok is false
// without one. made is false while the run has still to make it.
func (v *verification) indexMeant() (a plan.BuildIndex, made, ok bool) {
	if v.doc != nil && v.doc.Outcome != state.OutcomeRolledBack {
		if p, err := apply.PlanOf(v.doc); err == nil {
			for _, s := range p.Steps {
				if a, is := s.Action.(plan.BuildIndex); is {
					record := v.doc.Step(s.ID)
					return a, record != nil && record.Status == state.Done, true
				}
			}
			return a, false, false
		}
	}
	method, copies := v.migration.Method.(*schema.CopyMethod)
	if !copies || method.Geo == nil {
		return a, false, false
	}
	index := plan.TableRef{Cluster: v.target.Cluster, Table: v.target.Table + schema.IndexSuffix}
	return plan.BuildIndex{Table: v.target, Index: index, Geo: plan.DeclaredGeo(method)}, true, true
}

// compareIndex holds the geo index of a copy against the rows of the target, after these were compared. The rows'
// own outcome goes first.
func (v *verification) compareIndex(ctx context.Context, rows error) error {
	a, made, ok := v.indexMeant()
	if !ok || ctx.Err() != nil {
		return rows
	}
	skip := func(why string) error {
		fmt.Fprintf(v.env.Stderr, "%s, the geo index of %s, was not compared: %s\n", a.Index, a.Table, why)
		return rows
	}
	full := "`" + v.command("-mode", plan.VerifyFull) + "` does"
	var differ *apply.DifferencesError
	switch {
	case rows != nil && !errors.As(rows, &differ):
		return rows
	case v.mode != plan.VerifyFull:
		return skip("digests need every row; " + full)
	case !made:
		return skip("it is not made yet; `" + v.resumeCommand() + "` makes it and proves it")
	}
	out, err := v.proveIndex(ctx, a)
	switch {
	case err != nil && rows != nil:
		v.env.report(err)
		return rows
	case err != nil:
		return err
	case out.Differences == 0 || rows != nil: // rows are mended first
		return rows
	}
	if stamped := v.stamps(a, out); stamped != "" {
		return skip("they differ, and " + stamped)
	}
	return v.indexDiffers(a, out)
}

// proveIndex reads the table and its index.
func (v *verification) proveIndex(ctx context.Context, a plan.BuildIndex) (apply.IndexOutcome, error) {
	if _, err := actuate.NewTables(v.actuators).Table(ctx, a.Index); errors.Is(err, apply.ErrNoTable) {
		return apply.IndexOutcome{}, failf(apply.CodeVerify, "the rows were compared; declare no geo block when nobody needs the index", "%s, the geo index of %s, does not exist", a.Index, a.Table)
	}
	sink, done := v.sink(v.o.json, "verify")
	defer done()
	out, err := actuate.NewIndexes(v.actuators, v.env.Now).Prove(ctx, apply.IndexJob{Table: a.Table, Index: a.Index, Geo: a.Geo, Limits: v.limits(),
		Report: func(p event.MoveProgress) { p.Step = stepIndex; sink.Emit(p) }})
	if err != nil {
		return out, v.unfinished(ctx, sink, err)
	}
	if v.o.json {
		sink.Emit(event.Verified{Step: stepIndex, Round: 1, SourceRows: out.Rows - out.Unplaced, TargetRows: out.Held, Differences: out.Differences})
	}
	text := fmt.Sprintf("%s: %s for %s of %s, %s", a.Index, plan.Counted(out.Held, "row"), plan.Counted(out.Rows, "row"), a.Table,
		plan.Counted(out.Differences, "difference"))
	if out.Unplaced > 0 {
		text += fmt.Sprintf("; %s without a position", plan.Counted(out.Unplaced, "row"))
	}
	if out.Fleeting > 0 {
		text += fmt.Sprintf("; %s about to expire were not compared", plan.Counted(out.Fleeting, "row"))
	}
	fmt.Fprintln(v.env.Stderr, text)
	return out, nil
}

// stamps says why digests that differ may be nobody's mistake, "" when they are: with default_ttl a compaction gives
// rows of the table an expiry that those of the index do not get. Numbers of rows that differ are no such thing.
func (v *verification) stamps(a plan.BuildIndex, out apply.IndexOutcome) string {
	ttl := v.facts.TargetTable.Envs[plan.EnvDefaultTTL]
	if ttl == "" || ttl == "0" || out.Held != out.Rows-out.Unplaced {
		return ""
	}
	return fmt.Sprintf("%s=%s of %s gives its rows an expiry that those of the index do not have; the numbers of rows are equal", plan.EnvDefaultTTL, ttl, a.Table)
}

// indexDiffers says what to do about an index that is not the table's.
func (v *verification) indexDiffers(a plan.BuildIndex, out apply.IndexOutcome) error {
	found := &apply.DifferencesError{Step: "verify", Count: out.Differences,
		Text: fmt.Sprintf("%s holds %s, and %s of %s have a position; at least %s, in partitions %v of the index", a.Index, plan.Counted(out.Held, "row"),
			plan.Counted(out.Rows-out.Unplaced, "row"), a.Table, plan.Counted(out.Differences, "difference"), out.Differing)}
	return &failure{Code: apply.CodeDifferences, Text: found.Error(), cause: found,
		Hint: "writes to either of them while they are read look like this too: compare when nobody writes. -repair does not change the index: " +
			"write the rows again through the geo client, or drop the index and have a new copy with a geo block make it"}
}
