package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Counted in Waits.Sample.
const (
	// steadySpan is the shortest time that a rate is taken over, once there are samples for it, and
	// rateSpan the longest.
	steadySpan, rateSpan = 5, 30
	// growthSpan is how long the lag has to grow before anybody is told.
	growthSpan = 180
)

// span is a number of samples as a time.
func (l *lagRunner) span(samples int) time.Duration {
	return time.Duration(samples) * l.r.Waits.Sample
}

// lagSample is the lag of all partitions at one moment.
type lagSample struct {
	at      time.Time
	shipped map[int32]Lag
	// outstanding counts mutations beyond rest, total those of the partitions that report.
	unknown, behind           int
	worst, total, outstanding int64
	firstUnknown, problem     string
}

// lagRunner waits until a drain would be short.
type lagRunner struct {
	base
	a       plan.AwaitLag
	samples []lagSample
	// reached is the last look that found everything within its limits, zero for none.
	reached time.Time
	proof   string
	begun   time.Time
	told    time.Time // when a growing lag was warned of
	fixed   time.Duration
	rest    int64
	asked   bool
	moved   map[int32]lagMark
	refused rejectedWatch
}

// lagMark is when a partition was last seen to ship something, by what it had shipped then.
type lagMark struct {
	shipped int64
	at      time.Time
}

// done looks once. At rest that is enough; under traffic the rate of shipping has to be measured
// first, which run does.
func (l *lagRunner) done(ctx context.Context) (bool, string, error) {
	if !l.reached.IsZero() && l.r.Now().Sub(l.reached) < 2*max(l.r.Waits.Sample, l.r.Waits.Poll) {
		return true, l.proof, nil
	}
	over, reason, err := l.look(ctx)
	if over {
		reason = l.proof
	}
	return over, reason, err
}

func (l *lagRunner) run(ctx context.Context) error {
	return l.awaitProgress(ctx, max(l.r.Waits.Sample, l.r.Waits.Poll), CodeLag, func(ctx context.Context) (sight, error) {
		over, reason, err := l.look(ctx)
		if err != nil {
			reason, err := tolerate(ctx, err)
			return sight{mark: l.mark(), limit: l.r.Waits.Stall, reason: reason, causes: lagCauses}, err
		}
		s := sight{over: over, mark: l.mark(), limit: l.r.Waits.Stall, reason: reason, causes: lagCauses}
		if !over {
			s.causes = l.target(ctx) + lagCauses
		}
		return s, nil
	})
}

// lagCauses is what keeps a duplication from shipping as far as it is known (facts 6, 11 and 12).
const lagCauses = "known causes: a deny or throttling env on the target, a row above the target's max_allowed_write_size " +
	"(2.4 and 2.5 try it for ever), target servers that are down or unreachable from the source's, a damaged log block with fail_mode slow"

// target looks at what on the target keeps mutations out, for the message.
func (l *lagRunner) target(ctx context.Context) string {
	s, err := l.tableOnce(ctx, l.a.Target)
	if err != nil {
		return fmt.Sprintf("the target cannot be looked at (%v); ", err)
	}
	if v := s.Envs[plan.EnvDeny]; v != "" {
		return fmt.Sprintf("%s of %s is %q, so it takes nothing in; ", plan.EnvDeny, l.a.Target, v)
	}
	call, cancel := l.call(ctx)
	defer cancel()
	if h, err := l.r.World.Tables.Health(call, l.a.Target); err == nil && h.NoPrimary > 0 {
		return fmt.Sprintf("%d partitions of %s have no primary; ", h.NoPrimary, l.a.Target)
	}
	return ""
}

// mark is the partition that stands in the way for the longest time: one that does not report, or is
// behind, and ships nothing. That others go on is no progress of its.
func (l *lagRunner) mark() string {
	if len(l.samples) == 0 {
		return ""
	}
	s := l.samples[len(l.samples)-1]
	least := max(l.a.Threshold, l.rest)
	if s.unknown == 0 && s.behind == 0 {
		least = l.rest
	}
	var oldest time.Time
	for p, m := range l.moved {
		if now, reports := s.shipped[p]; reports && now.Committed-now.Shipped <= least {
			continue
		}
		if oldest.IsZero() || m.at.Before(oldest) {
			oldest = m.at
		}
	}
	return oldest.String()
}

