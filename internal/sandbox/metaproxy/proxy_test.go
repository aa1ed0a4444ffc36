package metaproxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/metaproxy"
	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
)

const root = "/pegasus-cluster"

// world is two clusters, a ZooKeeper and a proxy.
type world struct {
	t     *testing.T
	a, b  *sandbox.Cluster
	zk    *zookeeper.Server
	proxy *metaproxy.Proxy

	mu  sync.Mutex
	log []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	for i, at := range []**sandbox.Cluster{&w.a, &w.b} {
		c, err := sandbox.Start(t.Context(), sandbox.Config{Name: string(rune('a' + i)), Metas: 2, TimeFactor: 1000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		*at = c
		for range i + 1 { // so that the ids differ
			if _, err := c.CreateTable(sandbox.TableSpec{Name: fmt.Sprintf("other%d", i), Partitions: 1}); err != nil && !errors.Is(err, idl.ErrAppExist) {
				t.Fatal(err)
			}
		}
		if _, err := c.CreateTable(sandbox.TableSpec{Name: "demo", Partitions: int32(4 << i)}); err != nil {
			t.Fatal(err)
		}
		if err := c.WaitHealthy(t.Context(), "demo"); err != nil {
			t.Fatal(err)
		}
	}
	zk, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.zk = zk
	t.Cleanup(func() { _ = zk.Close() })
	w.proxy = w.start()
	return w
}

func (w *world) start() *metaproxy.Proxy {
	w.t.Helper()
	p, err := metaproxy.Start(metaproxy.Config{ZooKeeper: []string{w.zk.Addr()}, Root: root, Log: func(line string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.log = append(w.log, line)
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return p
}

// lead writes the record of a table; the metas of the cluster are named with the follower first.
func (w *world) lead(table string, c *sandbox.Cluster) {
	w.t.Helper()
	metas := c.MetaServers()
	if metas[0] == c.Leader() {
		metas[0], metas[1] = metas[1], metas[0]
	}
	w.put(table, fmt.Sprintf(`{"cluster_name":%q,"meta_addrs":%q}`, c.Name(), strings.Join(metas, ",")))
}

func (w *world) put(table, record string) {
	w.t.Helper()
	if err := w.zk.Put(root+"/"+table, []byte(record)); err != nil {
		w.t.Fatal(err)
	}
}

// until polls with a deadline.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// exchange sends bytes and reads one frame.
func exchange(t *testing.T, c net.Conn, request []byte) []byte {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	copy(frame, head[:])
	if _, err := io.ReadFull(c, frame[4:]); err != nil {
		t.Fatal(err)
	}
	return frame
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// v0 is a query with a header of version 0.
func v0(table string, seq int32) []byte {
	return idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameQueryConfig, seq, &idl.QueryConfigRequest{AppName: table})
}

// v1 is the same with a header of version 1, as Java clients send it.
func v1(table string, seq int32) []byte {
	body := v0(table, seq)[48:]
	meta := []byte{8, 0, 1, 0, 0, 0, 0, 8, 0, 2, 0, 0, 0, 0, 8, 0, 3, 0, 0, 3, 0xe8, 10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 5, 0, 0}
	b := append([]byte("THFT"), 0, 0, 0, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(meta)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(append(b, meta...), body...)
}

// ask queries a proxy.
func (w *world) ask(p *metaproxy.Proxy, table string) *idl.QueryConfigResponse {
	w.t.Helper()
	c := dial(w.t, p.Addr())
	defer c.Close()
	return decode(w.t, exchange(w.t, c, v0(table, 9)), 9)
}

func decode(t *testing.T, frame []byte, seq int32) *idl.QueryConfigResponse {
	t.Helper()
	head, err := idl.DecodeResponseHead(frame)
	if err != nil || head.Seq != seq || head.Name != idl.NameQueryConfig {
		t.Fatalf("%+v, %v", head, err)
	}
	var d idl.Decoder
	resp := &idl.QueryConfigResponse{}
	if err := head.DecodeResult(&d, resp); err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestBothHeadersGetTheMetasAnswer(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.b)
	c := dial(t, w.proxy.Addr())
	want := exchange(t, dial(t, w.b.Leader()), v0("demo", 7))
	for name, request := range map[string][]byte{"v0": v0("demo", 7), "v1": v1("demo", 7)} {
		if got := exchange(t, c, request); !bytes.Equal(got, want) {
			t.Errorf("%s: %x\nwant %x", name, got, want)
		}
	}
	if resp := decode(t, want, 7); resp.Err != idl.ErrOK || resp.PartitionCount != 8 {
		t.Errorf("%+v", resp)
	}
	// A table that the cluster does not have: its answer, too.
	w.lead("none", w.b)
	if resp := w.ask(w.proxy, "none"); resp.Err != idl.ErrObjectNotFound {
		t.Errorf("%+v", resp)
	}
}

func TestErrorsComeInTheBody(t *testing.T) {
	w := newWorld(t)
	w.put("json", `{"cluster_name":`)
	w.put("one", `{"cluster_name":"a","meta_addrs":"127.0.0.1:1"}`)
	w.put("empty", `{}`)
	for table, want := range map[string]idl.ErrorCode{
		"absent": idl.ErrObjectNotFound, "json": idl.ErrInvalidData, "one": idl.ErrInvalidData, "empty": idl.ErrInvalidData,
	} {
		if resp := w.ask(w.proxy, table); resp.Err != want {
			t.Errorf("%s: %s, want %s", table, string(resp.Err), string(want))
		}
	}
	// What was absent is found once it is there: errors are not kept.
	w.lead("absent", w.a)
	w.lead("demo", w.a)
	if resp := w.ask(w.proxy, "demo"); resp.Err != idl.ErrOK {
		t.Errorf("%+v", resp)
	}
	w.zk.Stop()
	until(t, "ERR_ZOOKEEPER_OPERATION", func() bool { return w.ask(w.proxy, "new").Err == idl.ErrZookeeperOperation })
	if resp := w.ask(w.proxy, "demo"); resp.Err != idl.ErrOK {
		t.Errorf("what is known is served without ZooKeeper: %+v", resp)
	}
}

func TestChangedRecord(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.a)
	if resp := w.ask(w.proxy, "demo"); resp.PartitionCount != 4 {
		t.Fatalf("%+v", resp)
	}
	w.lead("demo", w.b)
	until(t, "the switch", func() bool { return w.ask(w.proxy, "demo").PartitionCount == 8 })
	w.lead("demo", w.a)
	until(t, "the switch back", func() bool { return w.ask(w.proxy, "demo").PartitionCount == 4 })
	if err := w.zk.Remove(root + "/demo"); err != nil {
		t.Fatal(err)
	}
	until(t, "removal", func() bool { return w.ask(w.proxy, "demo").Err == idl.ErrObjectNotFound })
	// One that becomes too short does not kill the proxy.
	w.lead("demo", w.b)
	until(t, "the record is back", func() bool { return w.ask(w.proxy, "demo").PartitionCount == 8 })
	w.put("demo", `{"cluster_name":"a","meta_addrs":"127.0.0.1:1"}`)
	until(t, "a single meta", func() bool { return w.ask(w.proxy, "demo").Err == idl.ErrInvalidData })
	if !w.proxy.Up() {
		t.Errorf("it died: %s", w.proxy.Died())
	}
}

// TestLostWatch: the stale record stays until a restart, whatever ended the watch.
func TestLostWatch(t *testing.T) {
	for name, lose := range map[string]func(*world){
		"fault": func(w *world) {
			if n := w.proxy.LoseWatches(); n != 1 {
				w.t.Errorf("%d watches ended", n)
			}
		},
		"expired session": func(w *world) {
			w.zk.ExpireSessions()
			until(w.t, "the end of the watch", func() bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return strings.Contains(strings.Join(w.log, "\n"), "not watched any more")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.lead("demo", w.a)
			if resp := w.ask(w.proxy, "demo"); resp.PartitionCount != 4 {
				t.Fatalf("%+v", resp)
			}
			lose(w)
			fresh := w.start()
			w.lead("demo", w.b)
			until(t, "another proxy sees the change", func() bool { return w.ask(fresh, "demo").PartitionCount == 8 })
			if resp := w.ask(w.proxy, "demo"); resp.PartitionCount != 4 {
				t.Errorf("the proxy without a watch saw the change: %+v", resp)
			}
			w.proxy.Stop()
			if err := w.proxy.Resume(); err != nil {
				t.Fatal(err)
			}
			if resp := w.ask(w.proxy, "demo"); resp.PartitionCount != 8 {
				t.Errorf("after a restart: %+v", resp)
			}
		})
	}
}

func TestInvalidChangeKills(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.a)
	c := dial(t, w.proxy.Addr())
	decode(t, exchange(t, c, v1("demo", 1)), 1)
	w.put("demo", `{"cluster_name":"b"`)
	until(t, "death", func() bool { return w.proxy.Died() != "" })
	if w.proxy.Up() || !strings.Contains(w.proxy.Died(), "ERR_INVALID_DATA") {
		t.Errorf("%v, %s", w.proxy.Up(), w.proxy.Died())
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is left")
	}
	if c, err := net.Dial("tcp", w.proxy.Addr()); err == nil {
		_ = c.Close()
		t.Error("the port takes connections")
	}
	w.lead("demo", w.b)
	if err := w.proxy.Resume(); err != nil {
		t.Fatal(err)
	}
	if resp := w.ask(w.proxy, "demo"); resp.PartitionCount != 8 {
		t.Errorf("%+v", resp)
	}
}

// TestWhatIsNotServed: no answer, and the connection goes on.
func TestWhatIsNotServed(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.a)
	c := dial(t, w.proxy.Addr())
	var requests []byte
	requests = append(requests, idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameListApps, 1, &idl.ListAppsRequest{})...)
	requests = append(requests, idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameClusterInfo, 2, &idl.ClusterInfoRequest{})...)
	requests = append(requests, "GARB"...)
	requests = append(requests, "THFT\x00\x00\x00\x09"...)
	requests = append(requests, v1("demo", 3)...)
	if resp := decode(t, exchange(t, c, requests), 3); resp.PartitionCount != 4 {
		t.Errorf("%+v", resp)
	}
	if n := w.proxy.Unanswered(); n != 4 {
		t.Errorf("%d were left unanswered, want 4", n)
	}
}

// TestDeadMetas: a proxy whose metas are all dead does not answer, and does when they are back.
func TestDeadMetas(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.a)
	for i := range 2 {
		if err := w.a.KillMeta(i); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, w.proxy.Addr())
	if err := c.SetDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(v0("demo", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	for i := range 2 {
		if err := w.a.RestartMeta(i); err != nil {
			t.Fatal(err)
		}
	}
	// A leader that still reads its state answers ERR_SERVICE_NOT_ACTIVE, which is passed on as well.
	until(t, "an answer", func() bool { return w.a.Leader() != "" && w.ask(w.proxy, "demo").PartitionCount == 4 })
}

// silentLogger keeps the client from writing a file.
type silentLogger struct{ t testing.TB }

func (l silentLogger) Fatal(args ...any)                 { l.t.Fatal(args...) }
func (l silentLogger) Fatalf(format string, args ...any) { l.t.Fatalf(format, args...) }
func (silentLogger) Print(...any)                        {}
func (silentLogger) Printf(string, ...any)               {}

// TestGoClient: Apache's Go client takes proxies for its metas, the first of them dead.
func TestGoClient(t *testing.T) {
	w := newWorld(t)
	w.lead("demo", w.b)
	second := w.start()
	w.proxy.Stop()
	pegalog.SetLogger(silentLogger{t})
	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{w.proxy.Addr(), second.Addr()}})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	table, err := client.OpenTable(ctx, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Set(ctx, []byte("h"), []byte("s"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	if n, err := w.b.Count("demo"); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}
