package apply_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/schema"
)

// trace collects what a run does, one line each: events, state writes, changes of the clusters.
type trace struct {
	mu    sync.Mutex
	begun time.Time
	text  strings.Builder
	last  string
}

func (r *trace) line(kind, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := kind + " " + fmt.Sprintf(format, args...)
	if what == r.last { // waits and progress repeat themselves
		return
	}
	r.last = what
	fmt.Fprintf(&r.text, "%7.1fs %s\n", time.Since(r.begun).Seconds(), what)
}

func (r *trace) event(e event.Event) {
	switch e := e.(type) {
	case event.MoveProgress:
		r.line("event", "progress %d of %d partitions, %d rows", e.PartitionsDone, e.PartitionCount, e.Rows)
	case event.Waiting:
		r.line("event", "waiting %s: %s", e.Step, e.Reason)
	default:
		if started, ok := e.(event.RunStarted); ok {
			started.PlanID = "" // it moves with every word in a plan
			e = started
		}
		data, err := json.Marshal(e)
		if err != nil {
			panic(err)
		}
		r.line("event", "%s %s", e.Name(), data)
	}
}

// file sees the operations that make something durable.
func (r *trace) file(op atomicfile.Op) error {
	if op.Phase == atomicfile.After {
		switch op.Kind {
		case atomicfile.OpRename, atomicfile.OpAppendSync, atomicfile.OpRemove:
			r.line("disk ", "%s %s", op.Kind, filepath.Base(op.Path))
		}
	}
	return nil
}

func (r *trace) call(_ context.Context, c call) error {
	if c.changes && !c.after {
		r.line("world", "%s", c)
	}
	return nil
}

// TestTrace holds the order of everything that a full fenced apply does: an intent is on the disk
// before the change that it announces, a proof before the next step begins.
func TestTrace(t *testing.T) {
	const golden = "testdata/trace.golden"
	inBubble(t, func(t *testing.T) {
		s := newScene(t, schema.SourceWritesFenced)
		s.words = true
		r := &trace{begun: time.Now()}
		s.sink, s.world.hook = r.event, r.call
		s.fsys = func(disk atomicfile.FS) atomicfile.FS { return atomicfile.Observed(disk, r.file) }
		s.must(s.apply(t.Context()))
		got := r.text.String()
		if *update {
			s.must(os.MkdirAll("testdata", 0o755))
			s.must(os.WriteFile(golden, []byte(got), 0o644))
			return
		}
		want, err := os.ReadFile(golden)
		s.must(err)
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("(-golden +got, -update writes it anew)\n%s", diff)
		}
	})
}

// TestSkipped kills the run after each change and before it could be recorded: the next run sees
// that it is done and does not do it again.
func TestSkipped(t *testing.T) {
	for n, want := range []struct{ step, request string }{
		{"own", "SetEnvs east/orders [business.info]"},
		{"create-target", "CreateTable west/orders"},
		{"await-target", "SetEnvs west/orders [business.info]"},
		{"carry-envs", "SetEnvs west/orders [replica.slow_query_threshold]"},
		{"late-envs", "SetEnvs west/orders [default_ttl]"},
		{"disown", "SetEnvs east/orders [business.info]"},
	} {
		t.Run(want.step, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, schema.SourceWritesFenced)
				end := wanted(s)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				current := ""
				s.sink = func(e event.Event) {
					if e, ok := e.(event.StepStarted); ok {
						current = e.Step
					}
				}
				s.world.hook = func(_ context.Context, c call) error {
					if c.changes && c.after && current == want.step && c.String() == want.request {
						cancel()
					}
					return nil
				}
				if err := s.apply(ctx); err == nil {
					t.Fatalf("case %d: %s was not sent in %s", n, want.request, want.step)
				}
				current = ""
				s.world.hook = func(_ context.Context, c call) error {
					if c.changes && current == want.step && c.String() == want.request {
						t.Errorf("%s is sent again", c)
					}
					return nil
				}
				s.must(s.apply(t.Context()))
				s.same(end)
				for _, e := range happened[event.StepSkipped](s) {
					if e.Step == want.step {
						return
					}
				}
				t.Errorf("%s was not skipped\n%s", want.step, s.story())
			})
		})
	}
}
