package canary

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// process is the test binary in a role.
func process(t *testing.T, role string) Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Process{Path: exe, Args: []string{"canary"}, Env: append(os.Environ(), envRole+"="+role)}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// cluster has two metas, of which only the first is told to the client, like a proxy: a meta answers
// the one request that the client sends to it as a proxy does.
func cluster(t *testing.T) *sandbox.Cluster {
	t.Helper()
	c, err := sandbox.Start(t.Context(), sandbox.Config{TimeFactor: 300, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.CreateTable(sandbox.TableSpec{Name: "orders", Partitions: 4}); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitHealthy(within(t, 30*time.Second), "orders"); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReadsAsAnApplication(t *testing.T) {
	c := cluster(t)
	rows := []sandbox.Row{
		{Key: pegkey.Encode(nil, []byte("a"), []byte("1")), Value: []byte("one")},
		{Key: pegkey.Encode(nil, []byte("b"), nil), Value: []byte{0, 255, '"'}},
		{Key: pegkey.Encode(nil, []byte("c"), []byte("3"))},
	}
	if err := c.Load("orders", slices.Values(rows)); err != nil {
		t.Fatal(err)
	}
	q := Question{Proxy: c.Leader(), Table: "orders", Rows: []Key{
		{HashKey: []byte("a"), SortKey: []byte("1")}, {HashKey: []byte("b")}, {HashKey: []byte("c"), SortKey: []byte("3")},
		{HashKey: []byte("a"), SortKey: []byte("2")}, {HashKey: nil},
	}}
	a, err := process(t, "child").Ask(within(t, 30*time.Second), q)
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{Found: true, Value: []byte("one")}, {Found: true, Value: []byte{0, 255, '"'}}, {Found: true}, {}}
	for i, w := range want {
		if g := a.Rows[i]; g.Found != w.Found || !bytes.Equal(g.Value, w.Value) || g.Error != "" {
			t.Errorf("row %d: %+v", i, g)
		}
	}
	if a.Rows[4].Error == "" {
		t.Errorf("a row without a hash key was read: %+v", a.Rows[4])
	}
}

// TestTableThatCannotBeOpened: no such table, nobody there, somebody who says nothing, nonsense.
func TestTableThatCannotBeOpened(t *testing.T) {
	c := cluster(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, q := range map[string]Question{
		"no table": {Proxy: c.Leader(), Table: "none"},
		"silent":   {Proxy: silent.Addr().String(), Table: "orders"},
		"nonsense": {Proxy: "no address", Table: "orders"},
	} {
		q.Limit = 2 * time.Second
		began := time.Now()
		if a, err := process(t, "child").Ask(within(t, 30*time.Second), q); err == nil {
			t.Errorf("%s: %+v", name, a)
		} else if strings.Contains(err.Error(), "killed") || time.Since(began) > 15*time.Second {
			t.Errorf("%s: after %v: %v", name, time.Since(began), err)
		}
	}
}

// TestClientThatMisbehaves: whatever a child does, the parent gets an error in time.
func TestClientThatMisbehaves(t *testing.T) {
	for role, want := range map[string]string{
		"crash": "bytes that nobody expected", "garbage": "no answer", "chatter": "more than", "quit": "exit status 3: fatal: no meta servers", "short": "answered 0",
	} {
		_, err := process(t, role).Ask(within(t, 30*time.Second), Question{Rows: []Key{{}}})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", role, err)
		}
	}
	stop := errors.New("long enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, stop)
	defer cancel()
	if _, err := process(t, "hang").Ask(ctx, Question{}); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestQuestionThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"", "{", `{"proxy":1}`, `{"somewhere":"else"}`} {
		var out bytes.Buffer
		if err := Serve(t.Context(), strings.NewReader(text), &out); err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, %q", text, err, out.String())
		}
	}
}
