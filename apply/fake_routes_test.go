package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

var errZooKeeper = errors.New("zk: could not connect to a server")

// fakeProxy is a MetaProxy: what it was told last, as long as its watch works.
type fakeProxy struct {
	addr string
	dead bool
	lost bool // its session ended: it serves what it knew, for ever
	// notices is how long a change takes to reach it.
	notices time.Duration
	known   []knownRoute
}

type knownRoute struct {
	from    time.Time
	cluster string // label
}

type lateSwap struct {
	at      time.Time
	path    string
	version int32
	to      plan.RouteEnd
}

// leads is the cluster that a proxy leads to.
func (p *fakeProxy) leads(at time.Time) string {
	out := ""
	for _, k := range p.known {
		if !k.from.After(at) {
			out = k.cluster
		}
	}
	return out
}

// route makes a record that leads to the source, and proxies that know it.
func (w *fakeWorld) route(r plan.Route) {
	w.mu.Lock()
	defer w.mu.Unlock()
	raw := `{"cluster_name":"cluster-east","meta_addrs":"10.0.0.1:34601,10.0.0.1:34601","note":"kept"}`
	w.records[r.Path()] = &apply.RouteRecord{ClusterName: "cluster-east", MetaAddrs: []string{"10.0.0.1:34601", "10.0.0.1:34601"}, Raw: []byte(raw), Version: 7}
	for _, addr := range r.Proxies {
		w.proxies = append(w.proxies, &fakeProxy{addr: addr, notices: 300 * time.Millisecond, known: []knownRoute{{cluster: "east"}}})
	}
}

// swap is the compare-and-set; the lock is held.
func (w *fakeWorld) swap(path string, version int32, to plan.RouteEnd) (apply.RouteRecord, error) {
	rec := w.records[path]
	switch {
	case rec == nil:
		return apply.RouteRecord{}, apply.ErrNoRoute
	case w.zkDenies:
		return apply.RouteRecord{}, fmt.Errorf("zk: not authenticated: %w", apply.ErrRefused)
	case rec.Version != version:
		return apply.RouteRecord{}, fmt.Errorf("version %d: %w", rec.Version, apply.ErrRouteMoved)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(rec.Raw, &fields); err != nil {
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	metas := to.MetaServers
	if len(metas) == 1 {
		metas = append(metas[:1:1], metas[0])
	}
	fields["cluster_name"], fields["meta_addrs"] = to.ClusterName, strings.Join(metas, ",")
	raw, err := json.Marshal(fields)
	if err != nil {
		return apply.RouteRecord{}, err
	}
	*rec = apply.RouteRecord{ClusterName: to.ClusterName, MetaAddrs: metas, Raw: raw, Version: version + 1}
	for _, p := range w.proxies {
		if !p.lost && !p.dead {
			p.known = append(p.known, knownRoute{w.now.Add(p.notices), strings.TrimPrefix(to.ClusterName, "cluster-")})
		}
	}
	return *rec, nil
}

type fakeRoutes struct{ w *fakeWorld }

func zk(r plan.Route) plan.TableRef { return plan.TableRef{Cluster: "zookeeper", Table: r.Path()} }

func (f fakeRoutes) Record(ctx context.Context, r plan.Route) (out apply.RouteRecord, err error) {
	err = f.w.around(ctx, call{name: "Record", table: zk(r)}, func() error {
		rec := f.w.records[r.Path()]
		switch {
		case f.w.zkDown:
			return errZooKeeper
		case rec == nil:
			return fmt.Errorf("%s: %w", r.Path(), apply.ErrNoRoute)
		case !json.Valid(rec.Raw):
			return fmt.Errorf("%s: invalid JSON: %w", r.Path(), apply.ErrRefused)
		}
		out = *rec
		return nil
	})
	return out, err
}

func (f fakeRoutes) Swap(ctx context.Context, r plan.Route, prior apply.RouteRecord, to plan.RouteEnd) (out apply.RouteRecord, err error) {
	did := false
	err = f.w.around(ctx, call{name: "Swap", table: zk(r), detail: " to " + to.ClusterName, changes: true}, func() error {
		if f.w.zkDown {
			return errZooKeeper
		}
		if d := f.w.swapLater; d > 0 {
			f.w.swapLater = 0
			f.w.lateSwaps = append(f.w.lateSwaps, lateSwap{f.w.now.Add(d), r.Path(), prior.Version, to})
			return fmt.Errorf("zk: connection closed: %w", apply.ErrOutcomeUnknown)
		}
		var err error
		out, err = f.w.swap(r.Path(), prior.Version, to)
		did = err == nil
		return err
	})
	if err != nil && did {
		return apply.RouteRecord{}, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return out, err
}

func (f fakeRoutes) AskProxies(ctx context.Context, r plan.Route, source, target plan.TableRef) (out []apply.ProxyAnswer, err error) {
	err = f.w.around(ctx, call{name: "AskProxies", table: zk(r)}, func() error {
		for _, addr := range r.Proxies {
			out = append(out, f.ask(addr, source, target))
		}
		return nil
	})
	return out, err
}

func (f fakeRoutes) ask(addr string, source, target plan.TableRef) apply.ProxyAnswer {
	a := apply.ProxyAnswer{Proxy: addr, At: time.Now(), Error: "no answer"}
	for _, p := range f.w.proxies {
		if p.addr != addr || p.dead {
			continue
		}
		a.Error, a.LeadsTo = "", "elsewhere"
		for side, ref := range map[string]plan.TableRef{"source": source, "target": target} {
			if t, err := f.w.find(ref); err == nil && p.leads(time.Now()) == ref.Cluster {
				a.LeadsTo, a.AppID = side, t.id
			}
		}
	}
	return a
}

func (f fakeRoutes) Canary(ctx context.Context, r plan.Route, behind plan.TableRef) (out []apply.Canary, err error) {
	err = f.w.around(ctx, call{name: "Canary", table: zk(r)}, func() error {
		t, err := f.w.find(behind)
		if err != nil {
			return err
		}
		for _, addr := range r.Proxies {
			c := apply.Canary{Proxy: addr, Advisory: f.w.shipsLast}
			for _, p := range f.w.proxies {
				switch {
				case p.addr != addr:
				case p.dead:
					c.Error = "context deadline exceeded"
				case p.leads(time.Now()) != behind.Cluster:
					c.Error = "it reads from " + p.leads(time.Now())
				case t.parts[0].deniesReads(time.Now()):
					c.Error = "ERR_INVALID_STATE"
				default:
					c.Asked = min(5, len(t.rows))
					c.Rows = min(c.Asked, f.w.provable)
				}
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}
