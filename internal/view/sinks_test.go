package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// clock is set by the test that tells the story.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// tellStory plays the story; each event is shown before the next one.
func tellStory(sink event.Sink, flush func() bool, c *clock) {
	for _, s := range story() {
		c.set(noon.Add(s.after))
		sink.Emit(s.e)
		flush()
	}
}

func TestPlainLines(t *testing.T) {
	for name, style := range map[string]Style{"run.txt": Plain(), "run_colour.txt": {Color: true}} {
		var b bytes.Buffer
		c := &clock{}
		v := NewRunView(&b, style, c.Now)
		tellStory(v, v.queue.flush, c)
		v.Close()
		v.Close()
		golden(t, name, b.Bytes())
	}
}

// The promise that scripts rest on.
func TestTheLastLineProvesTheCopy(t *testing.T) {
	var b bytes.Buffer
	v := NewRunView(&b, Plain(), nil)
	v.Emit(event.RunStarted{Migration: "orders", Command: "apply"})
	v.Emit(event.Verified{Step: "verify", SourceRows: 200000, TargetRows: 200000, Round: 1})
	v.Emit(event.RunDone{Migration: "orders", Command: "apply", Rows: 200000, Bytes: 1 << 20, Elapsed: time.Second, Text: "a/orders and b/orders hold the same rows"})
	v.Close()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	want := "apply orders: done in 1.0 s, moved 200000 rows (1.0 MiB); a/orders and b/orders hold the same rows: 200000 rows on the source, 200000 on the target, 0 differences"
	if got := lines[len(lines)-1]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSONLines(t *testing.T) {
	var b bytes.Buffer
	c := &clock{}
	s := NewJSONSink(&b, c.Now)
	tellStory(s, s.queue.flush, c)
	s.Close()
	golden(t, "run.jsonl", b.Bytes())
	lines := bytes.Split(bytes.TrimSpace(b.Bytes()), []byte("\n"))
	if len(lines) != len(story()) {
		t.Fatalf("%d lines for %d events", len(lines), len(story()))
	}
	for i, line := range lines {
		var got struct {
			Version int             `json:"version"`
			Type    string          `json:"type"`
			Time    time.Time       `json:"time"`
			Data    json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if e := story()[i]; got.Version != 1 || got.Type != e.e.Name() || !got.Time.Equal(noon.Add(e.after)) || len(got.Data) < 3 {
			t.Errorf("line %d: %s", i, line)
		}
	}
}

// A rate of the first moment may be 0/0; JSON has no word for it, and the line must come anyway.
func TestJSONOfARateThatIsNoNumber(t *testing.T) {
	var b bytes.Buffer
	s := NewJSONSink(&b, nil)
	s.Emit(event.MoveProgress{Step: "copy", RowsPerSecond: math.NaN(), BytesPerSecond: math.Inf(1)})
	s.Emit(event.LagProgress{Step: "drain", PerSecond: math.NaN()})
	s.Close()
	if !strings.Contains(b.String(), `"rows_per_second":0,"bytes_per_second":0`) || !strings.Contains(b.String(), `"lag"`) {
		t.Errorf("got %q", b.String())
	}
	for _, r := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0} {
		if got := rate(r, func(n uint64) string { return fmt.Sprint(n) }); got != "0" {
			t.Errorf("%v: %s", r, got)
		}
	}
}

// Many goroutines emit: lines stay whole, and none of those that are news is lost.
func TestConcurrentEvents(t *testing.T) {
	var b bytes.Buffer
	s := NewJSONSink(&b, nil)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				s.Emit(event.Warning{Step: fmt.Sprint(g), Text: fmt.Sprint(i)})
				s.Emit(event.MoveProgress{Step: fmt.Sprint(g)})
			}
		})
	}
	wg.Wait()
	s.Close()
	next := map[string]int{}
	for line := range bytes.Lines(b.Bytes()) {
		var got struct {
			Type string
			Data struct{ Step, Text string }
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if got.Type == "warning" {
			if got.Data.Text != fmt.Sprint(next[got.Data.Step]) {
				t.Fatalf("%s of %s, want %d", got.Data.Text, got.Data.Step, next[got.Data.Step])
			}
			next[got.Data.Step]++
		}
	}
	for g := range 8 {
		if n := next[fmt.Sprint(g)]; n != 50 {
			t.Errorf("%d warnings of %d", n, g)
		}
	}
}

// A terminal stopped with Ctrl-S must not hold up a run: one event waits for a second, the others
// not at all, progress does not pile up, and nothing that is news is lost once it goes on.
func TestAStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var b bytes.Buffer
		v := NewRunView(writerFunc(func(p []byte) (int, error) {
			<-goOn
			return b.Write(p)
		}), Plain(), nil)
		begun := time.Now()
		v.Emit(event.StepStarted{Step: "copy", Index: 1, Of: 1})
		for range 10000 {
			v.Emit(event.MoveProgress{Step: "copy", PartitionCount: 4})
			v.Emit(event.Waiting{Step: "copy"})
		}
		v.Emit(event.UndoFailed{Step: "fence"})
		if took := time.Since(begun); took != patience {
			t.Errorf("a stuck writer held the run up for %s, want %s", took, patience)
		}
		if n := len(v.queue.pending); n > 4 {
			t.Errorf("%d events wait", n)
		}
		v.Close()
		if took := time.Since(begun); took != 2*patience {
			t.Errorf("with Close it took %s", took)
		}
		close(goOn)
		v.Close()
		synctest.Wait()
		if !strings.Contains(b.String(), "step 1/1 copy") || !strings.Contains(b.String(), "UNDO OF STEP fence FAILED") {
			t.Errorf("news was lost:\n%s", b.String())
		}
	})
}

func TestABrokenWriter(t *testing.T) {
	c := &clock{}
	for _, s := range []interface {
		event.Sink
		Close()
	}{NewRunView(brokenWriter{}, Plain(), c.Now), NewJSONSink(brokenWriter{}, c.Now), NewRunView(brokenWriter{}, Style{Terminal: true}, c.Now)} {
		for _, told := range story() {
			s.Emit(told.e)
		}
		s.Emit(nil)
		s.Close()
	}
}
