package sandboxtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// routeCommands are the verbs about ZooKeeper and MetaProxy.
//
//	metaproxies N                       start a ZooKeeper and N proxies; sets ZOOKEEPER, ROUTE_ROOT, PROXIES ("a","b"), PROXY0, PROXY1…
//	route TABLE CLUSTER                 write the record: it leads to the cluster
//	route-raw TABLE TEXT                write any text as the record
//	route-is TABLE CLUSTER              the record names the cluster and its metas
//	route-gone TABLE                    remove the record
//	zookeeper KIND [DELAY]              down, up, expire, drop-set-answer…: sandbox.ZooKeeperFaults
//	proxy KIND [N]                      down, up, lose-watch, of all proxies or of one
//	proxy-leads N TABLE CLUSTER|nowhere wait until the proxy answers as the cluster does, or with an error
func routeCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"metaproxies": metaProxies,
		"route":       route,
		"route-raw":   routeRaw,
		"route-is":    routeIs,
		"route-gone":  routeGone,
		"zookeeper":   disturbZooKeeper,
		"proxy":       disturbProxy,
		"proxy-leads": proxyLeads,
	}
}

func metaProxies(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "metaproxies N")
	all := ts.Value(clustersKey{}).(*clusters)
	if all.routing != nil {
		ts.Fatalf("there are proxies already")
	}
	r, err := sandbox.StartRouting(number(ts, args[0]), nil)
	ts.Check(err)
	ts.Defer(func() { ts.Check(r.Close()) })
	all.routing = r
	for _, c := range all.byName {
		ts.Check(r.Adopt(c))
	}
	ts.Setenv("ZOOKEEPER", r.ZooKeeper().Addr())
	ts.Setenv("ROUTE_ROOT", sandbox.RouteRoot)
	ts.Setenv("PROXIES", quoted(r.ProxyAddrs()))
	for i, addr := range r.ProxyAddrs() {
		ts.Setenv(fmt.Sprintf("PROXY%d", i), addr)
	}
}

func routing(ts *testscript.TestScript) *sandbox.Routing {
	r := ts.Value(clustersKey{}).(*clusters).routing
	if r == nil {
		ts.Fatalf("there are no proxies; say metaproxies N first")
	}
	return r
}

func route(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "route TABLE CLUSTER")
	ts.Check(routing(ts).Lead(args[0], cluster(ts, args[1])))
}

func routeRaw(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "route-raw TABLE TEXT")
	ts.Check(routing(ts).SetRecord(args[0], args[1]))
}

func routeIs(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "route-is TABLE CLUSTER")
	c := cluster(ts, args[1])
	record, version, ok := routing(ts).Record(args[0])
	is := ok && routing(ts).LeadsTo(args[0]) == c.Name()
	for _, meta := range c.MetaServers() {
		is = is && strings.Contains(record, meta)
	}
	if is == neg {
		ts.Fatalf("the record of %s is %q (version %d)", args[0], record, version)
	}
}

func routeGone(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "route-gone TABLE")
	ts.Check(routing(ts).ZooKeeper().Remove(sandbox.RoutePath(args[0])))
}

func disturbZooKeeper(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "zookeeper KIND [DELAY]")
	f := sandbox.RouteFault{ZooKeeper: args[0]}
	if len(args) > 1 {
		d, err := time.ParseDuration(args[1])
		ts.Check(err)
		f.Delay = d
	}
	ts.Check(routing(ts).Inject(f))
}

func disturbProxy(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "proxy KIND [N]")
	f := sandbox.RouteFault{Proxy: args[0]}
	if len(args) > 1 {
		f.Index = new(number(ts, args[1]))
	}
	ts.Check(routing(ts).Inject(f))
}

func proxyLeads(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 3, "proxy-leads N TABLE CLUSTER|nowhere")
	proxies := routing(ts).ProxyAddrs()
	i := number(ts, args[0])
	if i < 0 || i >= len(proxies) {
		ts.Fatalf("there is no proxy %d", i)
	}
	var replicas []string
	if args[2] != "nowhere" {
		replicas = cluster(ts, args[2]).ReplicaServers()
	}
	limit := time.After(waitLimit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := askProxy(proxies[i], args[1])
		leads := err == nil && resp.Err == idl.ErrOK && slices.Contains(replicas, primary(resp))
		if replicas == nil {
			leads = err == nil && resp.Err != idl.ErrOK
		}
		if leads != neg {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("proxy %d answers %+v (%v) for %s", i, resp, err, args[1])
		}
	}
}

func primary(resp *idl.QueryConfigResponse) string {
	if len(resp.Partitions) == 0 {
		return ""
	}
	return resp.Partitions[0].Primary.String()
}

// askProxy queries a proxy; nothing here is shared with the client under test but the codec.
func askProxy(addr, table string) (*idl.QueryConfigResponse, error) {
	const answer = 5 * time.Second
	c, err := net.DialTimeout("tcp", addr, answer)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answer)); err != nil {
		return nil, err
	}
	if _, err := c.Write(idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameQueryConfig, 1, &idl.QueryConfigRequest{AppName: table})); err != nil {
		return nil, err
	}
	in := bufio.NewReader(c)
	prefix, err := in.Peek(idl.ResponsePrefix)
	if err != nil {
		return nil, err
	}
	n, err := idl.ResponseLength(prefix)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(in, frame); err != nil {
		return nil, err
	}
	head, err := idl.DecodeResponseHead(frame)
	if err != nil {
		return nil, err
	}
	var d idl.Decoder
	resp := &idl.QueryConfigResponse{}
	return resp, head.DecodeResult(&d, resp)
}
