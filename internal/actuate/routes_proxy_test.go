package actuate

import (
	"context"
	"fmt"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/metaproxy"
	"github.com/pegmigrate/pegmigrate/plan"
)

// TestProxiesFollowASwitch: two proxies lead to the source; after the swap the one that watches leads
// to the target, the one that lost its watch does not and is told apart.
func TestProxiesFollowASwitch(t *testing.T) {
	east, one := open(t, sandbox.Config{Name: "east"})
	west, two := open(t, sandbox.Config{Name: "west"})
	clusters := NewClusters(map[string]*pegasus.Cluster{"east": one.byLabel["east"], "west": two.byLabel["east"]})
	source, target := ref(), plan.TableRef{Cluster: "west", Table: ref().Table}
	zoo, route := routed(t)
	metas := east.MetaServers()
	text := fmt.Sprintf(`{"cluster_name":"east","meta_addrs":"%s,%s"}`, metas[0], metas[len(metas)-1])
	if err := zoo.Put(route.Path(), []byte(text)); err != nil {
		t.Fatal(err)
	}
	var proxies []*metaproxy.Proxy
	for range 2 {
		p, err := metaproxy.Start(metaproxy.Config{ZooKeeper: []string{zoo.Addr()}, Root: route.Root})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		proxies, route.Proxies = append(proxies, p), append(route.Proxies, p.Addr())
	}
	routes := routesOf(clusters, nil)
	lead := func(want ...string) bool {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		got, err := routes.AskProxies(ctx, route, source, target)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i].LeadsTo != want[i] {
				t.Logf("%+v", got[i])
				return false
			}
		}
		return true
	}
	if !lead(apply.ToSource, apply.ToSource) {
		t.Fatal("before the switch")
	}
	if n := proxies[1].LoseWatches(); n != 1 {
		t.Fatalf("%d watches", n)
	}
	rec, err := routes.Record(t.Context(), route)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := routes.Swap(t.Context(), route, rec, plan.RouteEnd{ClusterName: "west", MetaServers: west.MetaServers()}); err != nil {
		t.Fatal(err)
	}
	until(t, "the watching proxy leads to the target", func() bool { return lead(apply.ToTarget, apply.ToSource) })
}
