package cli

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// A watchdog that cannot reach the cluster says so instead of "ready": apply does not raise a fence
// that nobody could lift.
func TestWatchdogThatCannotReachTheCluster(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &bytes.Buffer{}, Now: time.Now, Wire: wire.Options{}}
	g := guard{env: e, dir: t.TempDir(), migration: "orders", source: "east", metas: []string{addr}}
	if err := g.wait(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("got %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("it said %q", out.String())
	}
}
