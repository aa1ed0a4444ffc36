package sandboxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/traffic"
)

// trafficCommands are the verbs about applications behind the proxies (package traffic). NAME.json
// and NAME.journal appear in the script's folder.
//
//	traffic-start NAME TABLE CLIENTS RATE [TIMEOUT]  begin, e.g. traffic-start app orders writer/go,reader/java 500
//	dual-start NAME TABLE CLIENTS RATE CLUSTER[,CLUSTER=SHARE…] [FOUND]  begin a dual writer of the clusters' tables, without proxies;
//	                                                 a cluster gets SHARE of the keys; FOUND rows of the first are overwritten and deleted, too
//	erase TABLE N CLUSTER…                           delete the first N loaded rows of the first cluster on all of them, as a client does
//	traffic-stop NAME                                end; NAME.json is the summary, which is stdout, too
//	traffic-served NAME CLUSTER                      wait until the cluster serves every client; after the end: it did last
//	traffic-check NAME CLUSTER/TABLE                 nothing acknowledged is missing there, nothing is back
func trafficCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"traffic-start":  startTraffic,
		"dual-start":     startDual,
		"erase":          erase,
		"traffic-stop":   stopTraffic,
		"traffic-served": servedTraffic,
		"traffic-check":  checkTraffic,
	}
}

// run is traffic under way or ended.
type run struct {
	cancel  context.CancelFunc
	clients int
	ended   chan struct{} // closed when summary and err are there
	summary traffic.Summary
	err     error

	mu sync.Mutex
	at map[string]string // who serves which client now
}

func (r *run) serving(client, cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[client] = cluster
}

// places tells who serves the clients, and whether it is one cluster.
func (r *run) places(cluster string, clients int) (bool, map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := len(r.at) == clients
	for _, at := range r.at {
		all = all && at == cluster
	}
	return all, maps.Clone(r.at)
}

func startTraffic(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "traffic-start NAME TABLE CLIENTS RATE [TIMEOUT]")
	rate, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	timeout := time.Second
	if len(args) > 4 {
		timeout, err = time.ParseDuration(args[4])
		ts.Check(err)
	}
	begin(ts, args[0], traffic.Config{Proxies: routing(ts).ProxyAddrs(), Table: args[1], Clients: args[2], Rate: rate, Timeout: timeout})
}

func startDual(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 5, "dual-start NAME TABLE CLIENTS RATE CLUSTER[,CLUSTER=SHARE…] [FOUND]")
	rate, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	cfg := traffic.Config{Table: args[1], Clients: args[2], Rate: rate, Workers: 8}
	for part := range strings.SplitSeq(args[4], ",") {
		name, share, some := strings.Cut(part, "=")
		side := traffic.Side{Cluster: name, Metas: cluster(ts, name).MetaServers()}
		if some {
			side.Share, err = strconv.ParseFloat(share, 64)
			ts.Check(err)
		}
		cfg.Sides = append(cfg.Sides, side)
	}
	if len(args) > 5 {
		most := number(ts, args[5])
		for row, err := range rowsOf(cluster(ts, cfg.Sides[0].Cluster), args[1]) {
			ts.Check(err)
			if len(cfg.Found) < most {
				cfg.Found = append(cfg.Found, row)
			}
		}
	}
	begin(ts, args[0], cfg)
}

func erase(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "erase TABLE N CLUSTER…")
	ctx, most := ts.Value(clustersKey{}).(*clusters).ctx, number(ts, args[1])
	var keys []traffic.Key
	for row, err := range rowsOf(cluster(ts, args[2]), args[0]) {
		ts.Check(err)
		hash, sort, err := pegkey.Decode(row.Key)
		ts.Check(err)
		if bytes.HasPrefix(hash, []byte("user")) && len(keys) < most { // see Rows
			keys = append(keys, traffic.Key{Hash: string(hash), Sort: string(sort)})
		}
	}
	if len(keys) < most {
		ts.Fatalf("there are only %d loaded rows", len(keys))
	}
	for _, name := range args[2:] {
		client, err := traffic.OpenJava(ctx, cluster(ts, name).MetaServers(), args[0], time.Second)
		ts.Check(err)
		for _, k := range keys {
			ts.Check(client.Delete(ctx, k).Err)
		}
		ts.Check(client.Close())
	}
}

