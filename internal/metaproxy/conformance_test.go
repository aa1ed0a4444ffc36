package metaproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
)

// TestRealZooKeeper holds this package to a real server, which scripts/zookeeper.sh starts.
func TestRealZooKeeper(t *testing.T) {
	addr := os.Getenv("PEGMIGRATE_TEST_ZOOKEEPER")
	if addr == "" {
		t.Skip("run by `make test-external`: scripts/zookeeper.sh starts a real ZooKeeper and sets PEGMIGRATE_TEST_ZOOKEEPER")
	}
	conform(t, addr)
}

// TestSandboxZooKeeper holds the sandbox's server to the same.
func TestSandboxZooKeeper(t *testing.T) {
	s, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	conform(t, s.Addr())
}

const valid = `{"x":1.50, "cluster_name":"source","meta_addrs":"10.0.0.1:34601,10.0.0.2:34601"}`

// conform is what must hold against any ZooKeeper server.
func conform(t *testing.T, addr string) {
	for name, test := range map[string]func(*testing.T, *keeper){
		"Read": conformRead, "CompareAndSet": conformSet, "ACL": conformACL, "Identity": conformIdentity,
		"LostReply": conformLostReply, "MutedReply": conformMutedReply, "LostSet": conformLostSet,
		"LateSetIsFenced": conformFence, "LateSetLands": conformLateSet, "SomebodyElseFirst": conformLostRace,
		"Servers": conformServers, "Cancelled": conformCancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, newKeeper(t, addr)) })
	}
}

// keeper makes the nodes that a test needs, as an administrator would.
type keeper struct {
	t    *testing.T
	addr string
	conn *zk.Conn
	root string
}

