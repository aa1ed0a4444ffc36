package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// leadsTo asks a proxy for the number of partitions, 0 for an error.
func leadsTo(t *testing.T, proxy, table string) int32 {
	t.Helper()
	resp := &idl.QueryConfigResponse{}
	dial(t, proxy).call(idl.RequestHeader{}, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: table}, resp)
	if resp.Err != idl.ErrOK {
		return 0
	}
	return resp.PartitionCount
}

func TestUpWithMetaProxies(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Up(ctx, UpConfig{Dir: dir, TimeFactor: 1000, Metas: 1, MetaProxies: 2}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	until(t, DescriptionFile, func() bool {
		_, err := os.Stat(filepath.Join(dir, DescriptionFile))
		return err == nil
	})
	d, err := ReadDescription(dir)
	if err != nil || d.ZooKeeper == "" || len(d.MetaProxies) != 2 || d.RouteRoot != "/pegasus-cluster" {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, c := range d.Clusters {
		info := &idl.ClusterInfoResponse{}
		dial(t, c.MetaServers[0]).call(idl.RequestHeader{}, idl.NameClusterInfo, &idl.ClusterInfoRequest{}, info)
		if len(info.Values) < 3 || info.Keys[2] != "zookeeper_hosts" || info.Values[2] != d.ZooKeeper {
			t.Errorf("%+v", info)
		}
	}
	r := Remote{Dir: dir}
	var out bytes.Buffer
	if err := r.Routes(ctx, "none", &out); err == nil || !strings.Contains(err.Error(), "no route record") {
		t.Errorf("%v", err)
	}
	for i, c := range []string{"a", "b"} {
		if err := r.Load(ctx, LoadRequest{Cluster: c, Table: "demo", Partitions: int32(2 + 2*i), LoadSpec: LoadSpec{Rows: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Lead(ctx, "demo", "a", ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.MetaProxies {
		if got := leadsTo(t, p, "demo"); got != 2 {
			t.Errorf("%s leads to a table of %d partitions", p, got)
		}
	}
	if err := r.DisturbRoute(ctx, RouteFault{Proxy: "lose-watch", Index: new(1)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Lead(ctx, "demo", "b", ""); err != nil {
		t.Fatal(err)
	}
	until(t, "the switch", func() bool { return leadsTo(t, d.MetaProxies[0], "demo") == 4 })
	if got := leadsTo(t, d.MetaProxies[1], "demo"); got != 2 {
		t.Errorf("the proxy without a watch leads to %d partitions", got)
	}
	shown := routesOf(t, r, "demo")
	if len(shown) != 2 || shown[1]["version"] != 1.0 || shown[1]["path"] != "/pegasus-cluster/demo" ||
		!strings.Contains(shown[1]["record"].(string), d.Clusters[1].MetaServers[0]+","+d.Clusters[1].MetaServers[0]) {
		t.Errorf("%v", shown)
	}
	if err := r.Lead(ctx, "demo", "", "no json"); err != nil {
		t.Fatal(err)
	}
	until(t, "a death", func() bool {
		proxies := routesOf(t, r, "")[0]["proxies"].([]any)
		return proxies[0].(map[string]any)["died"] != nil && proxies[1].(map[string]any)["up"] == true
	})
}

func routesOf(t *testing.T, r Remote, table string) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	if err := r.Routes(t.Context(), table, &out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
	return lines
}

func TestRouteFaults(t *testing.T) {
	r, err := StartRouting(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, bad := range []RouteFault{{}, {ZooKeeper: "x"}, {Proxy: "x"}, {Proxy: "down", Index: new(1)}, {ZooKeeper: "delay", Delay: -1}} {
		if err := r.Inject(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	for _, kind := range ZooKeeperFaults() {
		if err := r.Inject(RouteFault{ZooKeeper: kind}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if up := r.ZooKeeper().Up(); up == (kind == "down") {
			t.Errorf("%s: up is %v", kind, up)
		}
	}
	for _, kind := range ProxyFaults() {
		if err := r.Inject(RouteFault{Proxy: kind}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if up := r.Proxies()[0].Up(); up == (kind == "down") {
			t.Errorf("%s: up is %v", kind, up)
		}
	}
	for _, bad := range []string{"", "a/b"} {
		if err := r.SetRecord(bad, "{}"); err == nil {
			t.Errorf("a record of table %q was written", bad)
		}
	}
	if err := r.SetRecord("t", `{"cluster_name":"third"}`); err != nil {
		t.Fatal(err)
	}
	if got := r.LeadsTo("t"); got != "third" || r.LeadsTo("none") != "" {
		t.Errorf("%q", got)
	}
}

func TestNoMetaProxies(t *testing.T) {
	dir := t.TempDir()
	d, _ := up(t, dir)
	if d.ZooKeeper != "" || d.MetaProxies == nil || len(d.MetaProxies) != 0 {
		t.Errorf("%+v", d)
	}
	var remote *RemoteError
	if err := (Remote{Dir: dir}).Lead(t.Context(), "demo", "a", ""); !errors.As(err, &remote) || !strings.Contains(err.Error(), "-metaproxies") {
		t.Errorf("%v", err)
	}
	if err := Up(t.Context(), UpConfig{Dir: t.TempDir(), MetaProxies: 99}); err == nil {
		t.Error("99 proxies were started")
	}
}