// begin starts traffic in the background. The script's end ends it.
func begin(ts *testscript.TestScript, name string, cfg traffic.Config) {
	all := ts.Value(clustersKey{}).(*clusters)
	cfg.Clusters = map[string][]string{}
	for name, c := range all.byName {
		cfg.Clusters[name] = c.ReplicaServers()
	}
	if all.traffic[name] != nil {
		ts.Fatalf("traffic %s was started before", name)
	}
	ctx, cancel := context.WithCancel(all.ctx)
	r := &run{cancel: cancel, ended: make(chan struct{}), at: map[string]string{}, clients: strings.Count(cfg.Clients, ",") + 1}
	all.traffic[name] = r
	cfg.Journal, cfg.Serving = ts.MkAbs(name+".journal"), r.serving
	var running sync.WaitGroup
	running.Go(func() {
		defer close(r.ended)
		r.summary, r.err = traffic.Run(ctx, cfg)
	})
	ts.Defer(func() {
		cancel()
		running.Wait()
	})
}

// stopped gives traffic that has ended.
func stopped(ts *testscript.TestScript, name string) *run {
	r := ts.Value(clustersKey{}).(*clusters).traffic[name]
	if r == nil {
		ts.Fatalf("there is no traffic %q", name)
	}
	select {
	case <-r.ended:
	default:
		ts.Fatalf("traffic %s goes on; say traffic-stop %s first", name, name)
	}
	return r
}

func stopTraffic(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "traffic-stop NAME")
	r := ts.Value(clustersKey{}).(*clusters).traffic[args[0]]
	if r == nil {
		ts.Fatalf("there is no traffic %q", args[0])
	}
	r.cancel()
	<-r.ended
	ts.Check(r.err)
	text, err := json.MarshalIndent(r.summary, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".json"), append(text, '\n'), 0o644))
	_, err = ts.Stdout().Write(append(text, '\n'))
	ts.Check(err)
}

func servedTraffic(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "traffic-served NAME CLUSTER")
	r := ts.Value(clustersKey{}).(*clusters).traffic[args[0]]
	if r == nil {
		ts.Fatalf("there is no traffic %q", args[0])
	}
	limit := time.After(waitLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		served, places := r.places(args[1], r.clients)
		if served != neg {
			return
		}
		select {
		case <-tick.C:
		case <-r.ended:
			ts.Fatalf("at the end the clients were served by %v", places)
		case <-limit:
			ts.Fatalf("the clients are served by %v", places)
		}
	}
}

func checkTraffic(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "traffic-check NAME CLUSTER/TABLE")
	stopped(ts, args[0])
	c, table := split(ts, args[1])
	journal, err := os.ReadFile(ts.MkAbs(args[0] + ".journal"))
	ts.Check(err)
	report, err := traffic.Check(bytes.NewReader(journal), rowsOf(c, table), time.Now())
	ts.Check(err)
	ts.Logf("%d writes were acknowledged, %d keys, %d left open, %d rows", report.Acked, report.Keys, report.Open, report.Rows)
	if report.Acked == 0 {
		ts.Fatalf("nothing was acknowledged: the comparison says nothing")
	}
	if report.OK() == neg {
		ts.Fatalf("%+v", *report)
	}
}

// rowsOf reads a table row by row.
func rowsOf(c *sandbox.Cluster, table string) iter.Seq2[traffic.Row, error] {
	return func(yield func(traffic.Row, error) bool) {
		more := true
		err := c.Dump(table, func(r sandbox.Row) error {
			if more {
				more = yield(traffic.Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Expire: r.Expire}, nil)
			}
			return nil
		})
		if err != nil && more {
			yield(traffic.Row{}, err)
		}
	}
}
