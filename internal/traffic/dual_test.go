package traffic

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// flaky is a side that refuses, or leaves open, its next operations.
type flaky struct {
	Client
	fail  int
	open  bool
	tries int
}

func (f *flaky) Delete(context.Context, Key) Result {
	f.tries++
	if f.tries <= f.fail {
		return Result{Err: errors.New("busy"), Unsure: f.open, Attempts: 1}
	}
	return Result{Server: "s", Attempts: 1}
}

func TestDualRepeats(t *testing.T) {
	k := Key{"h", "s"}
	for name, c := range map[string]struct {
		first, second flaky
		patience      time.Duration
		ok, unsure    bool
		repeated      int64
	}{
		"both at once":                  {flaky{}, flaky{}, time.Minute, true, false, 0},
		"the second refuses":            {flaky{}, flaky{fail: 2}, time.Minute, true, false, 1},
		"an attempt was left open":      {flaky{fail: 1, open: true}, flaky{}, time.Minute, true, true, 1},
		"nobody took it":                {flaky{fail: 9}, flaky{}, 0, false, false, 0},
		"one has it, the other has not": {flaky{}, flaky{fail: 9}, 0, false, true, 0},
	} {
		d := &dual{sides: []Client{&c.first, &c.second}, shares: []float64{1, 1}, patience: c.patience}
		r := d.Delete(t.Context(), k)
		if (r.Err == nil) != c.ok || r.Unsure != c.unsure || d.repeated.Load() != c.repeated || r.Attempts != c.first.tries+c.second.tries {
			t.Errorf("%s: %+v, %d repeated", name, r, d.repeated.Load())
		}
	}
	d := &dual{sides: []Client{&flaky{}, &flaky{}}, shares: []float64{1, 0.1}}
	taken := 0
	for i := range 1000 {
		if d.takes(1, Key{string(valueOf(int64(i), 8)), "s"}) {
			taken++
		}
	}
	if taken < 50 || taken > 200 {
		t.Errorf("%d of 1000 keys for a share of 0.1", taken)
	}
}

func TestExpiresLater(t *testing.T) {
	var r Result
	for _, attempt := range []Result{{}, {Expire: 100}, {Expire: 103, Later: 2}, {Expire: 99, Later: 1}} {
		r.expires(attempt)
	}
	if r.Expire != 99 || r.Later != 6 {
		t.Errorf("%+v", r)
	}
}

// TestDualWriter writes two tables while one of them refuses for a while, rows that were there before too.
func TestDualWriter(t *testing.T) {
	w := newWorld(t)
	spec := sandbox.LoadSpec{Rows: 300, ValueSize: 10, TTLShare: 0.3}
	for _, c := range []*sandbox.Cluster{w.a, w.b} {
		if err := c.Fill(table, spec); err != nil {
			t.Fatal(err)
		}
	}
	var found []Row
	for row, err := range rows(w.a) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, row)
	}
	journal := filepath.Join(t.TempDir(), "journal")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var summary Summary
	var failed error
	var running sync.WaitGroup
	running.Go(func() {
		summary, failed = Run(ctx, Config{Table: table, Clients: "writer/go,writer/java,reader/java", Rate: 600, Workers: 4, Journal: journal, Found: found,
			Sides: []Side{{Cluster: "a", Metas: w.a.MetaServers()}, {Cluster: "b", Metas: w.b.MetaServers()}}})
	})
	acked := func(n int) func() bool {
		return func() bool {
			text, err := os.ReadFile(journal)
			return err == nil && strings.Count(string(text), `"end":"ok`) > n
		}
	}
	until(t, "writes", acked(len(found)+300))
	if _, err := w.b.Inject(sandbox.Fault{Kind: sandbox.FaultFail, RPC: "put", Times: 20}); err != nil {
		t.Fatal(err)
	}
	until(t, "more writes", acked(len(found)+700))
	cancel()
	running.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	repeated := int64(0)
	for _, c := range summary.Clients {
		repeated += c.Repeated
		if c.Failed > 0 || c.Stale > 0 {
			t.Errorf("%+v", c)
		}
	}
	if repeated == 0 {
		t.Error("nothing was repeated")
	}
	for _, c := range []*sandbox.Cluster{w.a, w.b} {
		text, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Check(bytes.NewReader(text), rows(c), time.Now())
		if err != nil || !r.OK() || r.Others > 0 {
			t.Errorf("%s: %+v, %v", c.Name(), r, err)
		}
	}
	if _, err := Run(t.Context(), Config{Table: table, Clients: "incr", Rate: 1, Sides: []Side{{Metas: w.a.MetaServers()}}}); err == nil {
		t.Error("a dual writer that increments")
	}
}
