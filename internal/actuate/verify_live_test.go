package actuate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/difference"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	// envRounds is how often the tests of live comparisons compare, plant, find and repair; `make verify-live` sets it.
	envRounds = "PEGMIGRATE_VERIFY_ROUNDS"
	// servedRows are written to all the time, restingRows behind them are not.
	servedRows, restingRows = 4000, 2000
	// servedRate is what the writers are to reach, over all of them. How much of it a loaded machine gives is told.
	servedRate, servedWriters = 5000, 16
	// servedFactor is sandbox.Config.TimeFactor.
	servedFactor = 60
)

// served is a table on two clusters with clients that do not stop.
type served struct {
	t        *testing.T
	east     *sandbox.Cluster
	west     *sandbox.Cluster
	src, dst *pegasus.Table
	live     *Live
	// write is one write of a client, a nil value a delete.
	write  func(row pegasus.Row) error
	ops    atomic.Int64
	stop   chan struct{}
	begun  time.Time
	work   sync.WaitGroup
	failed atomic.Pointer[error]
}

// newServed starts two clusters whose times are those of real ones divided by servedFactor: more would make the machine's own
// pauses look like those of servers.
func newServed(t *testing.T) *served {
	t.Helper()
	s := &served{t: t, stop: make(chan struct{})}
	open := map[string]*pegasus.Cluster{}
	for name, at := range map[string]**sandbox.Cluster{"east": &s.east, "west": &s.west} {
		c, err := sandbox.Start(t.Context(), sandbox.Config{Name: name, TimeFactor: servedFactor, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		*at = c
		client, err := pegasus.Open(t.Context(), pegasus.Config{Name: name, MetaServers: c.MetaServers()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		open[name] = client
	}
	if err := sandbox.Link(s.east, s.west); err != nil {
		t.Fatal(err)
	}
	s.create(s.east)
	if err := s.east.Load(ref().Table, loaded()); err != nil {
		t.Fatal(err)
	}
	s.live = NewLive(NewClusters(open), time.Now)
	return s
}

func (s *served) create(c *sandbox.Cluster) {
	s.t.Helper()
	if _, err := c.CreateTable(sandbox.TableSpec{Name: ref().Table, Partitions: dupPartitions}); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), testTimeout)
	defer cancel()
	if err := c.WaitHealthy(ctx, ref().Table); err != nil {
		s.t.Fatal(err)
	}
}

func loaded() func(yield func(sandbox.Row) bool) {
	return func(yield func(sandbox.Row) bool) {
		for i := range servedRows + restingRows {
			if !yield(sandbox.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "loaded %d", i)}) {
				return
			}
		}
	}
}

func (s *served) tables() {
	s.t.Helper()
	for at, where := range map[**pegasus.Table]plan.TableRef{&s.src: ref(), &s.dst: west()} {
		table, err := s.live.engine.clusters.open(s.t.Context(), where)
		if err != nil {
			s.t.Fatal(err)
		}
		*at = table
	}
}

// put is one write to one table.
func put(table *pegasus.Table, row pegasus.Row) error {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if row.Value == nil {
		return table.Remove(ctx, row.Key)
	}
	return putAndWait(ctx, table, row, time.Now().Add(testTimeout))
}

// serve begins to write, until the test ends.
func (s *served) serve() {
	s.begun = time.Now()
	for id := range servedWriters {
		s.work.Go(func() { s.client(id) })
	}
	s.t.Cleanup(func() {
		close(s.stop)
		s.work.Wait()
		if err := s.failed.Load(); err != nil {
			s.t.Errorf("a client failed: %v", *err)
		}
		s.t.Logf("clients wrote %.0f times a second", float64(s.ops.Load())/time.Since(s.begun).Seconds())
	})
}

// client writes keys of its own: values, values with an expiry, and deletes; some keys much more often than others.
func (s *served) client(id int) {
	random := rand.New(rand.NewPCG(uint64(id), 7))
	tick := time.NewTicker(servedWriters * time.Second / servedRate)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		i := id + servedWriters*random.IntN(servedRows/servedWriters)
		if random.IntN(4) == 0 {
			i = id
		}
		row := pegasus.Row{Key: rowKey(i), Value: fmt.Appendf(nil, "written %d", n)}
		switch random.IntN(6) {
		case 0:
			row.Value = nil
		case 1:
			row.Expire = pegkey.ExpireTs(time.Now()) + uint32(random.IntN(20))
		}
		if err := s.write(row); err != nil {
			s.failed.CompareAndSwap(nil, &err)
			return
		}
		s.ops.Add(1)
	}
}

