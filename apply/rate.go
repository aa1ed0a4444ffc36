package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindRates is what a flag was on each server before this run changed it, a ratePrior.
const kindRates = "rates"

// CodeRate is about the flags that limit transfers.
const CodeRate = "PM3051"

// ratePrior is a flag as the servers had it. A server is in it before its flag is changed.
type ratePrior struct {
	Servers map[string]string `json:"servers,omitempty"`
	// Missing says that the servers have no such flag.
	Missing bool `json:"missing,omitempty"`
}

// limitRunner sets the flag of every replica server to the beginning of the ramp.
type limitRunner struct {
	base
	a plan.LimitRate
}

func (l *limitRunner) prior(ctx context.Context) (*state.Blob, error) {
	p, err := l.readRates(ctx, l.a)
	if err != nil {
		return nil, err
	}
	if own, err := l.r.priors(); err == nil { // what a run that was lost had set is not what servers had
		for server, value := range own.Rates[rateKey(l.a)] {
			p.Servers[server] = value
		}
	}
	return blob(kindRates, p)
}

// readRates asks every server for the flag of a limit.
func (b base) readRates(ctx context.Context, a plan.LimitRate) (ratePrior, error) {
	now, err := b.rates(ctx, a)
	if errors.Is(err, ErrRefused) {
		return ratePrior{Missing: true}, nil
	}
	p := ratePrior{Servers: map[string]string{}}
	for _, v := range now {
		p.Servers[v.Server] = v.Value
	}
	return p, err
}

// rateKey names a flag of a cluster in the ownership marker.
func rateKey(a plan.LimitRate) string { return a.Cluster + " " + a.Flag }

func (l *limitRunner) done(ctx context.Context) (bool, string, error) {
	p, err := l.r.ratePrior(l.id)
	switch {
	case err != nil:
		return false, "", err
	case p.Missing:
		return true, fmt.Sprintf("the servers of %s have no flag %s: no effect", l.a.Cluster, l.a.Flag), nil
	case !l.r.limits(l.id):
		return true, "everything that it limits is over", nil
	}
	now, err := l.rates(ctx, l.a)
	if err != nil {
		return false, "", err
	}
	for _, v := range now {
		if _, known := p.Servers[v.Server]; !known || v.Value != rateValue(l.a, l.a.Ramp.Start) {
			return false, fmt.Sprintf("%s of %s is %s", l.a.Flag, v.Server, v.Value), nil
		}
	}
	return true, fmt.Sprintf("%s is %s on %d servers of %s", l.a.Flag, rateValue(l.a, l.a.Ramp.Start), len(now), l.a.Cluster), nil
}

// holds: a run that failed put the limits back, and a server that was started again has forgotten its own.
func (l *limitRunner) holds(ctx context.Context) (bool, error) {
	p, err := l.r.ratePrior(l.id)
	if err != nil || p.Missing || !l.r.limits(l.id) {
		return true, err
	}
	now, err := l.rates(ctx, l.a)
	return !slices.ContainsFunc(now, func(v FlagValue) bool { return !slices.Contains(rampValues(l.a), v.Value) }), err
}

func (l *limitRunner) run(ctx context.Context) error {
	return l.setRates(ctx, l.id, l.a, l.a.Ramp.Start)
}

// limits says whether anything that a LimitRate step limits is still to be done.
func (r *Run) limits(step string) bool {
	for _, s := range r.Plan.Steps {
		rate := ""
		switch a := s.Action.(type) {
		case plan.Backup:
			rate = a.Rate
		case plan.Restore:
			rate = a.Rate
		case plan.BulkLoad:
			rate = a.Rate
		case plan.FollowDuplication:
			rate = a.Rate
		case plan.RestoreRate:
			if a.Step == step && r.record(s.ID).Attempts > 0 && r.record(s.ID).Status != state.Undone {
				return false
			}
		}
		if rate == step && r.record(s.ID).Status != state.Done {
			return true
		}
	}
	return false
}

// ratePrior is what a LimitRate step found.
func (r *Run) ratePrior(step string) (ratePrior, error) {
	p, ok, err := unblob[ratePrior](r.record(step).Prior, kindRates)
	if err == nil && !ok {
		p.Missing = true // nothing was asked, so nothing was changed
	}
	return p, err
}

// rates asks every replica server for a flag.
func (b base) rates(ctx context.Context, a plan.LimitRate) (now []FlagValue, err error) {
	err = b.insist(ctx, fmt.Sprintf("read %s of the replica servers of %s", a.Flag, a.Cluster), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		var err error
		now, err = b.r.World.Rates.Rates(ctx, a.Cluster, a.Flag)
		return err
	})
	return now, err
}

