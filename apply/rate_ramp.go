package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// ramp raises a limit while bytes flow. A nil ramp does nothing.
type ramp struct {
	b    base
	step string
	a    plan.LimitRate
	// level is the present rate in bytes per second, 0 until the servers were asked.
	level int64
	// since is when it was reached while bytes flowed, zero until they do.
	since time.Time
	// next is when servers are looked at for having forgotten it.
	next  time.Time
	moved int64 // bytes at the first look, -1 when not told
	told  bool
}

// rampEvery is the longest time between two looks at whether every server still has the rate.
const rampEvery = 30 * time.Second

// newRamp gives the ramp of a LimitRate step, nil for none.
func (b base) newRamp(step string) *ramp {
	s, _ := b.r.Plan.Step(step)
	a, ok := s.Action.(plan.LimitRate)
	if p, err := b.r.ratePrior(step); !ok || err != nil || p.Missing {
		return nil
	}
	return &ramp{b: b, step: step, a: a}
}

// look raises the rate when it is time to. moving says that bytes were seen to flow: before the first one, latency
// spikes come from checkpoints, and no limit of transfers helps. That it cannot be raised does not end a transfer;
// only a state that cannot be written does, and the end of ctx.
func (p *ramp) look(ctx context.Context, moving bool) error {
	if p == nil {
		return nil
	}
	err := p.raise(ctx, moving)
	if err == nil || isWriteError(err) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !p.told {
		p.told = true
		p.b.warn(CodeRate, fmt.Sprintf("%s of %s could not be set: %v", p.a.Flag, p.a.Cluster, err), "it is tried again; the transfer goes on")
	}
	return nil
}

func (p *ramp) raise(ctx context.Context, moving bool) error {
	now := p.b.r.Now()
	call, cancel := p.b.call(ctx)
	defer cancel()
	if p.level == 0 {
		values, err := p.b.r.World.Rates.Rates(call, p.a.Cluster, p.a.Flag)
		if err != nil {
			return err
		}
		p.level = p.lowest(values)
		if p.moved, err = p.b.r.World.Rates.Transferred(call, p.a.Cluster, p.a.Use); err != nil {
			p.moved = -1
		}
		p.next = now.Add(min(p.a.Ramp.Every, rampEvery))
	}
	if p.since.IsZero() {
		if !moving && p.moved >= 0 {
			n, err := p.b.r.World.Rates.Transferred(call, p.a.Cluster, p.a.Use)
			moving = err == nil && n > p.moved
		}
		if moving {
			p.since = now
		}
	} else if now.Sub(p.since) >= p.a.Ramp.Every && p.level < p.a.Ramp.Max && p.a.Ramp.Step > 0 {
		p.level, p.since, p.next = min(p.level+p.a.Ramp.Step, p.a.Ramp.Max), now, now
	}
	if now.Before(p.next) {
		return nil
	}
	p.next = now.Add(min(p.a.Ramp.Every, rampEvery))
	return p.b.setRates(ctx, p.step, p.a, p.level)
}

// lowest is the rate that the most limited server has, of those that the ramp gives.
func (p *ramp) lowest(values []FlagValue) int64 {
	for rate := p.a.Ramp.Start; rate < p.a.Ramp.Max && p.a.Ramp.Step > 0; rate += p.a.Ramp.Step {
		if slices.ContainsFunc(values, func(v FlagValue) bool { return v.Value == rateValue(p.a, rate) }) {
			return rate
		}
	}
	if slices.ContainsFunc(values, func(v FlagValue) bool { return v.Value == rateValue(p.a, p.a.Ramp.Max) }) {
		return p.a.Ramp.Max
	}
	return p.a.Ramp.Start
}

// text says what the limit is and why it will change, "" without one.
func (p *ramp) text() string {
	if p == nil || p.level == 0 {
		return ""
	}
	text := fmt.Sprintf("; %s limited to %s/s per server", p.a.Use, plan.Bytes(uint64(p.level)))
	switch {
	case p.level >= p.a.Ramp.Max:
	case p.since.IsZero():
		text += ", until bytes flow"
	default:
		text += fmt.Sprintf(", %s/s in %s", plan.Bytes(uint64(min(p.level+p.a.Ramp.Step, p.a.Ramp.Max))),
			plan.Duration(max(p.a.Ramp.Every-p.b.r.Now().Sub(p.since), 0)))
	}
	return text
}

// rate and reason are the limit for the display, "" without one.
func (p *ramp) rate() string {
	if p == nil || p.level == 0 {
		return ""
	}
	return plan.Bytes(uint64(p.level)) + "/s per server"
}

func (p *ramp) reason() string {
	switch {
	case p == nil || p.level == 0:
		return ""
	case p.level >= p.a.Ramp.Max:
		return "declared maximum"
	case p.since.IsZero():
		return "rises once bytes flow"
	}
	return "rises by " + plan.Bytes(uint64(p.a.Ramp.Step)) + "/s every " + plan.Duration(p.a.Ramp.Every)
}