// plant makes the target differ in 20 rows that no client writes, five of each kind, and says which.
func (s *served) plant(round int) map[string]string {
	s.t.Helper()
	planted := map[string]string{}
	random := rand.New(rand.NewPCG(uint64(round), 11))
	for n, i := range random.Perm(restingRows)[:20] {
		row := pegasus.Row{Key: rowKey(servedRows + i), Value: fmt.Appendf(nil, "planted %d", round)}
		kind := []string{difference.Missing, difference.Extra, difference.Changed, difference.Expiry}[n%4]
		var err error
		switch kind {
		case difference.Missing:
			row.Value = nil
		case difference.Extra:
			row.Key = pegkey.Encode(nil, fmt.Appendf(nil, "extra %d", round), fmt.Append(nil, i))
		case difference.Expiry:
			var here pegasus.Row
			if here, _, err = s.dst.Row(s.t.Context(), row.Key); err == nil {
				row.Value, row.Expire = here.Value, pegkey.ExpireTs(time.Now().Add(time.Duration(1+round)*time.Hour))
			}
		}
		if err == nil {
			err = put(s.dst, row)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		planted[string(row.Key)] = kind
	}
	return planted
}

// compare gives what differs, by key.
func (s *served) compare(job Comparison) (map[string]string, []difference.Entry) {
	s.t.Helper()
	var list []difference.Entry
	job.Each = func(e difference.Entry) error { list = append(list, e); return nil }
	out, err := s.live.Compare(s.t.Context(), job)
	if err != nil {
		s.t.Fatal(err)
	}
	if uint64(len(list)) != out.Differences || out.Cut {
		s.t.Fatalf("%d differences told, outcome %+v", len(list), out)
	}
	found := map[string]string{}
	for _, e := range list {
		found[string(e.Key)] = e.Kind
		if job.Patience > 0 && e.Age < job.Patience {
			s.t.Errorf("%s is told after %s, before %s have passed", e.HashKey, e.Age, job.Patience)
		}
	}
	return found, list
}

// rounds compares, plants, finds and repairs while clients write.
func (s *served) rounds(patience func() time.Duration, skew time.Duration) {
	s.t.Helper()
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv(envRounds)); err == nil && n > 0 {
		rounds = n
	}
	for round := range rounds {
		job := Comparison{Source: ref(), Target: west(), Patience: patience(), ExpirySkew: skew}
		if found, _ := s.compare(job); len(found) > 0 {
			s.t.Fatalf("round %d: %d differences that are none: %v", round, len(found), found)
		}
		planted := s.plant(round)
		found, list := s.compare(job)
		if !maps.Equal(found, planted) {
			s.t.Fatalf("round %d: %d differences were planted and %d found: %q, %q", round, len(planted), len(found), planted, found)
		}
		out, err := s.live.Repair(s.t.Context(), Repair{Source: ref(), Target: west(), Patience: job.Patience, ExpirySkew: skew, Deletes: true,
			Count: uint64(len(list)), Keys: entries(list)})
		if err != nil || out.Written != 15 || out.Deleted != 5 || out.Left != 0 {
			s.t.Fatalf("round %d: repaired %+v, %v", round, out, err)
		}
		if found, _ := s.compare(job); len(found) > 0 {
			s.t.Fatalf("round %d: %d rows differ after the repair: %v", round, len(found), found)
		}
	}
}

