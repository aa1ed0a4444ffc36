package cli

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// defaultSample is the share of the rows of a sample that says none.
const defaultSample = 0.01

// estimate compares a sample, or counts.
func (v *verification) estimate(ctx context.Context) error {
	sink, done := v.sink(v.o.json, "verify")
	defer done()
	defer v.servePace(ctx, sink, "verify")()
	live := actuate.NewLive(v.actuators, v.env.Now)
	job := actuate.Comparison{Source: v.source, Target: v.target, Options: v.options(), Limits: v.limits(),
		Patience: v.feed.patience, ExpirySkew: v.feed.skew, AllowExtra: v.allowExtra(),
		Report: func(p event.MoveProgress) { p.Step = "verify"; sink.Emit(p) }}
	var result event.Verified
	var err error
	if v.mode == plan.VerifyCount {
		result, err = live.Count(ctx, job)
	} else {
		result, err = live.Sample(ctx, job, v.sample)
	}
	if err != nil {
		return v.unfinished(ctx, sink, err)
	}
	result.Step, result.Round = "verify", 1
	sink.Emit(result)
	return v.verdict(ctx, result)
}
