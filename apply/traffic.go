package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

const (
	// kindBaseline is the proof of HoldBalancer: trafficBaseline.
	kindBaseline = "baseline"
	// kindTraffic is the proof of ProveTraffic, a string.
	kindTraffic = "traffic"
	// kindFewer is what ProveTraffic leaves when nothing was wrong but the number of requests: the
	// target's TrafficSample, which an operator who runs it again takes as enough.
	kindFewer = "fewer-clients"
)

const (
	// baselineSamples make the baseline; they are taken trafficEvery apart.
	baselineSamples = 4
	// ownSamples are taken before and thrown away: this tool has just read the whole table to compare it.
	// Servers compute rates every ten seconds (perf_counter_update_interval_seconds) and answer with the
	// last one until the next, so a rate tells of requests that are up to twenty seconds old.
	ownSamples = 8
	// arrivedShare is the part of the clients' traffic that has to be seen on the target.
	arrivedShare = 0.9
	// quietQPS is what of a table's traffic counts as none: behind the eviction every request of a
	// client is rejected, and rejected ones are not counted.
	quietQPS = 0.5
	// countedQPS is the rate from which reads and writes are compared each for itself.
	countedQPS = 10
	// trafficSamples bounds what the certificate keeps.
	trafficSamples = 24
)

// trafficEvery is the time between two samples: servers compute their rates over some seconds.
func (r *Run) trafficEvery() time.Duration { return 3 * r.Waits.Sample }

// trafficBaseline is what clients did before the fence.
type trafficBaseline struct {
	At     time.Time     `json:"at"`
	Source TrafficSample `json:"source"` // rates are means
	// SourceFailures and TargetFailures are per second. Failures are counted per server: those of
	// other tables are among them.
	SourceFailures float64 `json:"source_failures"`
	TargetFailures float64 `json:"target_failures"`
}

// provesTraffic says whether the plan looks at the clients' traffic after the switch.
func (r *Run) provesTraffic() bool {
	_, ok := firstStep[plan.ProveTraffic](r.Plan)
	return ok
}

// baseline reads what was measured before the fence.
func (r *Run) baseline() (trafficBaseline, bool, error) {
	step, ok := firstStep[plan.HoldBalancer](r.Plan)
	if !ok {
		return trafficBaseline{}, false, nil
	}
	return unblob[trafficBaseline](r.record(step.ID).Proof, kindBaseline)
}

// measureBaseline measures both sides for some seconds and keeps the result as the proof of b's step.
func (r *Run) measureBaseline(ctx context.Context, b base) error {
	step, _ := firstStep[plan.ProveTraffic](r.Plan)
	a := step.Action.(plan.ProveTraffic)
	out := trafficBaseline{}
	var begun time.Time
	for n := -ownSamples; n < baselineSamples; n++ {
		if n > -ownSamples && !pause(ctx, r.trafficEvery()) {
			return context.Cause(ctx)
		}
		r.Sink.Emit(event.Waiting{Step: b.id, Reason: "what clients do is measured, for the traffic to be compared with after the switch",
			Elapsed: time.Duration(n+ownSamples) * r.trafficEvery(), Limit: (ownSamples + baselineSamples) * r.trafficEvery()})
		pair, err := b.traffic(ctx, a)
		if err != nil {
			return err
		}
		switch {
		case n < 0:
			continue
		case n == 0:
			begun = r.Now()
		default:
			out.SourceFailures += failures(pair.Source)
			out.TargetFailures += failures(pair.Target)
		}
		out.Source.ReadQPS += pair.Source.ReadQPS / baselineSamples
		out.Source.WriteQPS += pair.Source.WriteQPS / baselineSamples
	}
	out.At = r.Now()
	out.Source.At = out.At
	if span := out.At.Sub(begun).Seconds(); span > 0 {
		out.SourceFailures /= span
		out.TargetFailures /= span
	}
	proof, err := blob(kindBaseline, out)
	if err != nil {
		return err
	}
	return r.update(b.id, func(s *state.Step) { s.Proof = proof })
}

func failures(s TrafficSample) float64 {
	return s.ReadFailures + s.WriteFailures + s.RejectedNonIdempotent
}

// traffic reads the counters of both sides.
func (b base) traffic(ctx context.Context, a plan.ProveTraffic) (p TrafficProof, err error) {
	err = b.insist(ctx, "read the traffic counters", func(ctx context.Context) error {
		var err error
		p, err = b.trafficOnce(ctx, a)
		return err
	})
	return p, err
}