// look samples the lag and says what is not within its limits.
func (l *lagRunner) look(ctx context.Context) (over bool, reason string, err error) {
	if err := l.askServers(ctx); err != nil {
		return false, "", err
	}
	if err := l.refuseLoss(ctx, l.a.Source); err != nil {
		return false, "", err
	}
	e, err := l.entry(ctx, l.a.Source)
	if err != nil {
		return false, "", err
	}
	if e.Status != dsLog {
		return false, "the duplication is in " + e.Status, nil
	}
	s, err := l.sample(ctx, e.ID)
	if err != nil {
		return false, "", err
	}
	rate := l.rate()
	var forecast time.Duration
	if rate > 0 {
		forecast = time.Duration(float64(s.outstanding) / rate * float64(time.Second))
	}
	l.r.Sink.Emit(event.LagProgress{Step: l.id, Partitions: len(s.shipped) + s.unknown, Behind: s.behind, Unknown: s.unknown,
		Worst: s.worst, Total: s.total, PerSecond: rate, Forecast: forecast, Elapsed: l.r.Now().Sub(l.begun)})
	l.growing(ctx)
	l.refused.look(ctx, l.base, l.a.Source)
	room := l.a.Budget - l.fixed
	switch {
	case s.unknown > 0:
		return false, fmt.Sprintf("%d partitions do not report what is shipped (%s: %s)", s.unknown, s.firstUnknown, s.problem), nil
	case s.behind > 0:
		return false, fmt.Sprintf("%d partitions are more than %d mutations behind, the worst %d", s.behind, l.a.Threshold, s.worst), nil
	case l.a.Budget > 0 && s.outstanding > 0 && rate == 0:
		return false, fmt.Sprintf("%d mutations are outstanding, the rate of shipping is being measured", s.outstanding), nil
	case l.a.Budget > 0 && forecast > room:
		return false, fmt.Sprintf("a drain would take %s now (%d mutations at %.0f per second), the budget has room for %s",
			plan.Duration(forecast), s.outstanding, rate, plan.Duration(max(room, 0))), nil
	}
	l.reached = l.r.Now()
	l.proof = fmt.Sprintf("%s, at most %s behind; a drain would take %s", plan.Counted(len(s.shipped), "partition"), plan.Counted(s.worst, "mutation"), plan.Duration(forecast))
	return true, "", nil
}

// askServers reads once what a window needs besides the drain: fence and lifting take one config sync
// each, and on 2.4 and 2.5 the last mutation of a partition is shipped behind the next empty write.
func (l *lagRunner) askServers(ctx context.Context) error {
	if l.asked {
		return nil
	}
	sync, err := l.syncInterval(ctx, l.a.Source.Cluster)
	if err != nil {
		return err
	}
	check, err := l.groupCheck(ctx, l.a.Source.Cluster)
	if err != nil {
		return err
	}
	if check > 0 {
		l.rest = 1
	}
	l.fixed = 2*sync + check + l.r.Waits.Settle
	if l.a.Budget > 0 && l.a.Budget < l.fixed {
		return &StepError{Step: l.id, Code: CodeBudget,
			Text: fmt.Sprintf("the write-reject budget of %s is below the smallest window of %s: two config syncs of %s, a group check of %s, %s",
				plan.Duration(l.a.Budget), plan.Duration(l.fixed), plan.Duration(sync), plan.Duration(check), plan.Duration(l.r.Waits.Settle)),
			Hint: "raise limits.write_reject, or lower config_sync_interval_ms or group_check_interval_ms of the source's servers"}
	}
	l.begun, l.asked = l.r.Now(), true
	return nil
}

