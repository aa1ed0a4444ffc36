package actuate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
	"github.com/pegmigrate/pegmigrate/plan"
)

const record = `{"since":2019, "cluster_name":"east","meta_addrs":"10.0.0.1:34601,10.0.0.2:34601"}`

// routed starts a ZooKeeper with one record.
func routed(t *testing.T) (*zookeeper.Server, plan.Route) {
	t.Helper()
	s, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	route := plan.Route{ZooKeeper: []string{s.Addr()}, Root: "/routes", Table: ref().Table}
	if err := s.Put(route.Path(), []byte(record)); err != nil {
		t.Fatal(err)
	}
	return s, route
}

func routesOf(c *Clusters, canary CanaryRead) *Routes {
	return NewRoutes(c, metaproxy.Options{Session: time.Second, Answer: time.Second}, canary)
}

// wantsOnly checks that an error has one meaning for apply.
func wantsOnly(t *testing.T, err, want error) {
	t.Helper()
	for _, e := range []error{apply.ErrNoRoute, apply.ErrRouteMoved, apply.ErrRefused, apply.ErrOutcomeUnknown} {
		if errors.Is(err, e) != errors.Is(want, e) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	if err == nil {
		t.Fatal("no error")
	}
}

func TestRecordOfARoute(t *testing.T) {
	s, route := routed(t)
	routes := routesOf(NewClusters(nil), nil)
	rec, err := routes.Record(t.Context(), route)
	if err != nil || rec.ClusterName != "east" || len(rec.MetaAddrs) != 2 || string(rec.Raw) != record {
		t.Fatalf("%+v, %v", rec, err)
	}
	for _, bad := range []string{"no JSON", `{"cluster_name":"c","meta_addrs":"a:1"}`} {
		if err := s.Put(route.Path(), []byte(bad)); err != nil {
			t.Fatal(err)
		}
		_, err = routes.Record(t.Context(), route)
		wantsOnly(t, err, apply.ErrRefused)
	}
	if err := s.Remove(route.Path()); err != nil {
		t.Fatal(err)
	}
	_, err = routes.Record(t.Context(), route)
	wantsOnly(t, err, apply.ErrNoRoute)
	s.Stop()
	_, err = routes.Record(t.Context(), route)
	wantsOnly(t, err, errors.New("nobody answers"))
	route.ZooKeeper = nil
	_, err = routes.Record(t.Context(), route)
	wantsOnly(t, err, apply.ErrRefused)
}

func TestSwapOfARoute(t *testing.T) {
	s, route := routed(t)
	routes := routesOf(NewClusters(nil), nil)
	west := plan.RouteEnd{ClusterName: "west", MetaServers: []string{"10.1.0.1:34601"}}
	first, err := routes.Record(t.Context(), route)
	if err != nil {
		t.Fatal(err)
	}
	// The same end, in whatever order, only raises the version.
	same, err := routes.Swap(t.Context(), route, first, plan.RouteEnd{ClusterName: "east", MetaServers: []string{"10.0.0.2:34601", "10.0.0.1:34601"}})
	if err != nil || same.Version != first.Version+1 || string(same.Raw) != record {
		t.Fatalf("%+v, %v", same, err)
	}
	_, err = routes.Swap(t.Context(), route, first, west)
	wantsOnly(t, err, apply.ErrRouteMoved)
	next, err := routes.Swap(t.Context(), route, same, west)
	want := `{"since":2019, "cluster_name":"west","meta_addrs":"10.1.0.1:34601,10.1.0.1:34601"}`
	if data, _, _ := s.Get(route.Path()); err != nil || string(data) != want || string(next.Raw) != want || next.Version != same.Version+1 {
		t.Fatalf("%+v, %v, %s", next, err, data)
	}
	_, err = routes.Swap(t.Context(), route, next, plan.RouteEnd{ClusterName: "west", MetaServers: []string{"no address"}})
	wantsOnly(t, err, apply.ErrRefused)
	// One that is there already with its single meta server is no change either.
	if again, err := routes.Swap(t.Context(), route, next, west); err != nil || string(again.Raw) != want {
		t.Fatalf("%+v, %v", again, err)
	} else {
		next = again
	}
	s.NextSet(zookeeper.LoseSet)
	_, err = routes.Swap(t.Context(), route, next, west)
	wantsOnly(t, err, apply.ErrOutcomeUnknown)
	s.Stop()
	_, err = routes.Swap(t.Context(), route, next, west)
	wantsOnly(t, err, errors.New("nobody answers"))
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(route.Path()); err != nil {
		t.Fatal(err)
	}
	_, err = routes.Swap(t.Context(), route, next, west)
	wantsOnly(t, err, fmt.Errorf("%w, %w", apply.ErrRouteMoved, apply.ErrNoRoute))
}

// TestAskProxiesOfARoute: a meta server answers the one question as the proxy before it would.
func TestAskProxiesOfARoute(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	routes := routesOf(clusters, nil)
	route := plan.Route{Table: ref().Table, Proxies: []string{s.Leader(), "127.0.0.1:1"}}
	other := plan.TableRef{Cluster: ref().Cluster, Table: "none"}
	got, err := routes.AskProxies(t.Context(), route, ref(), other)
	if err != nil || len(got) != 2 || got[0].LeadsTo != apply.ToSource || got[0].AppID == 0 || got[0].Error != "" ||
		got[1].LeadsTo != "" || !strings.Contains(got[1].Error, "refused") {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = routes.AskProxies(t.Context(), route, other, ref()); err != nil || got[0].LeadsTo != apply.ToTarget {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = routes.AskProxies(t.Context(), route, other, other); err != nil || got[0].LeadsTo != apply.Elsewhere {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = routes.AskProxies(t.Context(), route, ref(), plan.TableRef{Cluster: "nowhere", Table: "orders"})
	wantsOnly(t, err, apply.ErrRefused)
}

// honest reads like a client whose route is right.
func honest(s *sandbox.Cluster) CanaryRead {
	return func(_ context.Context, _, table string, keys []CanaryKey) (out []CanaryRow, err error) {
		for _, k := range keys {
			row := CanaryRow{}
			err = s.Dump(table, func(r sandbox.Row) error {
				if bytes.Equal(r.Key, pegkey.Encode(nil, k.HashKey, k.SortKey)) {
					row = CanaryRow{Found: true, Value: bytes.Clone(r.Value)}
				}
				return nil
			})
			out = append(out, row)
		}
		return out, err
	}
}

func TestCanaryOfARoute(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	route := plan.Route{Table: ref().Table, Proxies: []string{"p1", "p2", "p3", "p4", "p5"}}
	fly := func(read CanaryRead) []apply.Canary {
		t.Helper()
		out, err := routesOf(clusters, read).Canary(t.Context(), route, ref())
		if err != nil || len(out) != len(route.Proxies) {
			t.Fatal(out, err)
		}
		for i, c := range out {
			if c.Proxy != route.Proxies[i] || c.Advisory {
				t.Fatalf("%+v", out)
			}
		}
		return out
	}
	if got := fly(honest(s)); got[0].Rows != 0 || got[0].Error != "" {
		t.Errorf("an empty table: %+v", got)
	}
	rows := []sandbox.Row{{Key: pegkey.Encode(nil, nil, []byte("no hash key")), Value: []byte("x")}}
	for i := range 40 {
		rows = append(rows, sandbox.Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "h%d", i), []byte("s")), Value: fmt.Appendf(nil, "v%d", i)})
	}
	if err := s.Load(ref().Table, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	for _, c := range fly(honest(s)) {
		if c.Rows != canaryRows || c.Error != "" {
			t.Errorf("%+v", c)
		}
	}
	for name, c := range map[string]struct {
		row  CanaryRow
		text string
	}{
		"lost":       {CanaryRow{}, "row 2 of 10 is not what the cluster holds: it was not found"},
		"other":      {CanaryRow{Found: true, Value: []byte("stale")}, "row 2 of 10 is not what the cluster holds: other 5 bytes"},
		"unreadable": {CanaryRow{Err: "ERR_TIMEOUT"}, "row 2 of 10: ERR_TIMEOUT"},
	} {
		got := fly(func(ctx context.Context, proxy, table string, keys []CanaryKey) ([]CanaryRow, error) {
			out, err := honest(s)(ctx, proxy, table, keys)
			if proxy == "p3" {
				out[1] = c.row
			}
			return out, err
		})
		if got[2].Rows != 1 || !strings.Contains(got[2].Error, c.text) || got[1].Error != "" || got[1].Rows != canaryRows {
			t.Errorf("%s: %+v", name, got)
		}
	}
	died := fly(func(context.Context, string, string, []CanaryKey) ([]CanaryRow, error) {
		return nil, errors.New("it died")
	})
	if died[0].Error != "it died" || died[0].Rows != 0 {
		t.Errorf("%+v", died)
	}
	if short := fly(func(context.Context, string, string, []CanaryKey) ([]CanaryRow, error) { return nil, nil }); short[0].Error == "" {
		t.Errorf("%+v", short)
	}
	if _, err := routesOf(clusters, nil).Canary(t.Context(), route, ref()); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
}

// TestCanaryLooksFurther: rows that the client cannot ask for lie in front of those that it can, and it
// reads from as many partitions as there are.
func TestCanaryLooksFurther(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	var rows []sandbox.Row
	for i := range 400 { // an empty hash key sorts in front of all others
		rows = append(rows, sandbox.Row{Key: pegkey.Encode(nil, nil, fmt.Appendf(nil, "%03d", i)), Value: []byte("x")})
	}
	for i := range 40 {
		rows = append(rows, sandbox.Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "h%d", i), []byte("s")), Value: fmt.Appendf(nil, "v%d", i)})
	}
	if err := s.Load(ref().Table, slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	table, err := clusters.open(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	partitions := map[uint64]bool{}
	keys, err := canaryKeys(t.Context(), table)
	for _, k := range keys {
		partitions[pegkey.Hash(k.HashKey, k.SortKey)%uint64(table.PartitionCount())] = true
	}
	if err != nil || len(keys) != canaryRows || len(partitions) != min(canaryRows, int(table.PartitionCount())) {
		t.Errorf("%d keys of partitions %v, %v", len(keys), partitions, err)
	}
}

// TestCanaryOfRowsThatChange: what changes while it is read is counted when it is one of the values
// that were there, and proves nothing otherwise.
func TestCanaryOfRowsThatChange(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	key := pegkey.Encode(nil, []byte("h"), []byte("s"))
	put := func(value string) {
		t.Helper()
		if err := s.Load(ref().Table, slices.Values([]sandbox.Row{{Key: key, Value: []byte(value)}})); err != nil {
			t.Fatal(err)
		}
	}
	route := plan.Route{Table: ref().Table, Proxies: []string{"p1"}}
	for read, want := range map[string]int{"before": 1, "after": 1, "between": 0} {
		put("before")
		flights := 0
		out, err := routesOf(clusters, func(context.Context, string, string, []CanaryKey) ([]CanaryRow, error) {
			flights++
			put(map[bool]string{true: "after", false: fmt.Sprint("after ", flights)}[flights == 1])
			return []CanaryRow{{Found: true, Value: []byte(read)}}, nil
		}).Canary(t.Context(), route, ref())
		if err != nil || out[0].Rows != want || out[0].Asked != 1 || out[0].Error != "" {
			t.Errorf("%s: %+v, %v", read, out, err)
		}
		if want := map[bool]int{true: 1, false: canaryFlights}[want > 0]; flights != want {
			t.Errorf("%s: read %d times", read, flights)
		}
	}
}

func TestServersBeyondTheGoClient(t *testing.T) {
	for version, want := range map[string]bool{
		"2.4.0": false, "2.5.0": false, "2.5": false, "2.6.0": true, "2.6.0-SNAPSHOT": true, "3.0.0": true, "": false, "unknown": false,
	} {
		if newerThanGoClient(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
	_, clusters := open(t, sandbox.Config{})
	c, err := clusters.cluster(ref().Cluster)
	if err != nil {
		t.Fatal(err)
	}
	for count, want := range map[int32]bool{1: false, 3: true, 4: false, 12: true} {
		if got, err := beyondGoClient(t.Context(), c, count); err != nil || got != want {
			t.Errorf("%d partitions: %v, %v", count, got, err)
		}
	}
}
