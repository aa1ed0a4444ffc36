package actuate

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// liveWorld is two clusters whose tables hold the same rows.
type liveWorld struct {
	t          *testing.T
	east, west *sandbox.Cluster
	src, dst   *pegasus.Table
	live       *Live
	arrived    sync.WaitGroup // writes on their way to the target
}

const liveRows = 3000

func west() plan.TableRef { return plan.TableRef{Cluster: "west", Table: ref().Table} }

func newLiveWorld(t *testing.T, cfg sandbox.Config, targetPartitions int32) *liveWorld {
	t.Helper()
	w := &liveWorld{t: t}
	clusters := map[string]*pegasus.Cluster{}
	for _, side := range []struct {
		name       string
		partitions int32
		at         **sandbox.Cluster
	}{{"east", 4, &w.east}, {"west", targetPartitions, &w.west}} {
		cfg.Name, cfg.TimeFactor, cfg.Seed = side.name, 300, 1
		s, err := sandbox.Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		*side.at = s
		if _, err := s.CreateTable(sandbox.TableSpec{Name: ref().Table, Partitions: side.partitions}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		if err := s.WaitHealthy(ctx, ref().Table); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(ref().Table, func(yield func(sandbox.Row) bool) {
			for i := range liveRows {
				if !yield(sandbox.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "loaded %d", i)}) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		c, err := pegasus.Open(ctx, pegasus.Config{Name: side.name, MetaServers: s.MetaServers()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		clusters[side.name] = c
	}
	all := NewClusters(clusters)
	w.src, w.dst = w.table(all, ref()), w.table(all, west())
	w.live = NewLive(all, time.Now)
	return w
}

func (w *liveWorld) table(c *Clusters, t plan.TableRef) *pegasus.Table {
	table, err := c.open(w.t.Context(), t)
	if err != nil {
		w.t.Fatal(err)
	}
	return table
}

func rowKey(i int) []byte { return pegkey.Encode(nil, fmt.Appendf(nil, "user%05d", i), []byte("s")) }

// write puts a row, or removes it when the value is nil.
func (w *liveWorld) write(table *pegasus.Table, row pegasus.Row) error {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if row.Value == nil {
		return table.Remove(ctx, row.Key)
	}
	return putAndWait(ctx, table, row, time.Now().Add(testTimeout))
}

// writer writes to its own keys on the source until stop is closed; each write is made on the target
// too, in order, a moment later, as a duplication does.
func (w *liveWorld) writer(id, of int, stop <-chan struct{}, delay time.Duration) {
	type underWay struct {
		row pegasus.Row
		at  time.Time
	}
	queue := make(chan underWay, 100_000)
	w.arrived.Go(func() {
		for u := range queue {
			<-time.After(time.Until(u.at))
			if err := w.write(w.dst, u.row); err != nil {
				w.t.Errorf("write to the target: %v", err)
			}
		}
	})
	w.arrived.Go(func() {
		defer close(queue)
		random := rand.New(rand.NewPCG(uint64(id), 3))
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			i := id + of*random.IntN(liveRows/of)
			if random.IntN(2) == 0 {
				i = id // a hot one
			}
			row := pegasus.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "written %d", n)}
			switch random.IntN(5) {
			case 0:
				row.Value = nil
			case 1:
				row.Value = []byte{byte(random.IntN(2))}
			case 2:
				row.Expire = pegkey.ExpireTs(time.Now()) + uint32(random.IntN(15))
			}
			if err := w.write(w.src, row); err != nil {
				w.t.Errorf("write to the source: %v", err)
				return
			}
			queue <- underWay{row, time.Now().Add(delay)}
		}
	})
}

func (w *liveWorld) job() apply.LiveJob {
	return apply.LiveJob{Source: ref(), Target: west(), Patience: 2 * time.Second}
}

// disturb moves primaries and loses scans until stop is closed.
func (w *liveWorld) disturb(stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for _, s := range []*sandbox.Cluster{w.east, w.west} {
			if n%5 == 1 {
				_ = s.MovePrimary(ref().Table, n%4) // a partition that just moves cannot be moved
			}
			s.LoseScans()
		}
	}
}

