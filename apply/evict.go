package apply

import (
	"context"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// evictRunner makes every client ask for its route again.
type evictRunner struct {
	base
	a       plan.Evict
	evicted bool
}

func (e *evictRunner) done(ctx context.Context) (bool, string, error) {
	if !e.evicted {
		return false, "reads are not proven to be rejected", nil
	}
	s, err := e.table(ctx, e.a.Source)
	if err != nil || s.Envs[plan.EnvDeny] != e.a.Mode {
		return false, fmt.Sprintf("%s of %s is %q", plan.EnvDeny, e.a.Source, s.Envs[plan.EnvDeny]), err
	}
	return true, fmt.Sprintf("a read of each of %d partitions was rejected, %d proxies lead to %s",
		s.Partitions, len(e.a.Route.Proxies), e.a.Target), nil
}

func (e *evictRunner) run(ctx context.Context) error {
	if err := e.proxiesFollow(ctx); err != nil {
		return err
	}
	if err := e.setEnvs(ctx, e.a.Source, map[string]string{plan.EnvDeny: e.a.Mode}); err != nil {
		return err
	}
	s, err := e.table(ctx, e.a.Source)
	if err != nil {
		return err
	}
	if err := e.proveReads(ctx, newFenceRound(partitionsOf(s), Rejected)); err != nil {
		return err
	}
	if err := e.canary(ctx); err != nil {
		return err
	}
	e.evicted = true
	return e.r.certify(func(c *Certificate) { c.Evicted = e.r.Now() })
}

// proxiesFollow waits until every proxy leads to the target. Readers are not evicted before: one that
// is evicted behind a proxy that still leads to the source has nowhere to go.
func (e *evictRunner) proxiesFollow(ctx context.Context) error {
	var answers []ProxyAnswer
	err := e.await(ctx, e.r.Waits.Transient, CodeProxy,
		"restart the proxies named here (a proxy that lost its ZooKeeper session leads to the old cluster for ever), then run the same command again",
		func(ctx context.Context) (bool, string, error) {
			var err error
			if answers, err = e.askProxies(ctx, e.a.Route, e.a.Source, e.a.Target); err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			for _, p := range answers {
				if p.LeadsTo != ToTarget {
					return false, fmt.Sprintf("proxy %s does not lead to %s: %s", p.Proxy, e.a.Target, p.says()), nil
				}
			}
			return true, "", nil
		})
	if err != nil {
		return err
	}
	var window *event.CutOver
	err = e.r.certify(func(c *Certificate) {
		c.Proxies = answers
		if c.Window == nil && !c.FirstRejected.IsZero() { // unknown when the state was lost
			c.Resolved = e.r.Now()
			c.Window = c.parts(e.id, e.r.writeReject(), e.r.predicted())
			window = c.Window
		}
	})
	if err == nil && window != nil {
		e.r.Sink.Emit(*window)
	}
	return err
}

// proveReads reads a reserved key of every partition until each has rejected it.
func (e *evictRunner) proveReads(ctx context.Context, round *fenceRound) error {
	limit, err := e.syncLimit(ctx, e.a.Source.Cluster)
	if err != nil {
		return err
	}
	return e.await(ctx, limit, CodeFence, "replica servers take envs over with config sync; look at the ones named here",
		func(ctx context.Context) (bool, string, error) {
			call, cancel := e.call(ctx)
			defer cancel()
			probes, err := e.r.World.Fences.ProbeRead(call, e.a.Source, round.open())
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			round.add(probes, e.r.Now())
			return round.complete(), fmt.Sprintf("%d of %d partitions reject reads", len(round.proven), len(round.all)), nil
		})
}

// canary reads a few rows as an application would. The route is switched by now: a client that cannot
// read is told loudly, it does not stop the run.
func (e *evictRunner) canary(ctx context.Context) error {
	canaries, err := e.r.World.Routes.Canary(ctx, e.a.Route, e.a.Target)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		e.warn(CodeProxy, "the canary could not read through the proxies: "+err.Error(), "read a few rows through each proxy by hand")
		return nil
	}
	for _, c := range canaries {
		if c.Error != "" {
			e.warn(CodeProxy, fmt.Sprintf("a client behind proxy %s could not read %s: %s", c.Proxy, e.a.Target, c.Error),
				"look at that proxy, and whether applications behind it work")
		}
		e.tellNothingRead(c, e.a.Target)
	}
	return e.r.certify(func(cert *Certificate) { cert.Canaries = canaries })
}
