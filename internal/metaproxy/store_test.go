package metaproxy

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/sandbox/zookeeper"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

const path = "/routes/orders"

// server is a ZooKeeper of the sandbox with one record.
func server(t *testing.T) *zookeeper.Server {
	t.Helper()
	s, err := zookeeper.Start(zookeeper.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Put(path, []byte(valid)); err != nil {
		t.Fatal(err)
	}
	return s
}

func storeOf(s *zookeeper.Server) *Store {
	return NewStore(Options{Servers: []string{s.Addr()}, Session: time.Second, Answer: time.Second})
}

func TestSetThatMeetsAFault(t *testing.T) {
	for fault, want := range map[zookeeper.SetFault]error{
		zookeeper.DropAnswer: nil, zookeeper.MuteAnswer: nil, zookeeper.LoseSet: ErrOutcomeUnknown, zookeeper.LateSet: ErrOutcomeUnknown,
	} {
		t.Run(string(fault), func(t *testing.T) {
			s := server(t)
			store := storeOf(s)
			rec := read(t, store, path)
			raw := with(t, rec, "target", "b:1")
			s.NextSet(fault)
			next, err := store.CompareAndSet(t.Context(), path, rec, raw)
			if fault == zookeeper.LateSet && err == nil {
				t.Skip("this machine was so slow that the late Set arrived before it was looked for")
			}
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatal(err)
			}
			if want == nil {
				if got := read(t, store, path); next.Version != rec.Version+1 || got.Version != next.Version || got.ClusterName != "target" {
					t.Errorf("%+v, %+v", next, got)
				}
				return
			}
			fenced, err := store.Fence(t.Context(), path, rec)
			if err != nil || fenced.Version != rec.Version+1 {
				t.Fatalf("%+v, %v", fenced, err)
			}
			// Past the moment at which a late Set takes effect, or does not.
			for end := time.Now().Add(zookeeper.LateBy * 3 / 2); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if got := read(t, store, path); got.ClusterName != "source" || got.Version != fenced.Version {
					t.Fatalf("%+v", got)
				}
			}
		})
	}
}

func TestServerWithoutQuorum(t *testing.T) {
	s := server(t)
	store := storeOf(s)
	rec := read(t, store, path)
	s.RefuseWrites(true)
	_, err := store.Fence(t.Context(), path, rec)
	for _, not := range []error{nil, ErrOutcomeUnknown, ErrMoved, ErrDenied, ErrSilent} {
		if errors.Is(err, not) {
			t.Fatal(err)
		}
	}
	s.RefuseWrites(false)
	if got, err := store.Fence(t.Context(), path, rec); err != nil || got.Version != rec.Version+1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestServerThatIsDownOrSlow(t *testing.T) {
	s := server(t)
	store := storeOf(s)
	rec := read(t, store, path)
	s.Delay(3 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := store.Fence(ctx, path, rec); !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrSilent) {
		t.Errorf("slow: %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	s.Delay(0)
	for rec = read(t, store, path); rec.Version == 0; rec = read(t, store, path) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the slow write did not arrive")
		}
	}
	s.Stop()
	if _, err := store.Fence(t.Context(), path, rec); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("down: %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Fence(t.Context(), path, rec); err != nil || got.Version != rec.Version+1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSetIsShown: who stops a process at its changes sees each Set once.
func TestSetIsShown(t *testing.T) {
	s := server(t)
	var mu sync.Mutex
	var seen []wire.Phase
	store := NewStore(Options{Servers: []string{s.Addr()}, Wire: wire.Options{Observe: func(p wire.Point) {
		mu.Lock()
		defer mu.Unlock()
		if p.RPC != SetRequest || !p.Control || p.Addr != s.Addr() {
			t.Errorf("%+v", p)
		}
		seen = append(seen, p.Phase)
	}}})
	rec := read(t, store, path)
	if _, err := store.Fence(t.Context(), path, rec); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Fence(t.Context(), path, rec); !errors.Is(err, ErrMoved) {
		t.Fatal(err)
	}
	if len(seen) != 4 || seen[0] != wire.BeforeSend || seen[1] != wire.AfterReply {
		t.Errorf("%v", seen)
	}
}

func TestIdentityThatCannotBeRead(t *testing.T) {
	s := server(t)
	for _, text := range []string{"kerberos:me", "digest:me", "digest::pw", "digest"} {
		store := NewStore(Options{Servers: []string{s.Addr()}, Identity: IdentityFrom([]string{"HOME=/", EnvIdentity + "=" + text})})
		if _, err := store.Read(t.Context(), path); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), EnvIdentity) {
			t.Errorf("%s: %v", text, err)
		}
	}
	store := NewStore(Options{Servers: []string{s.Addr()}, Identity: IdentityFrom([]string{EnvIdentity + "="})})
	if _, err := store.Read(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestParseServers(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1:2181,10.0.0.2:2181":  "10.0.0.1:2181 10.0.0.2:2181",
		" zk1 , zk2:2182,zk1:2181/kv ": "zk1:2181 zk2:2182",
		"::1,[::2]:99,[::3]":           "[::1]:2181 [::2]:99 [::3]:2181",
		"":                             "", ",": "", "/": "", "zk:": "", ":2181": "", "a:b:c": "",
	} {
		got, err := ParseServers([]string{text})
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if got, err := ParseServers([]string{"a:1", "b:2,a:1"}); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
