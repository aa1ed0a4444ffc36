package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// leftAlone is within what time a source that is not well gets no scan any more.
const leftAlone = 5 * time.Second

// declaration is a copy of t that must stop when the source is slow.
const declaration = `
cluster "a" {
  meta_servers = [%q]
}
cluster "b" {
  meta_servers = [%q]
}
migration "t" {
  source {
    cluster = cluster.a
    table   = "t"
  }
  target {
    cluster = cluster.b
    table   = "copy"
  }
  method "copy" {
    source_writes = "stopped"
  }
  limits {
    rows_per_second = 4000
    stop_if {
      source_p99 = "50ms"
    }
  }
}
`

// locked is a buffer that a run writes and a test reads.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// scans counts requests that read rows of a table.
func scans(c *sandbox.Cluster) uint64 {
	return c.Requests(idl.NameGetScanner) + c.Requests(idl.NameScan)
}

// eventually polls until ok or the time is over.
func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// readEvery is the time between two reads of the client whose latency counts: a percentile without requests
// is an old one.
const readEvery = 2 * time.Millisecond

// reader reads rows of all partitions until the returned function is called.
func reader(t *testing.T, table *pegasus.Table) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(readEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			raw := pegkey.Encode(nil, fmt.Appendf(nil, "user%08d", i%1000), []byte("s0000"))
			if _, _, err := table.Get(ctx, raw); err != nil && ctx.Err() == nil {
				t.Errorf("a read of the source: %v", err)
				return
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// report makes a cluster show a p99 of reads.
func report(t *testing.T, c *sandbox.Cluster, p99 time.Duration) (id int) {
	t.Helper()
	id, err := c.Inject(sandbox.Fault{Kind: sandbox.FaultReport, Table: "t", Counter: "get_latency", Value: float64(p99.Nanoseconds())})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestThrottleSourceHealth lets the latency that a source's servers report rise in the middle of a
// copy. No scan may come later than 5 seconds after that, until it is better again; then the copy ends.
func TestThrottleSourceHealth(t *testing.T) {
	together(t)
	const rows = 16_000 // four seconds
	p := clusters(t, rows, sandbox.Fault{})
	defer reader(t, p.src)()
	// What the servers of a busy machine really measure is no part of this.
	report(t, p.source, time.Millisecond)
	dir := t.TempDir()
	text := fmt.Sprintf(declaration, p.source.MetaServers()[0], p.target.MetaServers()[0])
	if err := os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := cli.OS("bench")
	out := &locked{}
	env.Stdout, env.Stderr, env.Stdin = out, out, strings.NewReader("")
	env.Waits.Sample = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := make(chan int, 1)
	go func() { code <- cli.Run(ctx, []string{"pegmigrate", "apply", "-auto-approve", dir}, env) }()
	defer func() {
		cancel()
		if t.Failed() {
			t.Log(out.String())
		}
	}()

	eventually(t, time.Minute, "the copy begins", func() bool { return p.target.Requests(idl.NamePut) > 1000 })
	rise := report(t, p.source, 80*time.Millisecond)
	timer := time.NewTimer(leftAlone)
	defer timer.Stop()
	select {
	case <-timer.C:
	case got := <-code:
		t.Fatalf("apply ended with %d", got)
	}
	before := scans(p.source)
	for range 20 {
		tick := time.NewTimer(100 * time.Millisecond)
		<-tick.C
		if now := scans(p.source); now > before {
			t.Fatalf("%d scans of a source whose p99 is 80 ms, 5 s later", now-before)
		}
	}
	if n := p.target.Requests(idl.NamePut); n >= rows {
		t.Fatalf("the copy did not stop: %d rows", n)
	}
	if err := p.source.Clear(rise); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-code:
		if got != 0 {
			t.Errorf("apply ended with %d", got)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the copy does not go on when the source is well again")
	}
	if n, err := p.target.Count("copy"); n != rows || err != nil {
		t.Errorf("%d rows on the target, want %d; %v", n, rows, err)
	}
}