// groupCheck is how long the last mutation of an idle partition waits; 0 where it does not.
func (b base) groupCheck(ctx context.Context, cluster string) (d time.Duration, err error) {
	err = b.insist(ctx, "read group_check_interval_ms of "+cluster, func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		var err error
		if d, err = b.r.World.Duplications.GroupCheck(ctx, cluster); err == nil {
			b.r.checks[cluster] = d
		}
		return err
	})
	return d, err
}

// lagsOnce reads the lag of every partition.
func (b base) lagsOnce(ctx context.Context, t plan.TableRef, id int32) ([]Lag, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	lags, err := b.r.World.Duplications.Lag(ctx, t, id)
	if err == nil && len(lags) == 0 {
		err = fmt.Errorf("%s reports no partition", t)
	}
	return believable(lags), err
}

// believable takes what a primary says that it shipped for unknown as long as the meta has stored
// nothing for its partition.
func believable(lags []Lag) []Lag {
	for i, l := range lags {
		if l.Shipped >= 0 && l.Confirmed < 0 {
			lags[i].Shipped, lags[i].Problem = -1, "its meta server has not stored yet what the partition shipped"
		}
	}
	return lags
}

func (l *lagRunner) sample(ctx context.Context, id int32) (lagSample, error) {
	lags, err := l.lagsOnce(ctx, l.a.Source, id)
	if err != nil {
		return lagSample{}, err
	}
	s := lagSample{at: l.r.Now(), shipped: map[int32]Lag{}}
	if l.moved == nil {
		l.moved = map[int32]lagMark{}
	}
	for _, lag := range lags {
		if then, known := l.moved[lag.Partition]; !known || lag.Shipped > then.shipped {
			l.moved[lag.Partition] = lagMark{lag.Shipped, s.at}
		}
		if lag.Shipped < 0 {
			if s.unknown++; s.unknown == 1 {
				s.firstUnknown, s.problem = fmt.Sprintf("partition %d on %s", lag.Partition, lag.Primary), lag.Problem
			}
			continue
		}
		behind := max(lag.Committed-lag.Shipped, 0)
		s.shipped[lag.Partition] = lag
		s.total += behind
		s.outstanding += max(behind-l.rest, 0)
		s.worst = max(s.worst, behind)
		if behind > max(l.a.Threshold, l.rest) {
			s.behind++
		}
	}
	l.samples = append(l.samples, s)
	for len(l.samples) > 2 && s.at.Sub(l.samples[1].at) > l.span(growthSpan) {
		l.samples = l.samples[1:]
	}
	return s, nil
}

// rate is how many mutations per second were shipped lately, 0 while unknown: the best mean up to now
// of at least steadySpan, as what is shipped is never more than what is written. A partition counts as long as one
// primary reported it: another one begins again at what was confirmed.
func (l *lagRunner) rate() float64 {
	now := l.samples[len(l.samples)-1]
	least := min(l.span(steadySpan), now.at.Sub(l.samples[0].at))
	best := 0.0
	for _, then := range l.samples[:len(l.samples)-1] {
		span := now.at.Sub(then.at)
		if span <= 0 || span < least || span > l.span(rateSpan) {
			continue
		}
		var n int64
		for p, a := range now.shipped {
			if b, ok := then.shipped[p]; ok && a.Ballot == b.Ballot && a.Primary == b.Primary {
				n += a.Shipped - b.Shipped
			}
		}
		best = max(best, float64(n)/span.Seconds())
	}
	return best
}

// growing warns of a lag that grows for a while: the target does not keep up.
func (l *lagRunner) growing(ctx context.Context) {
	first, last := l.samples[0], l.samples[len(l.samples)-1]
	if last.at.Sub(first.at) < l.span(growthSpan)*9/10 || last.unknown+first.unknown > 0 || last.behind == 0 ||
		last.total <= first.total+first.total/5 || !l.told.IsZero() && last.at.Sub(l.told) < 5*l.span(growthSpan) {
		return
	}
	l.told = last.at
	l.warn(CodeLag, fmt.Sprintf("the lag grows: %d mutations were outstanding %s ago, %d are now; the target does not keep up with the writes",
		first.total, plan.Duration(last.at.Sub(first.at)), last.total), l.target(ctx)+lagCauses)
}
