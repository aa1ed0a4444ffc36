package metaproxy

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Look gives what a plan has to know of a route: the record, whether we may change it, and where
// each proxy leads. It changes nothing and always answers: what could not be read is said in the
// Problem fields. o.Servers must be set (for a route without servers of its own: ParseServers of the
// source cluster's ClusterInfo.ZookeeperHosts); route.ZooKeeper is not looked at.
func Look(ctx context.Context, o Options, route plan.Route, source, target End) plan.RouteFacts {
	facts := plan.RouteFacts{ZooKeeper: o.Servers, Path: route.Path()}
	proxies := make(chan []plan.ProxyFacts, 1)
	go func() { proxies <- lookAtProxies(ctx, o, route, source, target) }()
	lookAtRecord(ctx, NewReader(o), &facts)
	facts.Proxies = <-proxies
	return facts
}

func lookAtRecord(ctx context.Context, r *Reader, facts *plan.RouteFacts) {
	rec, err := r.Read(ctx, facts.Path)
	facts.ClusterName, facts.MetaAddrs = rec.ClusterName, rec.MetaAddrs
	switch {
	case errors.Is(err, ErrNoRecord):
		return
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrTooFewAddrs):
		facts.Exists, facts.Problem = true, err.Error()
	case err != nil:
		facts.Problem = err.Error()
		return
	default:
		facts.Exists = true
	}
	access, err := r.Access(ctx, facts.Path)
	facts.Writable, facts.WritableReason = access.Writable, access.Reason
	if err != nil {
		facts.WritableReason = err.Error()
	}
}

func lookAtProxies(ctx context.Context, o Options, route plan.Route, source, target End) []plan.ProxyFacts {
	answers, err := AskProxies(ctx, o, route.Table, route.Proxies, source, target)
	out := make([]plan.ProxyFacts, len(route.Proxies))
	for i, addr := range route.Proxies {
		out[i] = plan.ProxyFacts{Addr: addr}
		switch {
		case err != nil:
			out[i].Problem = "it has not been compared: " + err.Error()
		case answers[i].Err != nil:
			out[i].Problem = answers[i].Err.Error()
		default:
			out[i].AppID, out[i].LeadsTo = answers[i].AppID, answers[i].LeadsTo
		}
	}
	return out
}
