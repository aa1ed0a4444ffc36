package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindLiveCursor is a cursor of a live comparison. Its key begins with the duplication's id: what was
// equal under one duplication says nothing of another.
const kindLiveCursor = "live-cursor"

// compareRunner compares while clients write.
type compareRunner struct {
	base
	a plan.CompareLive
}

func (c *compareRunner) done(context.Context) (bool, string, error) {
	out, ok, err := unblob[LiveOutcome](c.r.record(c.id).Proof, kindLive)
	if err != nil || !ok {
		return false, "not compared yet", err
	}
	text := fmt.Sprintf("%s on the source, %d on the target, 0 differences", plan.Counted(out.SourceRows, "row"), out.TargetRows)
	if c.r.writtenTwice() && out.Drifted > 0 {
		text += fmt.Sprintf("; the expiry of %s is not the same on both, as clients or default_ttl reckoned it for each", plan.Counted(out.Drifted, "row"))
	}
	switch {
	case c.r.writtenTwice() && (out.OpenCount > 0 || out.TooMany):
		text += fmt.Sprintf("; %d keys kept changing meanwhile, which says nothing against them", out.OpenCount)
	case out.TooMany:
		text += "; too many keys kept changing, everything is compared again behind the fence"
	case out.OpenCount > 0:
		text += fmt.Sprintf("; %d keys kept changing and are read again behind the fence", out.OpenCount)
	}
	return true, text, nil
}