func newKeeper(t *testing.T, addr string) *keeper {
	t.Helper()
	conn, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
			// Until the library's goroutines have ended.
		}
	})
	k := &keeper{t: t, addr: addr, conn: conn, root: fmt.Sprintf("/%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())}
	k.create(k.root, "", zk.WorldACL(zk.PermAll))
	return k
}

func (k *keeper) create(path, data string, acl []zk.ACL) {
	k.t.Helper()
	if _, err := k.conn.Create(path, []byte(data), 0, acl); err != nil {
		k.t.Fatal(path, err)
	}
}

// record makes a record that everybody may change.
func (k *keeper) record(data string) (path string) {
	k.t.Helper()
	path = k.root + "/table"
	k.create(path, data, zk.WorldACL(zk.PermAll))
	return path
}

// wants checks a record from outside.
func (k *keeper) wants(path, data string, version int32) {
	k.t.Helper()
	got, stat, err := k.conn.Get(path)
	if err != nil || string(got) != data || stat.Version != version {
		k.t.Errorf("%s holds %s at version %+v (%v), want %s at %d", path, got, stat, err, data, version)
	}
}

func (k *keeper) store(addrs ...string) *Store {
	if len(addrs) == 0 {
		addrs = []string{k.addr}
	}
	return NewStore(Options{Servers: addrs, Answer: time.Second})
}

// read reads or fails the test.
func read(t *testing.T, s *Store, path string) Record {
	t.Helper()
	rec, err := s.Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func with(t *testing.T, rec Record, cluster string, metas ...string) []byte {
	t.Helper()
	raw, err := rec.With(cluster, metas)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func conformRead(t *testing.T, k *keeper) {
	s := k.store()
	if _, err := s.Read(t.Context(), k.root+"/none"); !errors.Is(err, ErrNoRecord) {
		t.Errorf("no node: %v", err)
	}
	if _, err := s.Access(t.Context(), k.root+"/none"); !errors.Is(err, ErrNoRecord) {
		t.Errorf("ACL of no node: %v", err)
	}
	path := k.record(valid)
	rec := read(t, s, path)
	if rec.ClusterName != "source" || !slices.Equal(rec.MetaAddrs, []string{"10.0.0.1:34601", "10.0.0.2:34601"}) ||
		rec.Version != 0 || string(rec.Raw) != valid {
		t.Errorf("%+v", rec)
	}
	for data, want := range map[string]error{"{": ErrInvalid, "": ErrInvalid, `{"cluster_name":"c","meta_addrs":"a:1"}`: ErrTooFewAddrs} {
		if _, err := k.conn.Set(path, []byte(data), -1); err != nil {
			t.Fatal(err)
		}
		if rec, err := s.Read(t.Context(), path); !errors.Is(err, want) || string(rec.Raw) != data || rec.Version == 0 {
			t.Errorf("%q: %+v, %v", data, rec, err)
		}
	}
}

func conformSet(t *testing.T, k *keeper) {
	path, s := k.record(valid), k.store()
	rec := read(t, s, path)
	raw := with(t, rec, "target", "10.0.1.1:34601")
	next, err := s.CompareAndSet(t.Context(), path, rec, raw)
	if err != nil || next.Version != 1 || next.ClusterName != "target" {
		t.Fatalf("%+v, %v", next, err)
	}
	want := `{"x":1.50, "cluster_name":"target","meta_addrs":"10.0.1.1:34601,10.0.1.1:34601"}`
	k.wants(path, want, 1)
	if _, err := s.CompareAndSet(t.Context(), path, rec, raw); !errors.Is(err, ErrMoved) {
		t.Errorf("on the old version: %v", err)
	}
	k.wants(path, want, 1)
	again, err := s.Fence(t.Context(), path, next)
	if err != nil || again.Version != 2 {
		t.Errorf("%+v, %v", again, err)
	}
	k.wants(path, want, 2)
	if _, err := s.CompareAndSet(t.Context(), path, again, []byte("{}")); !errors.Is(err, ErrInvalid) {
		t.Errorf("no record: %v", err)
	}
	anyVersion := again
	anyVersion.Version = -1
	if _, err := s.CompareAndSet(t.Context(), path, anyVersion, raw); err == nil {
		t.Error("a write without a version was let through")
	}
	if _, err := s.CompareAndSet(t.Context(), k.root+"/none", again, raw); !errors.Is(err, ErrNoRecord) {
		t.Errorf("no node: %v", err)
	}
	if there, _, err := k.conn.Exists(k.root + "/none"); err != nil || there {
		t.Errorf("a node was made: %v", err)
	}
	k.wants(path, want, 2)
}

func conformACL(t *testing.T, k *keeper) {
	s := k.store()
	for name, c := range map[string]struct {
		acl      []zk.ACL
		read     error
		writable bool
		reason   string
	}{
		"world":  {zk.WorldACL(zk.PermRead | zk.PermWrite), nil, true, ""},
		"reader": {append(zk.DigestACL(zk.PermAll, "ops", "secret"), zk.WorldACL(zk.PermRead)...), nil, false, "digest:ops"},
		"nobody": {zk.DigestACL(zk.PermAll, "ops", "secret"), ErrDenied, false, ""},
		"ip":     {append(zk.WorldACL(zk.PermRead), zk.ACL{Perms: zk.PermWrite, Scheme: "ip", ID: "127.0.0.0/8"}), nil, true, "127.0.0.0/8"},
		"far ip": {append(zk.WorldACL(zk.PermRead), zk.ACL{Perms: zk.PermWrite, Scheme: "ip", ID: "10.1.1.1"}), nil, false, "ip:10.1.1.1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := k.root + "/" + name
			k.create(path, valid, c.acl)
			rec, err := s.Read(t.Context(), path)
			if !errors.Is(err, c.read) || (c.read == nil) != (err == nil) {
				t.Fatalf("read: %v", err)
			}
			access, err := s.Access(t.Context(), path)
			if access.Writable != c.writable || !strings.Contains(access.Reason, c.reason) || c.read == nil && err != nil {
				t.Errorf("%+v, %v", access, err)
			}
			if c.read != nil {
				rec = Record{Raw: []byte(valid)}
			}
			_, err = s.Fence(t.Context(), path, rec)
			if c.writable && err != nil || !c.writable && !errors.Is(err, ErrDenied) {
				t.Errorf("write: %v", err)
			}
		})
	}
}

func conformIdentity(t *testing.T, k *keeper) {
	path := k.root + "/table"
	k.create(path, valid, append(zk.DigestACL(zk.PermRead|zk.PermWrite, "ops", "secret"), zk.WorldACL(zk.PermRead)...))
	for text, ok := range map[string]bool{"digest:ops:secret": true, "digest:ops:wrong": false, "digest:me:secret": false} {
		id, err := ParseIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		s := NewStore(Options{Servers: []string{k.addr}, Identity: id})
		rec := read(t, s, path)
		access, err := s.Access(t.Context(), path)
		// Without the right ADMIN servers mask the hash of an ACL, so that a wrong password shows only
		// when it is used.
		if err != nil || access.Writable != strings.HasPrefix(text, "digest:ops:") {
			t.Errorf("%s: %+v, %v", text, access, err)
		}
		if _, err := s.Fence(t.Context(), path, rec); ok != (err == nil) || !ok && !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// conformLostReply: the Set was done, the connection ended before the answer.
func conformLostReply(t *testing.T, k *keeper) {
	path := k.record(valid)
	lossy := newRelay(t, k.addr, dropReply)
	s := k.store(lossy.addr(), k.addr)
	rec := read(t, s, path)
	next, err := s.CompareAndSet(t.Context(), path, rec, with(t, rec, "target", "b:1", "b:2"))
	if err != nil || next.Version != 1 || next.ClusterName != "target" {
		t.Fatalf("%+v, %v", next, err)
	}
	k.wants(path, string(next.Raw), 1)
	if lossy.sets != 1 {
		t.Errorf("%d Sets were sent", lossy.sets)
	}
}

// conformMutedReply: the Set was done, the answer never comes, the connection stays.
func conformMutedReply(t *testing.T, k *keeper) {
	path := k.record(valid)
	lossy := newRelay(t, k.addr, muteSet)
	s := k.store(lossy.addr(), k.addr)
	rec := read(t, s, path)
	next, err := s.CompareAndSet(t.Context(), path, rec, with(t, rec, "target", "b:1", "b:2"))
	if err != nil || next.Version != 1 {
		t.Fatalf("%+v, %v", next, err)
	}
	k.wants(path, string(next.Raw), 1)
}

// conformLostSet: the connection ended before the Set reached the server; nobody can know.
func conformLostSet(t *testing.T, k *keeper) {
	path := k.record(valid)
	lossy := newRelay(t, k.addr, dropSet)
	s := k.store(lossy.addr(), k.addr)
	rec := read(t, s, path)
	_, err := s.CompareAndSet(t.Context(), path, rec, with(t, rec, "target", "b:1", "b:2"))
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	if lossy.sets != 1 {
		t.Errorf("%d Sets were sent", lossy.sets)
	}
	k.wants(path, valid, 0)
}

// lateSet sends a Set that reaches the server only when the relay is told so.
func (k *keeper) lateSet(path string) (rec Record, late []byte, arrive func()) {
	k.t.Helper()
	slow := newRelay(k.t, k.addr, holdSet)
	s := k.store(slow.addr())
	rec = read(k.t, k.store(), path)
	late = with(k.t, rec, "late", "b:1", "b:2")
	_, err := s.CompareAndSet(k.t.Context(), path, rec, late)
	if !errors.Is(err, ErrOutcomeUnknown) {
		k.t.Fatal(err)
	}
	<-slow.arrived
	return rec, late, func() {
		close(slow.release)
	}
}

// conformFence: after the fence a Set that is still under way cannot take effect any more.
func conformFence(t *testing.T, k *keeper) {
	path := k.record(valid)
	rec, _, arrive := k.lateSet(path)
	fenced, err := k.store().Fence(t.Context(), path, rec)
	if err != nil || fenced.Version != 1 {
		t.Fatalf("%+v, %v", fenced, err)
	}
	arrive()
	// Nothing tells when the server has refused it; a write that it must order behind does.
	k.settle(path)
	k.wants(path, valid, 1)
}

// conformLateSet: without a fence it does take effect, after its sender has looked, and a fence that
// comes behind says so.
func conformLateSet(t *testing.T, k *keeper) {
	path := k.record(valid)
	rec, late, arrive := k.lateSet(path)
	k.wants(path, valid, 0)
	arrive()
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, stat, err := k.conn.Get(path); err == nil && stat.Version == 1 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the late Set did not arrive")
		}
	}
	k.wants(path, string(late), 1)
	if _, err := k.store().Fence(t.Context(), path, rec); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
}

// settle gives a server the time to do what reached it before.
func (k *keeper) settle(path string) {
	k.t.Helper()
	for limit := time.Now().Add(300 * time.Millisecond); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		if _, err := k.conn.Sync(path); err != nil {
			k.t.Fatal(err)
		}
	}
}

// conformLostRace: the reply is lost, and the read finds somebody else's record.
func conformLostRace(t *testing.T, k *keeper) {
	path := k.record(valid)
	lossy := newRelay(t, k.addr, dropSet)
	s := k.store(lossy.addr(), k.addr)
	rec := read(t, s, path)
	other := strings.Replace(valid, "source", "third", 1)
	if _, err := k.conn.Set(path, []byte(other), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CompareAndSet(t.Context(), path, rec, with(t, rec, "target", "b:1", "b:2")); !errors.Is(err, ErrMoved) {
		t.Fatal(err)
	}
	if _, err := k.conn.Set(path, []byte(other), 1); err != nil {
		t.Fatal(err)
	}
	// Two writes later ours may have been the first of them.
	if _, err := s.CompareAndSet(t.Context(), path, rec, with(t, rec, "target", "b:1", "b:2")); !errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	k.wants(path, other, 2)
}

// conformServers: servers that refuse, are mute or speak another protocol cost little time.
func conformServers(t *testing.T, k *keeper) {
	path := k.record(valid)
	mute, refused, foreign, echo := muteServer(t), refusedAddr(t), foreignServer(t), echoServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	opts := Options{Servers: []string{mute, refused, foreign, echo, k.addr}, Session: 200 * time.Millisecond}
	if rec, err := NewStore(opts).Read(ctx, path); err != nil || rec.ClusterName != "source" {
		t.Errorf("%+v, %v", rec, err)
	}
	opts.Servers = opts.Servers[:4]
	_, err := NewStore(opts).CompareAndSet(ctx, path, Record{Raw: []byte(valid)}, []byte(valid))
	var silent *SilentError
	if !errors.As(err, &silent) || !errors.Is(err, ErrSilent) || errors.Is(err, ErrOutcomeUnknown) || len(silent.Answers) != 4 {
		t.Fatalf("%v", err)
	}
	for i, want := range []error{errNoSession, nil, errForeign, errForeign} {
		if want != nil && !errors.Is(silent.Answers[i].Err, want) {
			t.Errorf("%v", silent.Answers[i])
		}
	}
	if !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("it took too long")
	}
	k.wants(path, valid, 0)
}

// conformCancelled: a context that ends, ends a call at once, and what had not begun is not sent.
func conformCancelled(t *testing.T, k *keeper) {
	path := k.record(valid)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	s := k.store()
	if _, err := s.Read(ctx, path); !errors.Is(err, stop) {
		t.Errorf("read: %v", err)
	}
	if _, err := s.CompareAndSet(ctx, path, Record{Raw: []byte(valid)}, []byte(valid)); !errors.Is(err, stop) {
		t.Errorf("write: %v", err)
	}
	slow := newRelay(t, k.addr, holdSet)
	defer close(slow.release)
	ctx, cancel = context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		<-slow.arrived
		cancel(stop)
	}()
	_, err := k.store(slow.addr()).CompareAndSet(ctx, path, Record{Raw: []byte(valid)}, []byte(valid))
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("after it was sent: %v", err)
	}
	k.wants(path, valid, 0)
}

// muteServer takes connections and says nothing.
func muteServer(t *testing.T) string {
	return serve(t, func(net.Conn) {})
}

// foreignServer speaks HTTP.
func foreignServer(t *testing.T) string {
	return serve(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
}

// echoServer gives back what it gets, as a connection to oneself does.
func echoServer(t *testing.T) string {
	return serve(t, func(c net.Conn) {
		request := make([]byte, 48)
		if _, err := io.ReadFull(c, request); err == nil {
			_, _ = c.Write(request)
		}
	})
}

func serve(t *testing.T, greet func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					_ = c.Close()
				}
				return
			}
			conns = append(conns, c)
			greet(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String()
}

// refusedAddr is where nobody listens.
func refusedAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}
