package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// stage is a pair of clusters that can fall silent, a source table, and the tool as users run it.
type stage struct {
	a, b   *sandbox.Cluster
	dir    string
	silent [2]atomic.Bool                // a, b: no request is heard
	puts   atomic.Int64                  // on b
	onPut  atomic.Pointer[func(n int64)] // called before the n-th put on b is answered; nil for none
}

func newStage(t *testing.T, rows, rate int, writes, verify string) *stage {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s := &stage{dir: t.TempDir()}
	var config strings.Builder
	for i, c := range []**sandbox.Cluster{&s.a, &s.b} {
		name := []string{"a", "b"}[i]
		started, err := sandbox.Start(ctx, sandbox.Config{Name: name, Metas: 2, TimeFactor: 200, Seed: uint64(i), Hook: s.hook(i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = started.Close() })
		*c = started
		fmt.Fprintf(&config, "cluster %q { meta_servers = [\"%s\"] }\n", name, strings.Join(started.MetaServers(), `", "`))
	}
	fmt.Fprintf(&config, `
migration "m" {
  source {
    cluster = cluster.a
    table   = "t"
  }
  target { cluster = cluster.b }
  method "copy" { source_writes = %q }
  limits { rows_per_second = %d }
  verify { mode = %q }
}
`, writes, rate, verify)
	if _, err := s.a.CreateTable(sandbox.TableSpec{Name: "t", Partitions: 8}); err != nil {
		t.Fatal(err)
	}
	if err := s.a.WaitHealthy(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if err := s.a.Load("t", lonelyRows(rows)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "migration.hcl"), []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// lonelyRows have hash keys of their own, so that each is one put.
func lonelyRows(n int) iter.Seq[sandbox.Row] {
	return func(yield func(sandbox.Row) bool) {
		for i := range n {
			if !yield(sandbox.Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "user%06d", i), nil), Value: []byte("v")}) {
				return
			}
		}
	}
}

func (s *stage) hook(cluster int) sandbox.Hook {
	return func(c sandbox.Call) sandbox.Verdict {
		if s.silent[cluster].Load() {
			return sandbox.Drop()
		}
		if cluster == 1 && c.RPC == idl.NamePut && c.Phase == sandbox.After {
			n := s.puts.Add(1)
			if onPut := s.onPut.Load(); onPut != nil {
				(*onPut)(n)
			}
		}
		return sandbox.Pass()
	}
}

// spoken collects what a process prints.
type spoken struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *spoken) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *spoken) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start runs the tool with the waits of real life.
func (s *stage) start(t *testing.T, args ...string) (*exec.Cmd, *spoken) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := &spoken{}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Args[0], cmd.Dir, cmd.Stdout, cmd.Stderr = "pegmigrate", s.dir, out, out
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// TestInterruptStopsInTime presses Ctrl-C while clusters do not answer: the tool stops within two
// seconds all the same, and says how to go on.
func TestInterruptStopsInTime(t *testing.T) {
	silence := func(which ...int) func(*testing.T, *stage) {
		return func(_ *testing.T, s *stage) {
			for _, i := range which {
				s.silent[i].Store(true)
			}
		}
	}
	dead := func(t *testing.T, s *stage) {
		for i := range 2 {
			if err := s.b.KillMeta(i); err != nil {
				t.Error(err)
			}
		}
	}
	tests := []struct {
		name, when string
		what       func(*testing.T, *stage)
	}{
		{"healthy, copying", "copy: ", silence()},
		{"target silent, copying", "copy: ", silence(1)},
		{"source silent, copying", "copy: ", silence(0)},
		{"both silent, copying", "copy: ", silence(0, 1)},
		{"meta servers of the target dead, copying", "copy: ", dead},
		{"target silent, comparing", "verify: ", silence(1)},
		{"source silent, comparing", "verify: ", silence(0)},
		{"target silent, waiting for it", "create-target", silence(1)},
		{"source silent, fencing", "fence-source: deny", silence(0)},
		{"source silent, lifting the fence", "unfence-source: give", silence(0)},
		{"both silent, before anything", "", silence(0, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 3000, 2000, "fenced", "full")
			if tt.when == "" {
				tt.what(t, s)
			}
			cmd, out := s.start(t, "apply", "-auto-approve")
			if tt.when != "" {
				eventually(t, tt.when, func() bool { return strings.Contains(out.String(), tt.when) })
				tt.what(t, s)
			}
			<-time.After(700 * time.Millisecond) // what was sent gets stuck meanwhile
			begun := time.Now()
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			took := time.Since(begun)
			t.Logf("stopped within %v", took.Round(time.Millisecond))
			if took > stopLimit {
				t.Errorf("stopping took %v:\n%s", took, out)
			}
			if code := cmd.ProcessState.ExitCode(); code != 130 {
				t.Errorf("exit code %d, want 130:\n%s", code, out)
			}
			if tt.when != "" && !strings.Contains(out.String(), "resume with: pegmigrate apply") {
				t.Errorf("nothing says how to go on:\n%s", out)
			}
		})
	}
}

// TestResumeReadsLittleAgain stops a copy after more than five seconds and counts what the next run
// writes twice.
func TestResumeReadsLittleAgain(t *testing.T) {
	const rate, rows = 2000, 14_000
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, rows, rate, "fenced", "off")
			cmd, out := s.start(t, "apply", "-auto-approve")
			eventually(t, "six seconds of rows", func() bool { return s.puts.Load() > 6*rate })
			_ = cmd.Process.Signal(sig)
			_ = cmd.Wait()
			if s.puts.Load() >= rows {
				t.Fatalf("the copy was over before it was stopped:\n%s", out)
			}
			cmd, out = s.start(t, "apply", "-auto-approve")
			if err := cmd.Wait(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			again := s.puts.Load() - rows
			t.Logf("%d rows were written again", again)
			if again > 5*rate {
				t.Errorf("%d rows were written again, that is %v of work:\n%s", again, time.Duration(again)*time.Second/rate, out)
			}
			if n, err := s.b.Count("t"); n != rows || err != nil {
				t.Errorf("%d rows on the target, want %d; %v", n, rows, err)
			}
		})
	}
}
