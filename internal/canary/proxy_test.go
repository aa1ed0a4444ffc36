package canary

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
)

// TestReadsThroughAProxy: the whole way of an application, record, proxy, meta server, replica.
func TestReadsThroughAProxy(t *testing.T) {
	c := cluster(t)
	row := sandbox.Row{Key: pegkey.Encode(nil, []byte("h"), []byte("s")), Value: []byte("value")}
	if err := c.Load("orders", slices.Values([]sandbox.Row{row})); err != nil {
		t.Fatal(err)
	}
	zoo, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zoo.Close() })
	record := fmt.Appendf(nil, `{"cluster_name":"a","meta_addrs":"%s,%s"}`, c.Leader(), c.Leader())
	if err := zoo.Put("/routes/orders", record); err != nil {
		t.Fatal(err)
	}
	proxy, err := metaproxy.Start(metaproxy.Config{ZooKeeper: []string{zoo.Addr()}, Root: "/routes"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	q := Question{Proxy: proxy.Addr(), Table: "orders", Rows: []Key{{HashKey: []byte("h"), SortKey: []byte("s")}}}
	a, err := process(t, "child").Ask(within(t, 30*time.Second), q)
	if err != nil || len(a.Rows) != 1 || !a.Rows[0].Found || string(a.Rows[0].Value) != "value" {
		t.Errorf("%+v, %v", a, err)
	}
	q.Table = "without-a-record"
	if a, err := process(t, "child").Ask(within(t, 30*time.Second), q); err == nil {
		t.Errorf("%+v", a)
	}
}