// setRates brings every replica server to a rate, in bytes per second. A server that was not there before is asked
// for its value first, and that is durable before it changes.
func (b base) setRates(ctx context.Context, step string, a plan.LimitRate, rate int64) error {
	now, err := b.rates(ctx, a)
	if err != nil {
		return err
	}
	if err := b.r.learnRates(step, now); err != nil {
		return err
	}
	want := rateValue(a, rate)
	for _, v := range now {
		if v.Value == want {
			continue
		}
		if err := b.insist(ctx, fmt.Sprintf("set %s of %s", a.Flag, v.Server), func(ctx context.Context) error {
			return b.setRate(ctx, a, v.Server, want)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b base) setRate(ctx context.Context, a plan.LimitRate, server, value string) error {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Rates.SetRate(ctx, a.Cluster, server, a.Flag, value)
}

// learnRates makes the values of servers durable that were not known.
func (r *Run) learnRates(step string, now []FlagValue) error {
	p, err := r.ratePrior(step)
	if err != nil {
		return err
	}
	more := false
	for _, v := range now {
		if _, known := p.Servers[v.Server]; !known {
			if p.Servers == nil {
				p.Servers = map[string]string{}
			}
			p.Servers[v.Server], more = v.Value, true
		}
	}
	if !more {
		return nil
	}
	p.Missing = false
	prior, err := blob(kindRates, p)
	if err != nil {
		return err
	}
	return r.update(step, func(s *state.Step) { s.Prior = prior })
}

// rateValue is a rate as the flag has it: at least 1, because 0 would be no limit or no transfer.
func rateValue(a plan.LimitRate, rate int64) string {
	return strconv.FormatInt(max(rate/max(a.Unit, 1), 1), 10)
}

// rampValues are all values that a ramp gives its flag.
func rampValues(a plan.LimitRate) (values []string) {
	for rate := a.Ramp.Start; ; rate += a.Ramp.Step {
		rate = min(rate, max(a.Ramp.Max, a.Ramp.Start))
		values = append(values, rateValue(a, rate))
		if rate >= a.Ramp.Max || a.Ramp.Step <= 0 {
			return values
		}
	}
}

// releaseRates gives the servers their limits back when a run ends with an error: who comes back for it, and when, is
// not known. The step sets them again. It changes nothing that could not be undone later too, so a state that
// cannot be written is no reason to leave it.
func (r *Run) releaseRates(ctx context.Context) {
	for _, s := range r.standingRates() {
		b := base{r: r, id: s.ID}
		_ = r.update(s.ID, func(rec *state.Step) {
			if rec.Status == state.Done {
				rec.Status = state.Intended
			}
		})
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Waits.Undo)
		if _, err := b.restoreRates(ctx, s.ID, s.Action.(plan.LimitRate)); err != nil {
			b.warn(CodeRate, "the transfer limits could not be given back: "+err.Error(), r.rateByHand(s.ID))
		}
		cancel()
	}
}

// standingRates are the steps whose limits are set and not given back.
func (r *Run) standingRates() (steps []plan.Step) {
	for _, s := range r.Plan.Steps {
		switch a := s.Action.(type) {
		case plan.LimitRate:
			rec := r.record(s.ID)
			if p, err := r.ratePrior(s.ID); err == nil && !p.Missing && rec.Attempts > 0 && rec.Status != state.Undone {
				steps = append(steps, s)
			}
		case plan.RestoreRate:
			if r.record(s.ID).Status == state.Done {
				steps = slices.DeleteFunc(steps, func(limit plan.Step) bool { return limit.ID == a.Step })
			}
		}
	}
	return steps
}

// ratesNote says that limits stay behind when a run is interrupted: what they limit goes on without it.
func (r *Run) ratesNote() string {
	var clusters []string
	for _, s := range r.standingRates() {
		clusters = append(clusters, s.Action.(plan.LimitRate).Cluster)
	}
	if len(clusters) == 0 {
		return ""
	}
	return fmt.Sprintf("the transfer limits of %s stay as they are, because servers go on; `%s` or `%s` gives the old ones back",
		strings.Join(slices.Compact(clusters), " and "), r.Resume, r.rollbackCommand())
}

// join puts two notes together.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// rateByHand is what an operator types.
func (r *Run) rateByHand(step string) string {
	s, ok := r.Plan.Step(step)
	a, limit := s.Action.(plan.LimitRate)
	p, err := r.ratePrior(step)
	if !ok || !limit || err != nil || len(p.Servers) == 0 {
		return "compare the limits of the replica servers with their configuration"
	}
	var lines []string
	for _, server := range sorted(p.Servers) {
		lines = append(lines, fmt.Sprintf("curl 'http://%s/updateConfig?%s=%s'", server, a.Flag, p.Servers[server]))
	}
	return strings.Join(lines, "; ")
}

// priorRates asks for the flags that the plan will change, for the ownership marker.
func (o *ownRunner) priorRates(ctx context.Context, p *ownPriors) error {
	for _, s := range o.r.Plan.Steps {
		a, ok := s.Action.(plan.LimitRate)
		if !ok {
			continue
		}
		now, err := o.readRates(ctx, a)
		if err != nil {
			return err
		}
		if now.Missing {
			continue
		}
		if p.Rates == nil {
			p.Rates = map[string]map[string]string{}
		}
		p.Rates[rateKey(a)] = now.Servers
	}
	return nil
}
