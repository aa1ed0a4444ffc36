package metaproxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// fakeProxy answers the one request that MetaProxies answer, and notes every other.
type fakeProxy struct {
	ln     net.Listener
	answer func(table string) *idl.QueryConfigResponse // nil: no answer
	wg     sync.WaitGroup

	mu      sync.Mutex
	strange []string
}

func newFakeProxy(t *testing.T, answer func(table string) *idl.QueryConfigResponse) *fakeProxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeProxy{ln: ln, answer: answer}
	f.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		f.wg.Wait()
		if len(f.strange) > 0 {
			t.Errorf("a proxy was asked for %v", f.strange)
		}
	})
	return f
}

func (f *fakeProxy) addr() string { return f.ln.Addr().String() }

func (f *fakeProxy) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		prefix, err := in.Peek(idl.RequestPrefix)
		if err != nil {
			return
		}
		n, err := idl.RequestLength(prefix)
		if err != nil {
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		r, err := idl.DecodeRequest(frame)
		if err != nil {
			return
		}
		var q idl.QueryConfigRequest
		if r.Name != idl.NameQueryConfig || r.DecodeArgs(&idl.Decoder{}, &q) != nil {
			f.mu.Lock()
			f.strange = append(f.strange, r.Name)
			f.mu.Unlock()
			continue
		}
		if resp := f.answer(q.AppName); resp != nil {
			_, _ = c.Write(idl.AppendResponse(nil, r.Seq, r.Name, idl.ErrOK, resp))
		}
	}
}

// tables is a cluster that answers only where a table lives.
type tables map[string]*pegasus.TableConfig

func (t tables) PartitionConfigs(_ context.Context, table string) (*pegasus.TableConfig, error) {
	if c := t[table]; c != nil {
		return c, nil
	}
	return nil, &pegasus.MetaError{Code: idl.ErrObjectNotFound}
}

// config is a table whose partitions have the given primaries, and one secondary.
func config(id int32, secondary string, primaries ...string) *pegasus.TableConfig {
	c := &pegasus.TableConfig{AppID: id}
	for i, p := range primaries {
		c.Partitions = append(c.Partitions, pegasus.PartitionConfig{Index: int32(i), Primary: p, Secondaries: []string{secondary}})
	}
	return c
}

// response is how a meta server says the same.
func response(t *testing.T, id int32, primaries ...string) *idl.QueryConfigResponse {
	t.Helper()
	r := &idl.QueryConfigResponse{Err: idl.ErrOK, AppID: id, PartitionCount: int32(len(primaries)), IsStateful: true}
	for i, p := range primaries {
		var addr idl.Addr
		if p != "" {
			var err error
			if addr, err = idl.ParseAddr(p); err != nil {
				t.Fatal(err)
			}
		}
		r.Partitions = append(r.Partitions, idl.PartitionConfig{Pid: idl.Gpid{AppID: id, Partition: int32(i)}, Primary: addr})
	}
	return r
}

func TestWhereProxiesLead(t *testing.T) {
	// Both tables have the same id and count, as the first tables of two clusters have.
	source := End{tables{"orders": config(2, "10.0.0.9:1", "10.0.0.1:1", "10.0.0.2:1")}, "orders"}
	target := End{tables{"orders": config(2, "10.1.0.9:1", "10.1.0.1:1", "10.1.0.2:1")}, "orders"}
	fail := func(code idl.ErrorCode) *idl.QueryConfigResponse { return &idl.QueryConfigResponse{Err: code} }
	for name, c := range map[string]struct {
		resp  *idl.QueryConfigResponse
		leads string
		text  string
	}{
		"source":              {response(t, 2, "10.0.0.1:1", "10.0.0.2:1"), LeadsToSource, ""},
		"target":              {response(t, 2, "10.1.0.1:1", "10.1.0.2:1"), LeadsToTarget, ""},
		"a moved primary":     {response(t, 2, "10.0.0.9:1", "10.0.0.2:1"), LeadsToSource, ""},
		"a lost primary":      {response(t, 2, "", "10.1.0.2:1"), LeadsToTarget, ""},
		"another id":          {response(t, 3, "10.0.0.1:1", "10.0.0.2:1"), LeadsElsewhere, ""},
		"another count":       {response(t, 2, "10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:1"), LeadsElsewhere, ""},
		"other servers":       {response(t, 2, "10.2.0.1:1", "10.2.0.2:1"), LeadsElsewhere, ""},
		"of both":             {response(t, 2, "10.0.0.1:1", "10.1.0.2:1"), LeadsElsewhere, ""},
		"no primary":          {response(t, 2, "", ""), "", "no primary"},
		"no record":           {fail(idl.ErrObjectNotFound), "", "no route record"},
		"its ZooKeeper fails": {fail(idl.ErrZookeeperOperation), "", "cannot read its ZooKeeper"},
		"bad record":          {fail(idl.ErrInvalidData), "", "invalid"},
		"unknown":             {fail(idl.ErrUnknown), "", "could not ask the cluster"},
		"another code":        {fail(idl.ErrACLDeny), "", "refused (ERR_ACL_DENY)"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeProxy(t, func(table string) *idl.QueryConfigResponse {
				if table != "orders" {
					return fail(idl.ErrObjectNotFound)
				}
				return c.resp
			})
			before := time.Now()
			got, err := AskProxies(t.Context(), Options{}, "orders", []string{p.addr()}, source, target)
			if err != nil || len(got) != 1 || got[0].Proxy != p.addr() || got[0].LeadsTo != c.leads || got[0].At.Before(before) {
				t.Fatalf("%+v, %v", got, err)
			}
			if (got[0].Err != nil) != (c.text != "") || c.text != "" && !strings.Contains(got[0].Err.Error(), c.text) {
				t.Errorf("%v", got[0].Err)
			}
		})
	}
}