func (b base) trafficOnce(ctx context.Context, a plan.ProveTraffic) (p TrafficProof, err error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	if p.Source, err = b.r.World.Traffic.Traffic(ctx, a.Source); err != nil {
		return p, err
	}
	p.Target, err = b.r.World.Traffic.Traffic(ctx, a.Target)
	return p, err
}

// trafficRunner waits until the clients are seen on the target and nowhere else.
type trafficRunner struct {
	base
	a plan.ProveTraffic
	// since is when the first of the samples was taken that agree up to now.
	since time.Time
	agree []TrafficProof
	last  time.Time // of the sample before
	told  bool      // of clients that stay with the source
	// fewer is since when nothing is wrong but that the target serves less than the source did.
	fewer time.Time
}

func (t *trafficRunner) done(context.Context) (bool, string, error) {
	text, ok, err := unblob[string](t.r.record(t.id).Proof, kindTraffic)
	if err != nil || !ok {
		return false, "the clients are not seen on the target yet", err
	}
	return true, text, nil
}

func (t *trafficRunner) run(ctx context.Context) error {
	before, known, err := t.r.baseline()
	if err != nil {
		return err
	}
	if fewer, ok, err := unblob[TrafficSample](t.r.record(t.id).Proof, kindFewer); err != nil {
		return err
	} else if ok {
		before.Source.ReadQPS, before.Source.WriteQPS = min(before.Source.ReadQPS, fewer.ReadQPS), min(before.Source.WriteQPS, fewer.WriteQPS)
		t.warn(CodeTraffic, fmt.Sprintf("%.1f reads and %.1f writes per second on the target are taken as enough: the run before ended with that, and nothing else was wrong",
			before.Source.ReadQPS, before.Source.WriteQPS), "")
	}
	if !known {
		t.warn(CodeTraffic, "what the clients did before the fence is not known: some traffic on the target has to do", "")
	}
	begun := t.r.Now()
	hint := "look for clients that have the meta servers of " + t.a.Source.Cluster + " in their configuration, or a proxy that is not listed; " +
		"nothing is undone after the switch; `" + t.r.Resume + "` looks again"
	err = t.awaitEvery(ctx, t.r.trafficEvery(), t.a.For+t.r.Waits.Traffic, CodeTraffic, hint, func(ctx context.Context) (bool, string, error) {
		pair, err := t.trafficOnce(ctx, t.a)
		if err != nil {
			reason, err := tolerate(ctx, err)
			return false, reason, err
		}
		wrong := t.judge(pair, before, known)
		if wrong != "" && t.r.Now().Sub(begun) >= min(t.a.For/2, time.Minute) {
			t.tell(pair, before)
		}
		if wrong != "" {
			return false, wrong, nil
		}
		agreed := t.r.Now().Sub(t.since)
		return agreed >= t.a.For, fmt.Sprintf("source and target agree for %s of %s", plan.Duration(agreed), plan.Duration(t.a.For)), nil
	})
	if err != nil {
		return t.giveUp(ctx, err)
	}
	return t.prove(before)
}

// giveUp looks whether only the number of requests was wrong, for as long as the proof would take: it
// may be right that there are fewer, and only a person can know.
func (t *trafficRunner) giveUp(ctx context.Context, err error) error {
	var step *StepError
	if ctx.Err() != nil || !errors.As(err, &step) || t.fewer.IsZero() || t.r.Now().Sub(t.fewer) < t.a.For || len(t.agree) == 0 {
		return err
	}
	proof, failed := blob(kindFewer, t.agree[len(t.agree)-1].Target)
	if failed != nil {
		return failed
	}
	if err := t.r.update(t.id, func(s *state.Step) { s.Proof = proof }); err != nil {
		return err
	}
	step.Hint = "nobody uses the source and nothing fails, there are only fewer requests than before; when that is as it should be, `" +
		t.r.Resume + "` takes it as enough; otherwise look for applications that do not run"
	return step
}