// entries gives a list as a repair reads it.
func entries(list []difference.Entry) func(yield func(difference.Entry, error) bool) {
	return func(yield func(difference.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestVerifyATableThatIsDuplicated(t *testing.T) {
	s := newServed(t)
	dups := NewDuplications(s.live.engine.clusters)
	id, err := dups.AddDuplication(t.Context(), toWest())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if err := s.east.WaitDuplication(ctx, ref().Table, "west", idl.DupLog); err != nil {
		t.Fatal(err)
	}
	s.tables()
	s.write = func(row pegasus.Row) error { return put(s.src, row) }
	s.serve()
	s.rounds(func() time.Duration {
		shipping, err := s.live.Shipping(t.Context(), ref(), id, 10*time.Second/servedFactor)
		if err != nil || shipping.Held != "" || shipping.Patience <= 0 {
			t.Fatalf("%+v, %v", shipping, err)
		}
		t.Logf("a write needs %s at most, %d mutations wait", shipping.Patience, shipping.Behind)
		return shipping.Patience
	}, 0)
}

func TestVerifyATableThatClientsWriteTwice(t *testing.T) {
	s := newServed(t)
	s.create(s.west)
	if err := s.west.Load(ref().Table, loaded()); err != nil {
		t.Fatal(err)
	}
	s.tables()
	s.write = func(row pegasus.Row) error { return errors.Join(put(s.src, row), put(s.dst, row)) }
	s.serve()
	s.rounds(func() time.Duration { return 3 * time.Second }, 5*time.Second)
}

// A held duplication ships nothing, and is told.
func TestShippingOfAHeldDuplication(t *testing.T) {
	w := newDupWorld(t, nil)
	id := w.ship()
	if err := w.dups.HoldDuplication(t.Context(), ref(), id, true); err != nil {
		t.Fatal(err)
	}
	live := NewLive(w.clusters, time.Now)
	deadline := time.Now().Add(testTimeout)
	for {
		s, err := live.Shipping(t.Context(), ref(), id, time.Second)
		if err == nil && s.Held != "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", s, err)
		}
		time.Sleep(10 * time.Millisecond) // of a poll with a deadline
	}
}

// What waits is reckoned by the rate of the slowest partition.
func TestBacklog(t *testing.T) {
	at := func(committed, shipped int64) apply.Lag { return apply.Lag{Committed: committed, Shipped: shipped} }
	for _, test := range []struct {
		first, second []apply.Lag
		want          time.Duration
	}{
		{[]apply.Lag{at(10, 9)}, []apply.Lag{at(10, 9)}, 0},
		{[]apply.Lag{at(1000, 0)}, []apply.Lag{at(1001, 100)}, 9 * time.Second},
		{[]apply.Lag{at(1000, 0), at(101, 0)}, []apply.Lag{at(1001, 500), at(101, 10)}, 9 * time.Second},
		{[]apply.Lag{at(1_000_000, 5)}, []apply.Lag{at(1_000_000, 5)}, maxBacklog},
		{[]apply.Lag{at(1000, -1)}, []apply.Lag{at(1000, 0)}, 0},
	} {
		if got := backlog(test.first, test.second); got != test.want {
			t.Errorf("%v, %v: %s, want %s", test.first, test.second, got, test.want)
		}
	}
}

// An interrupted comparison goes on with what was equal; a unit in which something differed is compared again, because
// the report that it was told to is not kept.
func TestCompareGoesOn(t *testing.T) {
	w := newLiveWorld(t, sandbox.Config{}, 4)
	extra := pegkey.Encode(nil, []byte("extra"), nil)
	if err := w.write(w.dst, pegasus.Row{Key: extra, Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	var kept []byte
	told := 0
	job := Comparison{Source: ref(), Target: west(), Each: func(difference.Entry) error { told++; return nil },
		Save: func(data json.RawMessage) error { kept = slices.Clone(data); return nil }}
	first, err := w.live.Compare(t.Context(), job)
	if err != nil || first.Differences != 1 || len(kept) == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	job.Before = kept
	again, err := w.live.Compare(t.Context(), job)
	if err != nil || again.Differences != 1 || again.SourceRows != first.SourceRows || told != 2 {
		t.Errorf("%+v, %v, told %d times", again, err, told)
	}
	job.Patience = time.Second // another sort of comparison: nothing of it counts
	if live, err := w.live.Compare(t.Context(), job); err != nil || live.Differences != 1 {
		t.Errorf("%+v, %v", live, err)
	}
	stop := errors.New("stop")
	job.Each = func(difference.Entry) error { return stop }
	if _, err := w.live.Compare(t.Context(), job); !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
	for _, bad := range []string{"1", `{"version":2}`} {
		job.Before = []byte(bad)
		if _, err := w.live.Compare(t.Context(), job); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