func TestProxyThatSaysNothing(t *testing.T) {
	mute := newFakeProxy(t, func(string) *idl.QueryConfigResponse { return nil })
	good := newFakeProxy(t, func(string) *idl.QueryConfigResponse { return response(t, 1, "10.0.0.1:1") })
	source := End{tables{"orders": config(1, "10.0.0.2:1", "10.0.0.1:1")}, "orders"}
	proxies := []string{mute.addr(), refusedAddr(t), foreignServer(t), good.addr()}
	began := time.Now()
	got, err := AskProxies(t.Context(), Options{}, "orders", proxies, source, End{})
	if err != nil || len(got) != 4 {
		t.Fatal(got, err)
	}
	if took := time.Since(began); took > 3*defaultProxy {
		t.Errorf("it took %v", took)
	}
	for i, want := range []string{"is this a MetaProxy?", "refused", "", ""} {
		if got[i].Proxy != proxies[i] || (got[i].Err == nil) != (i == 3) || i < 3 && !strings.Contains(got[i].Err.Error(), want) {
			t.Errorf("%+v", got[i])
		}
	}
	if got[3].LeadsTo != LeadsToSource || got[3].AppID != 1 {
		t.Errorf("%+v", got[3])
	}
}

// TestPrimaryMovesBetweenTheQuestions: the cluster's second answer knows the new primary.
func TestPrimaryMovesBetweenTheQuestions(t *testing.T) {
	moving := &movingTables{}
	p := newFakeProxy(t, func(string) *idl.QueryConfigResponse { return response(t, 1, "10.0.0.3:1") })
	got, err := AskProxies(t.Context(), Options{}, "orders", []string{p.addr()}, End{moving, "orders"}, End{})
	if err != nil || got[0].LeadsTo != LeadsToSource {
		t.Errorf("%+v, %v", got, err)
	}
}

type movingTables struct{ asked int }

func (m *movingTables) PartitionConfigs(context.Context, string) (*pegasus.TableConfig, error) {
	m.asked++
	if m.asked == 1 {
		return config(1, "10.0.0.2:1", "10.0.0.1:1"), nil
	}
	return config(1, "10.0.0.1:1", "10.0.0.3:1"), nil
}

// TestClusterThatCannotBeAsked: without the cluster's own word nothing is compared.
func TestClusterThatCannotBeAsked(t *testing.T) {
	p := newFakeProxy(t, func(string) *idl.QueryConfigResponse { return response(t, 1, "10.0.0.1:1") })
	down := errors.New("no leader")
	if _, err := AskProxies(t.Context(), Options{}, "orders", []string{p.addr()}, End{brokenTables{down}, "orders"}, End{}); !errors.Is(err, down) {
		t.Error(err)
	}
}

type brokenTables struct{ err error }

func (b brokenTables) PartitionConfigs(context.Context, string) (*pegasus.TableConfig, error) {
	return nil, b.err
}

func TestLook(t *testing.T) {
	s := server(t)
	p := newFakeProxy(t, func(string) *idl.QueryConfigResponse { return response(t, 1, "10.0.0.1:1") })
	source := End{tables{"orders": config(1, "10.0.0.2:1", "10.0.0.1:1")}, "orders"}
	route := plan.Route{Root: "/routes", Table: "orders", Proxies: []string{p.addr()}}
	o := Options{Servers: []string{s.Addr()}}
	look := func() plan.RouteFacts { return Look(t.Context(), o, route, source, End{}) }

	f := look()
	if !f.Exists || f.Problem != "" || !f.Writable || f.ClusterName != "source" || len(f.MetaAddrs) != 2 || f.Path != path ||
		len(f.Proxies) != 1 || f.Proxies[0] != (plan.ProxyFacts{Addr: p.addr(), AppID: 1, LeadsTo: LeadsToSource}) {
		t.Errorf("%+v", f)
	}
	for data, want := range map[string]string{"{": "JSON", `{"cluster_name":"c","meta_addrs":"a:1"}`: "fewer than two"} {
		if err := s.Put(path, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if f := look(); !f.Exists || !strings.Contains(f.Problem, want) || !f.Writable {
			t.Errorf("%+v", f)
		}
	}
	if err := s.Remove(path); err != nil {
		t.Fatal(err)
	}
	if f := look(); f.Exists || f.Problem != "" || f.Proxies[0].LeadsTo != LeadsToSource {
		t.Errorf("%+v", f)
	}
	s.Stop()
	source.Cluster = brokenTables{errors.New("no leader")}
	if f := look(); f.Exists || !strings.Contains(f.Problem, s.Addr()) || !strings.Contains(f.Proxies[0].Problem, "no leader") {
		t.Errorf("%+v", f)
	}
}
