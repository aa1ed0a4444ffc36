package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/plan"
)

func (b base) readRoute(ctx context.Context, r plan.Route) (RouteRecord, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Routes.Record(ctx, r)
}

func (b base) swapRoute(ctx context.Context, r plan.Route, prior RouteRecord, to plan.RouteEnd) (RouteRecord, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Routes.Swap(ctx, r, prior, to)
}

func (b base) askProxies(ctx context.Context, r plan.Route, source, target plan.TableRef) ([]ProxyAnswer, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Routes.AskProxies(ctx, r, source, target)
}

// leadsTo says whether a record names that cluster with those meta servers, in any order; a single
// one is written twice.
func leadsTo(rec RouteRecord, to plan.RouteEnd) bool {
	return rec.ClusterName == to.ClusterName && slices.Equal(distinct(rec.MetaAddrs), distinct(to.MetaServers))
}

func distinct(addrs []string) []string {
	out := slices.Clone(addrs)
	slices.Sort(out)
	return slices.Compact(out)
}

func routeEndOf(rec RouteRecord) plan.RouteEnd {
	return plan.RouteEnd{ClusterName: rec.ClusterName, MetaServers: rec.MetaAddrs}
}

// routeReady makes sure, before clients are rejected, that the switch has something to switch: the
// record names the source, every proxy leads there, and a client like an application's reads through it.
func (b base) routeReady(ctx context.Context, a plan.SwitchRoute) error {
	const hint = "nothing was changed by this step; run the same command again when it is mended"
	fail := func(text string, err error) error {
		return &StepError{Step: b.id, Code: CodeRoute, Text: text, Err: err, Hint: hint}
	}
	var rec RouteRecord
	err := b.insist(ctx, "read "+a.Route.Path(), func(ctx context.Context) (err error) {
		rec, err = b.readRoute(ctx, a.Route)
		if errors.Is(err, ErrNoRoute) {
			return fail("there is no route record", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	if rec.ClusterName != a.From.ClusterName {
		return fail(fmt.Sprintf("%s leads to cluster %q, not to %q", a.Route.Path(), rec.ClusterName, a.From.ClusterName), nil)
	}
	answers, err := b.askProxies(ctx, a.Route, a.Source, a.Target)
	if err != nil {
		return fail("the proxies could not be asked", err)
	}
	for _, p := range answers {
		if p.LeadsTo != ToSource {
			return fail(fmt.Sprintf("proxy %s does not lead to %s: %s", p.Proxy, a.Source, p.says()), nil)
		}
	}
	canaries, err := b.r.World.Routes.Canary(ctx, a.Route, a.Source)
	if err != nil {
		return fail("the canary could not read through the proxies", err)
	}
	for _, c := range canaries {
		if c.Error != "" && !c.Advisory {
			return fail(fmt.Sprintf("a client behind proxy %s cannot read %s: %s", c.Proxy, a.Source, c.Error), nil)
		}
		b.tellNothingRead(c, a.Source)
	}
	return nil
}

// tellNothingRead warns when a client opened a table and no row says that it reads the right one.
func (b base) tellNothingRead(c Canary, t plan.TableRef) {
	if c.Error != "" || c.Rows > 0 {
		return
	}
	text := "no row was found that it can ask for (it needs a hash key, at most 64 KiB and 10 minutes to live)"
	if c.Asked > 0 {
		text = fmt.Sprintf("all %d rows that it read changed meanwhile", c.Asked)
	}
	b.warn(CodeProxy, fmt.Sprintf("a client behind proxy %s opened %s and proved no row: %s", c.Proxy, t, text),
		"read a row of yours through that proxy by hand")
}

// Where a proxy leads.
const (
	ToSource  = "source"
	ToTarget  = "target"
	Elsewhere = "elsewhere"
)

// says tells a proxy's answer in a few words.
func (p ProxyAnswer) says() string {
	if p.Error != "" {
		return p.Error
	}
	return fmt.Sprintf("it leads to the %s (app id %d)", p.LeadsTo, p.AppID)
}
