package actuate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Routes implements apply.Routes.
type Routes struct {
	clusters *Clusters
	opts     metaproxy.Options
	canary   CanaryRead
}

var _ apply.Routes = (*Routes)(nil)

// NewRoutes reads and changes route records; o.Servers is not looked at, each route names its own.
// Without a canary Canary is refused and everything else works.
func NewRoutes(c *Clusters, o metaproxy.Options, canary CanaryRead) *Routes {
	return &Routes{clusters: c, opts: o, canary: canary}
}

// store reaches the ZooKeeper of a route.
func (r *Routes) store(route plan.Route) (*metaproxy.Store, error) {
	servers, err := metaproxy.ParseServers(route.ZooKeeper)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	o := r.opts
	o.Servers = servers
	return metaproxy.NewStore(o), nil
}

// Record implements apply.Routes.
func (r *Routes) Record(ctx context.Context, route plan.Route) (apply.RouteRecord, error) {
	store, err := r.store(route)
	if err != nil {
		return apply.RouteRecord{}, err
	}
	rec, err := store.Read(ctx, route.Path())
	switch {
	case errors.Is(err, metaproxy.ErrNoRecord):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrNoRoute, err)
	case errors.Is(err, metaproxy.ErrInvalid), errors.Is(err, metaproxy.ErrTooFewAddrs), errors.Is(err, metaproxy.ErrDenied):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrRefused, err)
	case err != nil:
		return apply.RouteRecord{}, err
	}
	return routeRecord(rec), nil
}

func routeRecord(rec metaproxy.Record) apply.RouteRecord {
	return apply.RouteRecord{ClusterName: rec.ClusterName, MetaAddrs: rec.MetaAddrs, Raw: rec.Raw, Version: rec.Version}
}

// Swap implements apply.Routes. An end that the record names already, in any order of its meta
// servers, leaves every byte as it is.
func (r *Routes) Swap(ctx context.Context, route plan.Route, prior apply.RouteRecord, to plan.RouteEnd) (apply.RouteRecord, error) {
	store, err := r.store(route)
	if err != nil {
		return apply.RouteRecord{}, err
	}
	rec := metaproxy.Record{ClusterName: prior.ClusterName, MetaAddrs: prior.MetaAddrs, Raw: prior.Raw, Version: prior.Version}
	raw := rec.Raw
	if !names(rec, to) {
		if raw, err = rec.With(to.ClusterName, to.MetaServers); err != nil {
			return apply.RouteRecord{}, fmt.Errorf("%w: %s is not written: %w", apply.ErrRefused, route.Path(), err)
		}
	}
	next, err := store.CompareAndSet(ctx, route.Path(), rec, raw)
	switch {
	case errors.Is(err, metaproxy.ErrOutcomeUnknown):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	case errors.Is(err, metaproxy.ErrMoved):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrRouteMoved, err)
	case errors.Is(err, metaproxy.ErrNoRecord):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w: %w", apply.ErrRouteMoved, apply.ErrNoRoute, err)
	case errors.Is(err, metaproxy.ErrDenied), errors.Is(err, metaproxy.ErrInvalid), errors.Is(err, metaproxy.ErrTooFewAddrs):
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrRefused, err)
	case err != nil:
		return apply.RouteRecord{}, err
	}
	return routeRecord(next), nil
}

// names says whether a record leads to that end already.
func names(rec metaproxy.Record, end plan.RouteEnd) bool {
	distinct := func(addrs []string) []string {
		addrs = slices.Clone(addrs)
		slices.Sort(addrs)
		return slices.Compact(addrs)
	}
	return rec.ClusterName == end.ClusterName && slices.Equal(distinct(rec.MetaAddrs), distinct(end.MetaServers))
}

// AskProxies implements apply.Routes.
func (r *Routes) AskProxies(ctx context.Context, route plan.Route, source, target plan.TableRef) ([]apply.ProxyAnswer, error) {
	ends := make([]metaproxy.End, 0, 2)
	for _, t := range []plan.TableRef{source, target} {
		c, err := r.clusters.cluster(t.Cluster)
		if err != nil {
			return nil, err
		}
		ends = append(ends, metaproxy.End{Cluster: c, Table: t.Table})
	}
	answers, err := metaproxy.AskProxies(ctx, r.opts, route.Table, route.Proxies, ends[0], ends[1])
	if err != nil {
		return nil, err
	}
	out := make([]apply.ProxyAnswer, 0, len(answers))
	for _, a := range answers {
		p := apply.ProxyAnswer{Proxy: a.Proxy, AppID: a.AppID, LeadsTo: a.LeadsTo, At: a.At}
		if a.Err != nil {
			p.Error = a.Err.Error()
		}
		out = append(out, p)
	}
	return out, nil
}
