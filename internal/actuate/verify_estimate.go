package actuate

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/differ"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Sample compares a share of the rows, chosen at random. Of job it does not use Each, Drift, Before and Save.
func (l *Live) Sample(ctx context.Context, job Comparison, share float64) (event.Verified, error) {
	pair, opts, stop, err := l.estimating(ctx, job)
	if err != nil {
		return event.Verified{}, err
	}
	defer stop()
	estimates := l.engine.estimates(ctx, job.Source)
	r, err := differ.RunSample(ctx, pair.src, pair.dst, differ.SampleOptions{LiveOptions: opts, Share: share}, reportLive(job.Report, estimates))
	err = pair.unchanged(ctx, err)
	if err != nil {
		return event.Verified{}, err
	}
	out := verified(differ.Result{Counts: r.Counts, First: r.First})
	out.Mode, out.Sample, out.Patience = plan.VerifySample, share, job.Patience
	out.Open, out.Cut = uint64(len(r.Open)), r.TooMany
	out.Confidence = confidence(r)
	return out, nil
}

// estimating prepares a comparison of less than everything. Call stop when it is over.
func (l *Live) estimating(ctx context.Context, job Comparison) (pair livePair, opts differ.LiveOptions, stop func(), err error) {
	if pair, err = l.pair(ctx, job.Source, job.Target); err != nil {
		return pair, opts, nil, err
	}
	job.Each = nil
	if opts, err = job.options(pair, nil); err != nil {
		return pair, opts, nil, err
	}
	opts.Pacer, stop, err = l.engine.clusters.paced(ctx, job.Source, job.Target, job.Limits)
	return pair, opts, stop, err
}

// confidence says in words what a sample proves.
func confidence(r differ.SampleResult) string {
	rows := max(r.SourceRows, r.TargetRows)
	if r.Sampled == 0 {
		return fmt.Sprintf("no row of %d fell into a sample of %s: it says nothing, take a larger one", rows, plan.Share(r.Share))
	}
	s := fmt.Sprintf("%s of %d, drawn at random, were read on both sides, and %s", plan.Counted(r.Sampled, "row"), rows, differing(r.Found))
	bound := fmt.Sprintf("at most %s (%s) of all differ", plan.Counted(r.MaxRows, "row"), shortShare(r.MaxShare))
	return fmt.Sprintf("%s: with %s confidence %s; a single row that differs is found with a chance of %s only",
		s, plan.Share(differ.Confidence), bound, plan.Share(r.Share))
}

func differing(n uint64) string {
	switch n {
	case 0:
		return "none differs"
	case 1:
		return "1 differs"
	}
	return fmt.Sprintf("%d differ", n)
}

// shortShare writes a bound with two digits.
func shortShare(f float64) string {
	if f > 0.99 {
		return "100 %"
	}
	return fmt.Sprintf("%.2g %%", 100*f)
}

// Count compares the numbers of rows. Of job it does not use Each, Drift, Before, Save, Patience and ExpirySkew.
func (l *Live) Count(ctx context.Context, job Comparison) (event.Verified, error) {
	pair, opts, stop, err := l.estimating(ctx, job)
	if err != nil {
		return event.Verified{}, err
	}
	defer stop()
	opts.Still, opts.Patience = true, 0
	estimates := l.engine.estimates(ctx, job.Source)
	r, err := differ.RunCount(ctx, scan.Table(pair.src.rows), scan.Table(pair.dst.rows), opts, reportLive(job.Report, estimates))
	err = pair.unchanged(ctx, err)
	if err != nil {
		return event.Verified{}, err
	}
	return countedRows(r), nil
}

// countedRows turns numbers of rows into an event: what one side has more than the other is missing or extra at least.
func countedRows(r differ.CountResult) event.Verified {
	out := event.Verified{Mode: plan.VerifyCount, SourceRows: r.SourceRows, TargetRows: r.TargetRows, Misplaced: r.MisplacedSource + r.MisplacedTarget}
	for _, u := range r.Unequal {
		if u.Source > u.Target {
			out.Missing += u.Source - u.Target
		} else {
			out.Extra += u.Target - u.Source
		}
	}
	out.Differences = out.Missing + out.Extra + out.Misplaced
	out.Confidence = fmt.Sprintf("only numbers were compared, %s of them: that says nothing about which rows they are and what they hold",
		plan.Counted(int(r.Units), "pair"))
	if len(r.Unequal) > 0 {
		out.Confidence = fmt.Sprintf("the numbers differ in %d of %s; which rows these are a full comparison finds",
			len(r.Unequal), plan.Counted(int(r.Units), "pair"))
	}
	return out
}

// estimate is Verify of less than everything, of tables at rest.
func (e *Engine) estimate(ctx context.Context, job apply.VerifyJob) (event.Verified, error) {
	live := &Live{engine: e}
	c := Comparison{Source: job.Source, Target: job.Target, Options: job.Options, AllowExtra: job.AllowExtra, Report: job.Report,
		Limits: pacedLimits(job.Limits, job.Unpaced)}
	if job.Mode == plan.VerifyCount {
		return live.Count(ctx, c)
	}
	return live.Sample(ctx, c, job.Sample)
}

// pacedLimits leaves out what may hold rows while clients wait behind a fence.
func pacedLimits(l plan.CopyLimits, unpaced bool) plan.CopyLimits {
	if unpaced {
		l.Window, l.StopIf = nil, plan.StopIf{}
	}
	return l
}
