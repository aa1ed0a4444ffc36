package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/sandbox/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
)

// RouteFault is what happens to ZooKeeper or to proxies. It happens at once; `up` and `accept-writes`
// and a Delay of 0 end what lasts.
type RouteFault struct {
	// ZooKeeper is one of ZooKeeperFaults, "" for none.
	ZooKeeper string `json:"zookeeper,omitempty"`
	// Delay is of kind delay: every request waits that long.
	Delay time.Duration `json:"delay,omitempty"`
	// Proxy is one of ProxyFaults, "" for none.
	Proxy string `json:"proxy,omitempty"`
	// Index selects one proxy, from 0; nil all.
	Index *int `json:"index,omitempty"`
}

// Kinds of RouteFault beside the fates of a setData.
const (
	routeDown    = "down"
	routeUp      = "up"
	zkExpire     = "expire"
	zkRefuse     = "refuse-writes"
	zkAccept     = "accept-writes"
	zkDelay      = "delay"
	proxyUnwatch = "lose-watch"
)

// ZooKeeperFaults are what can happen to ZooKeeper: down, up, expire (all sessions end), refuse-writes,
// accept-writes, delay, and the fates of the next setData.
func ZooKeeperFaults() []string {
	kinds := []string{routeDown, routeUp, zkExpire, zkRefuse, zkAccept, zkDelay}
	for _, f := range zookeeper.SetFaults() {
		kinds = append(kinds, string(f))
	}
	return kinds
}

// ProxyFaults are what can happen to proxies.
func ProxyFaults() []string { return []string{routeDown, routeUp, proxyUnwatch} }

// Inject lets a fault happen.
func (r *Routing) Inject(f RouteFault) error {
	switch {
	case f.ZooKeeper == "" && f.Proxy == "":
		return fmt.Errorf("sandbox: nothing is to happen to ZooKeeper or a proxy")
	case f.ZooKeeper != "" && !slices.Contains(ZooKeeperFaults(), f.ZooKeeper):
		return fmt.Errorf("sandbox: ZooKeeper has no fault %q, there are %s", f.ZooKeeper, strings.Join(ZooKeeperFaults(), ", "))
	case f.Proxy != "" && !slices.Contains(ProxyFaults(), f.Proxy):
		return fmt.Errorf("sandbox: proxies have no fault %q, there are %s", f.Proxy, strings.Join(ProxyFaults(), ", "))
	case f.Delay < 0:
		return fmt.Errorf("sandbox: a delay of %v", f.Delay)
	}
	if err := r.disturbZooKeeper(f); err != nil {
		return err
	}
	if f.Proxy == "" {
		return nil
	}
	for i, p := range r.Proxies() {
		if f.Index != nil && *f.Index != i {
			continue
		}
		if err := disturbProxy(p, f.Proxy); err != nil {
			return err
		}
		if f.Index != nil {
			return nil
		}
	}
	if f.Index != nil {
		return fmt.Errorf("sandbox: there is no proxy %d, there are %d", *f.Index, len(r.Proxies()))
	}
	return nil
}

func (r *Routing) disturbZooKeeper(f RouteFault) error {
	switch f.ZooKeeper {
	case "":
	case routeDown:
		r.zk.Stop()
	case routeUp:
		return r.zk.Resume()
	case zkExpire:
		r.zk.ExpireSessions()
	case zkRefuse, zkAccept:
		r.zk.RefuseWrites(f.ZooKeeper == zkRefuse)
	case zkDelay:
		r.zk.Delay(f.Delay)
	default:
		r.zk.NextSet(zookeeper.SetFault(f.ZooKeeper))
	}
	return nil
}

func disturbProxy(p *metaproxy.Proxy, kind string) error {
	switch kind {
	case routeDown:
		p.Stop()
	case routeUp:
		return p.Resume()
	case proxyUnwatch:
		p.LoseWatches()
	}
	return nil
}
