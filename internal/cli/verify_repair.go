package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// refuse says why the target must not be written to, before anything is compared for it.
func (v *verification) refuse(ctx context.Context) error {
	if err := v.notOurs(); err != nil {
		return err
	}
	if slices.Contains(v.facts.TargetTable.Duplications, v.facts.Source.Name) {
		return failf(codeRepairMoved, "compare with `"+v.command()+"`",
			"%s is duplicated to %s: what a repair writes would be shipped back to %s, over what clients write there", v.target, v.facts.Source.Name, v.source)
	}
	if deny := v.facts.SourceTable.Envs[plan.EnvDeny]; deny != "" && v.doc != nil && v.doc.Outcome == state.OutcomeDone {
		return failf(codeRepairMoved, "if clients have not moved, lift the fence of "+v.source.String()+" first: `pegmigrate doctor` says how",
			"the migration is finished and %s stays closed (%s is %q): clients are on %s, or are led there, and a repair would write over what they write",
			v.source, plan.EnvDeny, deny, v.target)
	}
	if v.feed.by != "" {
		return nil // its writes are no sign of clients that moved
	}
	return v.quietTarget(ctx)
}

// refuseMoved refuses to repair a table that clients were led to.
func (v *verification) refuseMoved() error {
	if !v.o.repair || v.moved == "" {
		return nil
	}
	return failf(codeRepairMoved, "compare with `"+v.command()+"`; `pegmigrate status` says where the migration stands",
		"%s is the truth now: %s, and a repair would write over what they wrote", v.target, v.moved)
}

// notOurs refuses tables that another migration works on, and a target that takes no writes.
func (v *verification) notOurs() error {
	for _, t := range []struct {
		ref   plan.TableRef
		facts *plan.TableFacts
	}{{v.source, v.facts.SourceTable}, {v.target, v.facts.TargetTable}} {
		m := t.facts.Marker
		if m == nil || v.doc != nil && m.Lineage == v.doc.Lineage {
			continue
		}
		text := fmt.Sprintf("%s is marked as being migrated by %s since %s (migration %q)", t.ref, m.Owner, m.Since.UTC().Format(time.RFC3339), m.Migration)
		if m.Damaged {
			text = fmt.Sprintf("%s carries an ownership marker that cannot be read", t.ref)
		}
		return failf(codeRepairNotOurs, "wait until it is finished, or ask its owner; `pegmigrate doctor` says more", "%s", text)
	}
	if deny := v.facts.TargetTable.Envs[plan.EnvDeny]; deny != "" {
		return failf(codeRepairNotOurs, "find out who set it; `pegmigrate doctor` says more", "%s takes no writes: %s is %q", v.target, plan.EnvDeny, deny)
	}
	return nil
}

// quietSamples is how often writes on the target may be seen, Waits.Sample apart, before they count as those of clients:
// servers compute rates over some ten seconds, in which they still show a copy that has just ended.
const quietSamples = 30