// Tables that follow each other are equal however clients write, primaries move and servers are busy.
func TestLiveWithWritersAtFullSpeed(t *testing.T) {
	var calls, busy atomic.Int64
	w := newLiveWorld(t, sandbox.Config{Hook: func(c sandbox.Call) sandbox.Verdict {
		if c.Phase == sandbox.Before && (c.RPC == idl.NameGetScanner || c.RPC == idl.NameScan) && calls.Add(1)%20 == 0 {
			busy.Add(1)
			return sandbox.Fail(idl.ErrBusy)
		}
		return sandbox.Pass()
	}}, 4)
	stop := make(chan struct{})
	const count = 6
	for id := range count {
		w.writer(id, count, stop, 100*time.Millisecond)
	}
	w.arrived.Go(func() { w.disturb(stop) })
	job, reports, saved := w.job(), 0, map[string]json.RawMessage{}
	job.Limits.RowsPerSecond = 3000 // so that the scans take a second
	job.Still = true
	if once, err := w.live.CompareLive(t.Context(), job); err != nil || once.Differences == 0 {
		t.Errorf("without second looks nothing differs, so this test proves nothing: %+v, %v", once.Verified, err)
	}
	job.Still = false
	job.Report = func(event.MoveProgress) { reports++ }
	job.Save = func(c map[string]json.RawMessage) error {
		for k, v := range c {
			saved[k] = v
		}
		return nil
	}
	out, err := w.live.CompareLive(t.Context(), job)
	close(stop)
	w.arrived.Wait()
	if err != nil || out.Differences != 0 || out.TooMany || len(saved) != 4 || reports == 0 {
		t.Fatalf("%+v, %v, %d units saved, %d reports", out.Verified, err, len(saved), reports)
	}
	t.Logf("%d rows, %d keys open, %d busy answers", out.SourceRows, out.OpenCount, busy.Load())
	again, err := w.live.Recheck(t.Context(), ref(), west(), out.Open)
	if err != nil || again.Differences != 0 {
		t.Errorf("%+v, %v", again.Verified, err)
	}
	// Nothing is compared again, and nothing that was live counts for tables at rest.
	job.Cursors, job.Report, job.Save = saved, nil, nil
	resumed, err := w.live.CompareLive(t.Context(), job)
	if err != nil || resumed.SourceRows != out.SourceRows || resumed.OpenCount != out.OpenCount {
		t.Errorf("resumed: %+v, %v", resumed.Verified, err)
	}
	job.Still, job.Limits.RowsPerSecond = true, 0
	if err := w.write(w.dst, pegasus.Row{Key: rowKey(liveRows), Value: []byte("extra")}); err != nil {
		t.Fatal(err)
	}
	still, err := w.live.CompareLive(t.Context(), job)
	if err != nil || still.Differences != 1 || still.Extra != 1 {
		t.Errorf("at rest: %+v, %v", still.Verified, err)
	}
}

// Differences of every kind are found while clients write, and what default_ttl does is none.
func TestLiveFindsDifferences(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	later := pegkey.ExpireTs(time.Now().Add(time.Hour))
	put := func(s *sandbox.Cluster, partition int32, key, value string, expire uint32) {
		t.Helper()
		row := sandbox.Row{Key: pegkey.Encode(nil, []byte(key), []byte("planted")), Value: []byte(value), Expire: expire}
		if row.Partition = partition; partition < 0 {
			row.Partition = pegkey.Partition(pegkey.HashRaw(row.Key), 4)
		}
		if err := s.PutAt(ref().Table, row); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		n := fmt.Sprint(i)
		put(w.east, -1, "missing"+n, "v", 0)
		put(w.west, -1, "extra"+n, "v", later)
		put(w.east, -1, "value"+n, "v", 0)
		put(w.west, -1, "value"+n, "w", 0)
		put(w.east, -1, "expiry"+n, "v", later)
		put(w.west, -1, "expiry"+n, "v", later+10_000)
		put(w.east, -1, "drift"+n, "v", later)
		put(w.west, -1, "drift"+n, "v", 0)
		put(w.east, -1, ProbePrefix+n, "v", 0)
	}
	lie := (pegkey.Partition(pegkey.Hash([]byte("stray"), nil), 4) + 1) % 4
	put(w.west, lie, "stray", "v", 0)
	for _, s := range []*sandbox.Cluster{w.east, w.west} {
		if err := s.SetEnvs(ref().Table, map[string]string{plan.EnvDefaultTTL: "7200"}); err != nil {
			t.Fatal(err)
		}
		s.SyncEnvs()
	}
	stop := make(chan struct{})
	for id := range 2 {
		w.writer(id, 2, stop, 50*time.Millisecond)
	}
	out, err := w.live.CompareLive(t.Context(), w.job())
	close(stop)
	w.arrived.Wait()
	want := event.Verified{Differences: 41, Missing: 10, Extra: 10, Changed: 10, ExpiryDiffers: 10, Misplaced: 1}
	got := event.Verified{Differences: out.Differences, Missing: out.Missing, Extra: out.Extra, Changed: out.Changed,
		ExpiryDiffers: out.ExpiryDiffers, Misplaced: out.Misplaced}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || out.Drifted < 10 {
		t.Errorf("%+v, %v, %d drifted", out.Verified, err, out.Drifted)
	}
}

// Tables of different partition counts are compared, as clients that write both tables leave them, and what is not ours
// is refused.
func TestLiveRefusals(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 8)
	if out, err := w.live.CompareLive(t.Context(), w.job()); err != nil || out.Differences != 0 || out.SourceRows != liveRows {
		t.Errorf("4 and 8 partitions: %+v, %v", out.Verified, err)
	}
	for _, open := range []string{`{"version":2,"keys":["AA=="]}`, `[]`} {
		if _, err := w.live.Recheck(t.Context(), ref(), west(), json.RawMessage(open)); err == nil {
			t.Errorf("%s was accepted", open)
		}
	}
	if out, err := w.live.Recheck(t.Context(), ref(), west(), nil); err != nil || out.Differences != 0 {
		t.Errorf("nothing open: %+v, %v", out, err)
	}
}