// judge takes one pair of samples in and says what is not as it should be; "" for nothing.
func (t *trafficRunner) judge(p TrafficProof, before trafficBaseline, known bool) string {
	now := t.r.Now()
	span := now.Sub(t.last).Seconds()
	first := t.last.IsZero()
	t.last = now
	var wrong []string
	if qps := p.Source.ReadQPS + p.Source.WriteQPS; qps >= quietQPS {
		wrong = append(wrong, fmt.Sprintf("the source still serves %.1f reads and %.1f writes per second", p.Source.ReadQPS, p.Source.WriteQPS))
	}
	if !first && span > 0 {
		wrong = append(wrong, failing("source", p.Source, before.SourceFailures, span)...)
		wrong = append(wrong, failing("target", p.Target, before.TargetFailures, span)...)
	}
	less := missed(p, before, known)
	switch {
	case len(wrong) > 0 || len(less) == 0:
		t.fewer = time.Time{}
	case t.fewer.IsZero():
		t.fewer = now
	}
	wrong = append(wrong, less...)
	if len(wrong) > 0 || first {
		t.since, t.agree = now, nil
	}
	t.agree = append(t.agree, p)
	return strings.Join(wrong, "; ")
}

// missed compares what the target serves with what the source served before the fence.
func missed(p TrafficProof, before trafficBaseline, known bool) (wrong []string) {
	short := func(what string, now, then float64) {
		if now < then*arrivedShare {
			wrong = append(wrong, fmt.Sprintf("the target serves %.1f %s per second, before the fence the source served %.1f", now, what, then))
		}
	}
	b := before.Source
	switch {
	case !known:
		if p.Target.ReadQPS+p.Target.WriteQPS < quietQPS {
			wrong = append(wrong, "the target serves nobody")
		}
	case b.ReadQPS+b.WriteQPS < quietQPS: // a table that nobody used
	default:
		short("requests", p.Target.ReadQPS+p.Target.WriteQPS, b.ReadQPS+b.WriteQPS)
		if b.ReadQPS >= countedQPS {
			short("reads", p.Target.ReadQPS, b.ReadQPS)
		}
		if b.WriteQPS >= countedQPS {
			short("writes", p.Target.WriteQPS, b.WriteQPS)
		}
	}
	return wrong
}

// failing says whether a cluster's counters of failures grow faster than they did before the fence,
// when other tables had their share in them.
func failing(side string, s TrafficSample, before, span float64) (wrong []string) {
	if s.RejectedNonIdempotent > 0 {
		wrong = append(wrong, fmt.Sprintf("%.0f writes of the %s were refused as not idempotent", s.RejectedNonIdempotent, side))
	}
	if n := s.ReadFailures + s.WriteFailures; n/span > before*1.5 {
		wrong = append(wrong, fmt.Sprintf("on the %s %.0f reads and %.0f writes failed within %.0f s", side, s.ReadFailures, s.WriteFailures, span))
	}
	return wrong
}

// tell warns once of clients that stay with the source.
func (t *trafficRunner) tell(p TrafficProof, before trafficBaseline) {
	stay := p.Source.ReadQPS+p.Source.WriteQPS >= quietQPS
	failed := p.Source.ReadFailures+p.Source.WriteFailures > before.SourceFailures*1.5*t.r.trafficEvery().Seconds()
	if t.told || !stay && !failed {
		return
	}
	t.told = true
	t.warn(CodeTraffic, fmt.Sprintf("somebody still goes to %s: %.1f reads and %.1f writes per second, %.0f reads and %.0f writes failed there since the last look",
		t.a.Source, p.Source.ReadQPS, p.Source.WriteQPS, p.Source.ReadFailures, p.Source.WriteFailures),
		"these are clients that do not go through a listed proxy; give them the new meta servers")
}

// prove keeps the samples that agree in the certificate.
func (t *trafficRunner) prove(before trafficBaseline) error {
	kept := t.agree
	for len(kept) > trafficSamples { // every second one, and the last
		thin := kept[:0:0]
		for i := range kept {
			if i%2 == 0 || i == len(kept)-1 {
				thin = append(thin, kept[i])
			}
		}
		kept = thin
	}
	if err := t.r.certify(func(c *Certificate) { c.Traffic = slices.Clone(kept) }); err != nil {
		return err
	}
	end := kept[len(kept)-1]
	proof, err := blob(kindTraffic, fmt.Sprintf("for %s the source served nobody and the target %.0f requests per second (the source before the fence: %.0f), without failures on either side",
		plan.Duration(cmp.Or(t.r.Now().Sub(t.since).Round(time.Second), t.a.For)), end.Target.ReadQPS+end.Target.WriteQPS, before.Source.ReadQPS+before.Source.WriteQPS))
	if err != nil {
		return err
	}
	return t.r.update(t.id, func(s *state.Step) { s.Proof = proof })
}