// quietTarget refuses when clients write to the target although nothing that is known of brings writes there: then
// they have moved, whatever the state says.
func (v *verification) quietTarget(ctx context.Context) error {
	traffic := actuate.NewTraffic(v.actuators, v.env.Now)
	limit := quietSamples * v.env.Waits.Sample
	until := v.env.Now().Add(limit)
	said := false
	for {
		sample, err := traffic.Traffic(ctx, v.target)
		switch {
		case err != nil:
			return v.unread(ctx, err)
		case sample.WriteQPS == 0:
			return nil
		case v.env.Now().After(until):
			return failf(codeRepairMoved, "if these are no clients, end them; if they write both tables by your own means, say how long a write may take: -patience 30s",
				"clients write to %s, about %.0f times a second: it is the truth of what they write, and a repair would write over it", v.target, sample.WriteQPS)
		case !said:
			fmt.Fprintf(v.env.Stderr, "%s shows writes; looking for up to %s whether they are over\n", v.target, plan.Duration(limit))
			said = true
		}
		timer := time.NewTimer(v.env.Waits.Sample)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// repairListed repairs what a comparison has listed.
func (v *verification) repairListed(ctx context.Context, result event.Verified, list *listed) error {
	if err := v.stillShips(ctx, result.Differences); result.Differences > 0 && err != nil {
		return err
	}
	if list.lines == 0 {
		if v.o.report == "" {
			_ = v.env.FS.Remove(list.path)
		}
		return nil
	}
	return v.repair(ctx, list)
}

// repairFrom repairs the rows of a report.
func (v *verification) repairFrom(ctx context.Context) error {
	list := newListed(v.o.from)
	header, err := v.readReport(list)
	if err != nil {
		return err
	}
	if err := v.belongs(header); err != nil {
		return err
	}
	if err := v.refuse(ctx); err != nil {
		return err
	}
	if list.lines == 0 {
		fmt.Fprintf(v.env.Stderr, "%s lists no difference\n", v.o.from)
		return nil
	}
	return v.repair(ctx, list)
}

// readReport reads a report to its end: one that was cut off must not be taken for a whole one.
func (v *verification) readReport(list *listed) (difference.Header, error) {
	f, err := os.Open(list.path)
	if err != nil {
		return difference.Header{}, failf(codeReportUnusable, "give a file that `"+v.command("-report", "FILE")+"` wrote", "the report cannot be read: %v", err)
	}
	defer f.Close()
	r, err := difference.NewReader(f)
	for err == nil {
		var e difference.Entry
		if e, err = r.Next(); err == nil {
			list.add(e)
		}
	}
	var newer *difference.NewerError
	switch {
	case errors.Is(err, io.EOF):
		return r.Header(), nil
	case errors.As(err, &newer):
		return difference.Header{}, failf(codeReportUnusable, "repair with the release that wrote it", "%s: %v", list.path, err)
	}
	return difference.Header{}, failf(codeReportUnusable, "write it again: `"+v.command("-report", "FILE")+"`", "%s is no whole report of differences: %v", list.path, err)
}

// belongs refuses a report of other tables, or of tables that were made anew.
func (v *verification) belongs(h difference.Header) error {
	hint := "write one of these tables: `" + v.command("-report", "FILE") + "`"
	if h.Migration != v.migration.Name {
		return failf(codeReportOther, hint, "%s is a report of migration %q, this is %q", v.o.from, h.Migration, v.migration.Name)
	}
	for _, side := range []struct{ there, here difference.Table }{{h.Source, v.header.Source}, {h.Target, v.header.Target}} {
		if side.there != side.here {
			return failf(codeReportOther, hint, "%s is a report of %s, there is %s now", v.o.from, tableWords(side.there), tableWords(side.here))
		}
	}
	if h.Rows != v.header.Rows {
		return failf(codeReportOther, hint, "%s was written with other rows declared: %q, now %q", v.o.from, h.Rows, v.header.Rows)
	}
	return nil
}

func tableWords(t difference.Table) string {
	s := fmt.Sprintf("%s/%s (id %d, %s", t.Cluster, t.Table, t.AppID, counted(int(t.Partitions), "partition"))
	if !t.CreatedAt.IsZero() {
		s += ", made " + t.CreatedAt.UTC().Format(time.RFC3339)
	}
	return s + ")"
}

// repair shows what would be done, asks, and does it.
func (v *verification) repair(ctx context.Context, list *listed) error {
	sink, done := v.sink(v.o.json, "verify")
	sink.Emit(v.planned(list))
	done() // the question comes below what is shown
	if !v.o.autoApprove {
		yes, err := view.Confirm(ctx, v.env.Stdin, v.env.Stderr, "repair "+v.target.String()+"?")
		if err != nil {
			return err
		}
		if !yes {
			return failf(codeNotApproved, "answer yes, or pass -auto-approve; the differences are listed in "+list.path, "not approved; nothing was changed")
		}
	}
	sink, done = v.sink(v.o.json, "verify")
	defer done()
	defer v.servePace(ctx, sink, "verify -repair")()
	out, err := actuate.NewLive(v.actuators, v.env.Now).Repair(ctx, actuate.Repair{
		Source: v.source, Target: v.target, Options: v.options(), Limits: v.limits(),
		Patience: v.feed.patience, ExpirySkew: v.feed.skew, Deletes: !v.allowExtra(), Drifted: v.o.drift,
		Keys: v.keys(list.path), Count: list.lines,
		Report: func(p event.MoveProgress) { p.Step = "repair"; sink.Emit(p) }})
	out.Step = "repair"
	if err != nil {
		out.Unseen = v.unseen(list, out.Looked)
	}
	sink.Emit(out)
	goOn := []string{"-repair", "-from", quoted(list.path)}
	if v.o.drift {
		goOn = append(goOn, "-drift")
	}
	switch {
	case err != nil && ctx.Err() != nil:
		sink.Emit(event.Interrupted{Step: "repair", Resume: v.command(goOn...)})
		return &apply.InterruptedError{Step: "repair"}
	case err != nil:
		return failf(codeRepairFailed, "when the cause is mended: `"+v.command(goOn...)+"`",
			"the repair stopped after %s: %v", plan.Counted(out.Looked, "row"), err)
	case out.Left > 0:
		return v.differs(&apply.DifferencesError{Step: "repair", Count: out.Left})
	}
	return nil
}

// unseen is how many rows of the list a repair that stopped has not come to.
func (v *verification) unseen(list *listed, looked uint64) uint64 {
	lines := list.lines
	if !v.o.drift {
		lines -= list.counts[difference.Drift]
	}
	return lines - min(looked, lines)
}

// planned is what is shown before anything is written.
func (v *verification) planned(list *listed) event.RepairPlanned {
	slices.SortStableFunc(list.first, func(a, b event.Difference) int {
		return cmp.Compare(slices.Index(difference.Kinds(), string(a.Kind)), slices.Index(difference.Kinds(), string(b.Kind)))
	})
	p := event.RepairPlanned{Step: "repair", Target: v.target.String(), Report: list.path, First: list.first,
		Missing: list.counts[difference.Missing], Changed: list.counts[difference.Changed], Expiry: list.counts[difference.Expiry],
		Extra: list.counts[difference.Extra], Left: list.counts[difference.Misplaced]}
	if v.o.drift {
		p.Drifted = list.counts[difference.Drift]
	}
	if v.allowExtra() {
		p.Left, p.Extra = p.Left+p.Extra, 0
	}
	if v.feed.by != "" {
		p.Notes = append(p.Notes, "writes go on meanwhile: "+v.feed.by+"; each row is read on both sides again after it was written")
	}
	if v.feed.by == "" {
		p.Notes = append(p.Notes, "no client writes to "+v.target.String()+" at present; do not lead clients there before this is over")
	}
	return p
}

// keys reads a report once more, row by row.
func (v *verification) keys(path string) iter.Seq2[difference.Entry, error] {
	return func(yield func(difference.Entry, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(difference.Entry{}, err)
			return
		}
		defer f.Close()
		r, err := difference.NewReader(f)
		for err == nil {
			var e difference.Entry
			if e, err = r.Next(); err == nil && !yield(e, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(difference.Entry{}, err)
		}
	}
}