func (c *compareRunner) run(ctx context.Context) error {
	id, patience, err := c.feed(ctx)
	if err != nil {
		return err
	}
	journal := c.r.Store.Journal(c.id)
	prefix := fmt.Sprintf("%d/", id)
	cursors := map[string]json.RawMessage{}
	if err := journal.Replay(func(b state.Blob) error {
		if key, ours := strings.CutPrefix(b.Key, prefix); ours && b.Kind == kindLiveCursor && b.Version == 1 {
			cursors[key] = b.Data
		}
		return nil
	}); err != nil {
		return err
	}
	stop := func() {}
	if id != 0 {
		stop = c.watchLoss(ctx, c.a.Source)
	}
	defer func() { stop() }()
	out, err := c.r.World.Live.CompareLive(ctx, LiveJob{
		Source: c.a.Source, Target: c.a.Target, Limits: c.a.Limits, Patience: patience, ExpirySkew: c.skew(), Cursors: cursors,
		Save:   func(m map[string]json.RawMessage) error { return saveLiveCursors(journal, prefix, m) },
		Report: func(p event.MoveProgress) { p.Step = c.id; c.r.Sink.Emit(p) },
	})
	if err != nil {
		return c.unfinished(ctx, err)
	}
	stop()
	out.Step = c.id
	c.r.Sink.Emit(out.Verified)
	if id != 0 {
		if err := c.refuseLoss(ctx, c.a.Source); err != nil {
			return err
		}
	}
	if out.Differences > 0 {
		return c.differs(ctx, journal, id, out)
	}
	if out.TooMany && id != 0 {
		c.warn(CodeVerify, "more keys kept changing than are remembered: everything has to be compared again behind the fence, which takes as long as a whole comparison",
			"compare at a quieter time, or see that limits.write_reject has room for it")
	}
	proof, err := blob(kindLive, out)
	if err != nil {
		return err
	}
	if err := c.r.update(c.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	return journal.Discard()
}

// feed says what brings the target up to date: a duplication, by its id, or clients that write both
// tables, with id 0; and how long that may take.
func (c *compareRunner) feed(ctx context.Context) (id int32, patience time.Duration, err error) {
	if c.r.writtenTwice() {
		return 0, DualPatience, nil
	}
	if id, err = c.r.duplicationID(); err != nil {
		return 0, 0, err
	}
	if err := c.sameCounts(ctx); err != nil {
		return 0, 0, err
	}
	patience, err = c.patience(ctx)
	return id, patience, err
}

// skew is how far the expiries of one write may be apart: each client, and each repetition, computes its own.
func (c *compareRunner) skew() time.Duration {
	if c.r.writtenTwice() {
		return DualPatience
	}
	return 0
}

// sameCounts refuses tables that no duplication can have joined: servers that do put rows where no client finds them.
func (c *compareRunner) sameCounts(ctx context.Context) error {
	src, err := c.table(ctx, c.a.Source)
	if err != nil {
		return err
	}
	dst, err := c.table(ctx, c.a.Target)
	if err != nil {
		return err
	}
	if src.Partitions != dst.Partitions {
		return &StepError{Step: c.id, Code: CodeVerify, Hint: "`" + c.r.rollbackCommand() + "`",
			Text: fmt.Sprintf("%s has %d partitions and %s has %d: no duplication can have joined them", c.a.Source, src.Partitions, c.a.Target, dst.Partitions)}
	}
	return nil
}

// patience is how long a write may take to arrive on the target: on 2.4 and 2.5 the last mutation of a
// partition waits for an empty write, which comes within two group checks; a primary that moved hears
// of the duplication with the next sync of duplications, and of the table with the next config sync.
func (c *compareRunner) patience(ctx context.Context) (time.Duration, error) {
	check, err := c.groupCheck(ctx, c.a.Source.Cluster)
	if err != nil {
		return 0, err
	}
	sync, err := c.syncInterval(ctx, c.a.Source.Cluster)
	return 2*check + c.r.Waits.DuplicationSync + sync, err
}

func saveLiveCursors(journal *state.Journal, prefix string, cursors map[string]json.RawMessage) error {
	for _, key := range sortedKeys(cursors) {
		if err := journal.Append(state.Blob{Kind: kindLiveCursor, Key: prefix + key, Version: 1, Data: cursors[key]}); err != nil {
			return err
		}
	}
	return journal.Sync()
}

func (c *compareRunner) unfinished(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if isWriteError(err) {
		return err
	}
	return &StepError{Step: c.id, Code: CodeVerify, Text: "the comparison could not be finished", Err: err,
		Hint: "run the same command again: what was compared is not compared twice"}
}

// differs decides whether differences are ones: rows that a duplication did not ship because it was
// paused, or fell behind, are on their way. The cursors go in either case.
func (c *compareRunner) differs(ctx context.Context, journal *state.Journal, id int32, out LiveOutcome) error {
	if err := journal.Discard(); err != nil {
		return err
	}
	if id == 0 {
		return &DifferencesError{Step: c.id, Count: out.Differences,
			Hint: "the first ones are listed above; find the writer of these keys, which does not write both tables: a row that is written on both again becomes equal, then the same command compares anew; or `" + c.r.rollbackCommand() + "`"}
	}
	if why := c.behind(ctx, id); why != "" {
		return &StepError{Step: c.id, Code: CodeVerify,
			Text: fmt.Sprintf("%s differed, but the duplication was not able to ship them: %s", plan.Counted(out.Differences, "row"), why),
			Hint: "run the same command again when it has caught up: it compares anew"}
	}
	return &DifferencesError{Step: c.id, Count: out.Differences, Hint: c.differingHint()}
}

// differingHint is what helps when rows differ that a duplication should have made equal.
func (b base) differingHint() string {
	if b.r.Plan.Back {
		from, to := b.r.Plan.Source.TableRef, b.r.Plan.Target.TableRef
		return fmt.Sprintf("the first ones are listed above; clients stay on %s: look who writes to %s; a row that is written on %s again becomes equal, then `%s`; `%s` takes the return back",
			from, to, from, b.r.rollbackCommand(), b.r.command("apply"))
	}
	return "the first ones are listed above; a row that differs here stays different, duplication does not mend it: " +
		"look whether anybody writes to the target, then `" + b.r.rollbackCommand() + "`"
}

// behind says why a duplication cannot be blamed for what is missing; "" when it ships as it should.
func (c *compareRunner) behind(ctx context.Context, id int32) string {
	e, err := c.entry(ctx, c.a.Source)
	if err != nil {
		return err.Error()
	}
	if e.Status != dsLog {
		return "it is in " + e.Status
	}
	lags, err := c.lagsOnce(ctx, c.a.Source, id)
	if err != nil {
		return err.Error()
	}
	threshold := int64(0)
	if step, ok := firstStep[plan.AwaitLag](c.r.Plan); ok {
		threshold = step.Action.(plan.AwaitLag).Threshold
	}
	for _, l := range lags {
		if l.Shipped < 0 {
			return fmt.Sprintf("partition %d does not report: %s", l.Partition, l.Problem)
		}
		if n := l.Committed - l.Shipped; n > max(threshold, 1) {
			return fmt.Sprintf("partition %d is %d mutations behind", l.Partition, n)
		}
	}
	return ""
}
