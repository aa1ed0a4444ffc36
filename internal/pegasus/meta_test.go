package pegasus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

func TestFindsTheLeaderAmongFollowers(t *testing.T) {
	for leader := range 3 {
		k := newCluster(t, 3, 0, 0)
		k.leader, k.tell = leader, false
		info, err := k.open().Info(t.Context())
		if err != nil || info.Name != "real" || fmt.Sprint(info.MetaServers) != "[a:1 b:2]" {
			t.Fatalf("leader %d: %+v, %v", leader, info, err)
		}
	}
}

func TestFollowsForwardToAMetaThatIsNotListed(t *testing.T) {
	k := newCluster(t, 3, 0, 0)
	k.leader = 2
	c := k.open(func(cfg *Config) { cfg.MetaServers = cfg.MetaServers[:1] })
	if _, err := c.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestFailover(t *testing.T) {
	k := newCluster(t, 3, 0, 0)
	c := k.open()
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.metas[0].stop()
	k.set(func() { k.leader = -1 })
	done := make(chan error, 1)
	go func() {
		_, err := c.Nodes(t.Context())
		done <- err
	}()
	eventually(t, "the others are asked", func() bool { return k.metas[1].count(idl.NameQueryConfig) > 1 })
	k.set(func() { k.leader = 2 })
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
}

func TestLeaderThatLostItsRoleForwards(t *testing.T) {
	k := newCluster(t, 2, 0, 0)
	c := k.open()
	k.set(func() { k.leader = 1 })
	if id, err := c.CreateTable(t.Context(), CreateSpec{Name: "n"}); err != nil || id != 42 {
		t.Fatal(id, err) // a forward says that nothing was done: even a create may go on
	}
}

func TestSilentLeaderIsReplaced(t *testing.T) {
	k := newCluster(t, 2, 0, 0)
	c := k.open()
	k.set(func() {
		k.leader = 1
		k.hook = func(r *request) bool { return r.server == k.metas[0] } // says nothing
	})
	began := time.Now()
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < hedgeAfter || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestLeaderNotReadyIsRetried(t *testing.T) {
	for _, code := range []idl.ErrorCode{idl.ErrServiceNotActive, idl.ErrUnderRecovery} {
		k := newCluster(t, 1, 0, 0)
		c := k.open()
		var n atomic.Int32
		k.set(func() {
			k.hook = func(r *request) bool {
				if n.Load() >= 3 {
					return false
				}
				switch r.Name {
				case idl.NameListNodes:
					n.Add(1)
					r.reply(&idl.ListNodesResponse{Err: code})
				case idl.NameQueryConfig: // it says so to everything
					r.reply(&idl.QueryConfigResponse{Err: code})
				default:
					return false
				}
				return true
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := c.Nodes(ctx)
			done <- err
		}()
		eventually(t, "the leader is asked", func() bool { return n.Load() == 1 })
		n.Store(3) // it is ready
		if err := receive(t, done); err != nil {
			t.Fatalf("%s: %v", string(code), err)
		}
	}
}

// A meta that was just started serves its port before it knows any request.
func TestOpenWaitsForAMetaThatStarts(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	var n atomic.Int32
	k.set(func() {
		k.hook = func(r *request) bool {
			if n.Add(1) > 6 {
				return false
			}
			r.fail(idl.ErrHandlerNotFound)
			return true
		}
	})
	k.open()
	if n.Load() < 7 {
		t.Errorf("asked %d times", n.Load())
	}
}

// A leader at work answers ERR_SERVICE_NOT_ACTIVE for a service that its configuration turns off.
func TestServiceThatIsTurnedOff(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	var n atomic.Int32
	k.set(func() {
		k.hook = func(r *request) bool {
			switch r.Name {
			case idl.NameQueryDuplication:
				n.Add(1)
				r.reply(&idl.QueryDuplicationResponse{Err: idl.ErrServiceNotActive})
			case idl.NameQueryBulkLoad:
				r.reply(&idl.QueryBulkLoadResponse{Err: idl.ErrServiceNotActive})
			default:
				return false
			}
			return true
		}
	})
	if dups, err := c.Duplications(t.Context(), "orders"); err != nil || len(dups) != 0 || n.Load() != 2 {
		t.Errorf("%d questions: %v, %v", n.Load(), dups, err)
	}
	if _, err := c.BulkLoadStatus(t.Context(), "orders"); !errors.Is(err, idl.ErrServiceNotActive) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoLeaderErrorSaysWhatEachAddressAnswered(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	k.leader = -1
	refused := newServer(t, nil)
	refused.stop()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = web.Close() }()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = web.Close() }()
	wg.Go(func() {
		for {
			nc, err := web.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Write([]byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
			_ = nc.Close()
		}
	})
	_, err = Open(t.Context(), Config{Name: "east", ClusterTimeout: 1500 * time.Millisecond,
		MetaServers: []string{k.metas[0].addr, k.nodes[0].addr, refused.addr, web.Addr().String(), "nohost.invalid:1", "nonsense"},
		LookupHost:  func(_ context.Context, host string) ([]string, error) { return nil, errors.New("no such host " + host) }})
	var nl *NoLeaderError
	if !errors.As(err, &nl) || len(nl.Answers) != 6 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		k.metas[0].addr + " forwards, but the leader is unknown",
		k.nodes[0].addr + " is not a meta server, or has only begun to start (it answers ERR_HANDLER_NOT_FOUND)",
		refused.addr + " refuses connections",
		web.Addr().String() + " does not speak the Pegasus protocol",
		"nohost.invalid:1 cannot be resolved: no such host nohost.invalid",
		"nonsense is not a host:port address",
		`cluster "east"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
}

func TestOpenGivesUpEarlyWhenNobodyIsThere(t *testing.T) {
	refused := newServer(t, nil)
	refused.stop()
	began := time.Now()
	_, err := Open(t.Context(), Config{Name: "east", MetaServers: []string{refused.addr}, ClusterTimeout: time.Minute})
	if err == nil || time.Since(began) > 5*time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("a cluster without addresses was opened")
	}
}

func TestHostNamesAreResolved(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	_, port, _ := net.SplitHostPort(k.metas[0].addr)
	c := k.open(func(cfg *Config) {
		cfg.MetaServers = []string{"metas.east:" + port}
		cfg.LookupHost = func(context.Context, string) ([]string, error) { return []string{"::1", "127.0.0.1"}, nil }
	})
	if _, err := c.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLostAnswerToCreateIsNotRepeated(t *testing.T) {
	for name, hook := range map[string]func(*request) bool{
		"connection lost": func(r *request) bool {
			if r.Name == idl.NameCreateApp {
				_ = r.conn.Close()
			}
			return r.Name == idl.NameCreateApp
		},
		"no answer": func(r *request) bool { return r.Name == idl.NameCreateApp },
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 0, 0)
			c := k.open(func(cfg *Config) { cfg.ClusterTimeout = time.Second })
			k.set(func() { k.hook = hook })
			_, err := c.CreateTable(t.Context(), CreateSpec{Name: "orders", Partitions: 8, Replicas: 3})
			if !errors.Is(err, ErrOutcomeUnknown) || !strings.Contains(err.Error(), "create table orders") {
				t.Fatalf("got %v", err)
			}
			if n := k.metas[0].count(idl.NameCreateApp); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestCreateThatDidNotLeaveIsRepeated(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	k.metas[0].stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Nodes(ctx); err == nil {
		t.Fatal("a stopped meta answered")
	}
	c.setLeader(k.metas[0].addr) // as far as the client knows
	done := make(chan error, 1)
	go func() {
		_, err := c.CreateTable(t.Context(), CreateSpec{Name: "orders", Partitions: 8, Replicas: 3})
		done <- err
	}()
	eventually(t, "the refusal is noticed", func() bool { return c.currentLeader() == nil })
	k.metas[0].start()
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	if n := k.metas[0].count(idl.NameCreateApp); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestCreateRefusesEnvsThatCrashServers(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	for _, env := range []string{"default_ttl", "manual_compact.once.trigger_time"} {
		if _, err := c.CreateTable(t.Context(), CreateSpec{Name: "n", Envs: map[string]string{env: "1"}}); err == nil {
			t.Errorf("%s was sent", env)
		}
	}
	if _, err := c.CreateTable(t.Context(), CreateSpec{Name: "n", Envs: map[string]string{"rocksdb.allow_ingest_behind": "true"}}); err != nil {
		t.Error(err)
	}
}

func TestMetaErrorsCarryCodeAndHint(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NameUpdateAppEnv {
				return false
			}
			r.reply(&idl.UpdateAppEnvResponse{Err: idl.ErrInvalidParameters, HintMessage: `app_env "x" is not supported`})
			return true
		}
	})
	err := c.SetEnvs(t.Context(), "orders", map[string]string{"x": "1"})
	code, ok := CodeOf(err)
	if !ok || code != idl.ErrInvalidParameters || !errors.Is(err, idl.ErrInvalidParameters) ||
		!strings.Contains(err.Error(), "is not supported") {
		t.Fatalf("got %v", err)
	}
	// A request that the server does not have.
	if err := c.RenameTable(t.Context(), "a", "b"); !errors.Is(err, idl.ErrHandlerNotFound) || errors.Is(err, ErrOutcomeUnknown) {
		t.Fatalf("got %v", err)
	}
}

func TestCancelledMetaCallReturnsAtOnce(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	k.set(func() { k.hook = func(*request) bool { return true } })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	began := time.Now()
	if _, err := c.Nodes(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
}

func TestCloseEndsMetaCalls(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	k.set(func() { k.hook = func(*request) bool { return true } })
	done := make(chan error, 1)
	go func() {
		_, err := c.Nodes(t.Context())
		done <- err
	}()
	eventually(t, "the request arrives", func() bool { return k.metas[0].count(idl.NameListNodes) > 0 })
	c.Close()
	if err := receive(t, done); !shut(err) {
		t.Fatalf("got %v", err)
	}
	c.Close()
	if _, err := c.Nodes(t.Context()); err == nil {
		t.Error("a closed cluster answered")
	}
}

func TestNoDataRequestEverReachesAMeta(t *testing.T) {
	k := newCluster(t, 1, 0, 1)
	// A broken meta that names itself as primary.
	k.nodes = k.metas
	k.primary[0] = 0
	var data atomic.Int32
	k.hook = func(r *request) bool {
		if r.RPC != nil && r.RPC.Kind == idl.KindReplica {
			data.Add(1)
		}
		return false
	}
	c := k.open()
	if _, err := c.OpenTable(t.Context(), "orders"); err == nil {
		t.Error("a meta was taken for a replica server")
	}
	if data.Load() != 0 {
		t.Error("a data request was sent to a meta")
	}
	var ke *wire.KindError
	if err := c.callNode(t.Context(), k.metas[0].addr, idl.NameGet, false, &idl.BlobRequest{}, nil); !errors.As(err, &ke) {
		t.Errorf("got %v", err)
	}
}
