package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// rateBackRunner gives every server its value back.
type rateBackRunner struct {
	base
	a plan.RestoreRate
	// tried says that servers which are not alive were asked as long as that makes sense.
	tried bool
}

func (t *rateBackRunner) limit() (plan.LimitRate, error) {
	return t.r.limitStep(t.id, t.a.Step)
}

func (r *Run) limitStep(id, step string) (plan.LimitRate, error) {
	s, _ := r.Plan.Step(step)
	if a, ok := s.Action.(plan.LimitRate); ok {
		return a, nil
	}
	return plan.LimitRate{}, &StepError{Step: id, Code: CodeState2, Text: fmt.Sprintf("the plan has no step %q that sets a limit", step), Hint: "plan again"}
}

func (t *rateBackRunner) done(ctx context.Context) (bool, string, error) {
	limit, err := t.limit()
	if err != nil {
		return false, "", err
	}
	p, err := t.r.ratePrior(t.a.Step)
	if err != nil {
		return false, "", err
	}
	if p.Missing {
		return true, "no limit of " + t.a.Cluster + " was changed", nil
	}
	now, err := t.rates(ctx, limit)
	if err != nil {
		return false, "", err
	}
	left := openRates(limit, p, now)
	if left.open == "" && (t.tried || len(left.away) == 0) {
		return true, fmt.Sprintf("%s of %d servers of %s is what it was", limit.Flag, len(p.Servers)-len(left.away), t.a.Cluster), nil
	}
	return false, join(left.open, fmt.Sprintf("%d servers are not alive", len(left.away))), nil
}

func (t *rateBackRunner) run(ctx context.Context) error {
	limit, err := t.limit()
	if err != nil {
		return err
	}
	_, err = t.restoreRates(ctx, t.a.Step, limit)
	t.tried = err == nil
	return err
}

// rateLeft is what is not as it was.
type rateLeft struct {
	set     map[string]string // servers that still have this run's value, with their own
	open    string            // the first of them, in words
	away    []string          // servers that are not alive
	foreign []string          // servers that somebody else gave another value, or that were started again
}

func openRates(a plan.LimitRate, p ratePrior, now []FlagValue) rateLeft {
	left := rateLeft{set: map[string]string{}}
	ours := rampValues(a)
	values := map[string]string{}
	for _, v := range now {
		values[v.Server] = v.Value
	}
	for _, server := range sorted(p.Servers) {
		value, alive := values[server]
		switch {
		case !alive:
			left.away = append(left.away, server)
		case value == p.Servers[server]:
		case slices.Contains(ours, value):
			left.set[server] = p.Servers[server]
			if left.open == "" {
				left.open = fmt.Sprintf("%s of %s is %s, it was %s", a.Flag, server, value, p.Servers[server])
			}
		default:
			left.foreign = append(left.foreign, server)
		}
	}
	return left
}

// restoreRates gives every server the value back that it had. One that is not alive is asked all the same, for a
// while: it may only be cut off from its meta server, and one that is started again has its configured value anyway.
func (b base) restoreRates(ctx context.Context, step string, a plan.LimitRate) (string, error) {
	p, err := b.r.ratePrior(step)
	if err != nil {
		return "", err
	}
	if p.Missing {
		return "no limit of " + a.Cluster + " was changed", nil
	}
	begun := b.r.Now()
	reached := map[string]bool{}
	var left rateLeft
	for {
		var reason string
		left, reason, err = b.restoreOnce(ctx, a, p, reached)
		if err != nil {
			return "", err
		}
		elapsed := b.r.Now().Sub(begun)
		if reason == "" && (len(left.away) == 0 || elapsed >= b.r.Waits.Transient/4) {
			break
		}
		if elapsed >= b.r.Waits.Transient {
			return "", &StepError{Step: b.id, Code: CodeRate, Text: "a transfer limit could not be given back: " + reason, Hint: b.r.rateByHand(step)}
		}
		if reason == "" {
			reason = fmt.Sprintf("%v is not alive; its limit is given back if it answers", left.away)
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Reason: reason, Elapsed: elapsed, Limit: b.r.Waits.Transient})
		if !pause(ctx, b.r.Waits.Poll) {
			return "", fmt.Errorf("%s: %w", reason, context.Cause(ctx))
		}
	}
	b.tellRates(a, p, left)
	return fmt.Sprintf("%s of %d servers of %s is what it was", a.Flag, len(p.Servers)-len(left.away)-len(left.foreign), a.Cluster), nil
}

// restoreOnce is one round; reason says what is still open, "" for nothing. away is what was not reached.
func (b base) restoreOnce(ctx context.Context, a plan.LimitRate, p ratePrior, reached map[string]bool) (left rateLeft, reason string, err error) {
	call, cancel := b.call(ctx)
	now, err := b.r.World.Rates.Rates(call, a.Cluster, a.Flag)
	cancel()
	if err != nil {
		reason, err = tolerate(ctx, err)
		return left, reason, err
	}
	left = openRates(a, p, now)
	for _, server := range sorted(left.set) {
		if err := b.setRate(ctx, a, server, left.set[server]); err != nil {
			if errors.Is(err, ErrRefused) {
				return left, "", err
			}
			reason = fmt.Sprintf("%s: %v", server, err)
		}
	}
	var away []string
	for _, server := range left.away {
		if !reached[server] && b.setRate(ctx, a, server, p.Servers[server]) != nil {
			away = append(away, server)
			continue
		}
		reached[server] = true
	}
	left.away = away
	if ctx.Err() != nil {
		return left, "", context.Cause(ctx)
	}
	return left, reason, nil
}

func (b base) tellRates(a plan.LimitRate, p ratePrior, left rateLeft) {
	for _, server := range left.away {
		b.warn(CodeRate, fmt.Sprintf("%s is not alive and does not answer: %s may still be limited there should it only be cut off", server, a.Flag),
			fmt.Sprintf("when it is back without having been started again: curl 'http://%s/updateConfig?%s=%s'", server, a.Flag, p.Servers[server]))
	}
	for _, server := range left.foreign {
		b.warn(CodeRate, fmt.Sprintf("%s of %s is none of the values that this run set: it was started again, or somebody changed it; it is left alone", a.Flag, server),
			"it was "+p.Servers[server]+" before")
	}
}

// undoRate gives the limits back in a rollback; a.Step may be empty there.
func (b base) undoRate(ctx context.Context, a plan.RestoreRate) (string, error) {
	if a.Step == "" {
		a.Step = b.id
	}
	limit, err := b.r.limitStep(b.id, a.Step)
	if err != nil {
		return "", err
	}
	return b.restoreRates(ctx, a.Step, limit)
}
