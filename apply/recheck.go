package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// recheckRunner reads the keys again that the live comparison left open, or compares everything: when
// that is declared, when too many were left open, and when it takes next to no time.
type recheckRunner struct {
	base
	a       plan.RecheckKeys
	outcome *LiveOutcome
	all     bool // everything was compared, not the open keys alone
}

func (k *recheckRunner) done(context.Context) (bool, string, error) {
	if k.outcome == nil {
		return false, "nothing was read again yet", nil
	}
	return true, k.text(), nil
}

func (k *recheckRunner) text() string {
	switch {
	case k.all:
		return fmt.Sprintf("%s on the source, %d on the target, 0 differences", plan.Counted(k.outcome.SourceRows, "row"), k.outcome.TargetRows)
	case k.outcome.OpenCount == 0:
		return "no key was unequal at the live comparison"
	}
	return fmt.Sprintf("%d keys that were unequal at the live comparison are equal", k.outcome.OpenCount)
}

// holds: the rows of a source whose fence may have been down are read again.
func (k *recheckRunner) holds(context.Context) (bool, error) { return false, nil }

func (k *recheckRunner) run(ctx context.Context) error {
	live, err := k.r.liveOutcome()
	if err != nil {
		return err
	}
	var out LiveOutcome
	all := k.a.Full || live.TooMany
	if !all {
		out, k.all, err = k.recompare(ctx, live)
	}
	switch {
	case err != nil || k.all:
	case all:
		k.all = true
		out, err = k.r.World.Live.CompareLive(ctx, LiveJob{Source: k.a.Source, Target: k.a.Target, Limits: k.a.Limits,
			Still: true, Report: func(p event.MoveProgress) { p.Step = k.id; k.r.Sink.Emit(p) }})
	case live.OpenCount > 0:
		out, err = k.r.World.Live.Recheck(ctx, k.a.Source, k.a.Target, live.Open)
		out.OpenCount = live.OpenCount
	}
	if err != nil {
		return &StepError{Step: k.id, Code: CodeVerify, Text: "the comparison behind the fence could not be finished", Err: err,
			Hint: "run the same command again when the cause is mended"}
	}
	if k.all {
		out.OpenCount = live.OpenCount
		out.Step = k.id
		k.r.Sink.Emit(out.Verified)
	}
	if out.Differences > 0 {
		return &DifferencesError{Step: k.id, Count: out.Differences, Hint: k.differingHint()}
	}
	k.outcome = &out
	return k.r.certify(func(c *Certificate) {
		c.Rechecked, c.RecheckedKeys = k.r.Now(), out.OpenCount
		c.Compared = countsOf(live)
		if k.all {
			c.Compared = countsOf(out)
		}
	})
}
