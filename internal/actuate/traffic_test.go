package actuate

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/wire"
	"github.com/pegmigrate/pegmigrate/plan"
)

// counted is what a server answered at a second of its clock.
func counted(rates bool, second int64, partitions map[int32]pegasus.PartitionTraffic, failures ...float64) pegasus.TrafficCounts {
	failures = append(failures, 0, 0, 0)
	return pegasus.TrafficCounts{Rates: rates, At: time.Unix(second, 0), Partitions: partitions,
		ReadFailures: failures[0], WriteFailures: failures[1], Rejected: failures[2], TellsRejected: true}
}

// sampler feeds answers into the sums as Traffic does.
type sampler struct {
	t    *testing.T
	last trafficRead
}

func (s *sampler) sample(primary []string, nodes map[string]pegasus.TrafficCounts) (apply.TrafficSample, error) {
	s.t.Helper()
	now := trafficRead{at: time.Unix(1, 0), primary: primary, nodes: nodes, failures: map[string]failureCounts{}}
	for node, n := range nodes {
		now.failures[node] = s.last.sum(node, n)
	}
	if now.reported = s.last.reported; now.reported == nil {
		now.reported = now.failures
	}
	out, err := sampleOf(s.last, now)
	if err == nil {
		now.reported = now.failures
	}
	s.last = now
	return out, err
}

type partitions = map[int32]pegasus.PartitionTraffic

type answers = map[string]pegasus.TrafficCounts

func TestTrafficOfOlderServers(t *testing.T) {
	s := sampler{t: t}
	both := partitions{0: {Reads: 10, Writes: 5}, 1: {Reads: 100, Writes: 7}}
	// Secondaries count writes too: each partition is taken from its primary's server.
	first, err := s.sample([]string{"a", "b"}, answers{"a": counted(true, 10, both, 50, 60, 70), "b": counted(true, 10, both)})
	if err != nil || first.ReadQPS != 110 || first.WriteQPS != 12 || first.ReadFailures != 0 || first.WriteFailures != 0 || first.RejectedNonIdempotent != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, _ := s.sample([]string{"a", "b"}, answers{"a": counted(true, 10, both, 50, 60, 70), "b": counted(true, 10, both)})
	if again.ReadFailures+again.WriteFailures+again.RejectedNonIdempotent != 0 {
		t.Errorf("one period was counted twice: %+v", again)
	}
	next, _ := s.sample([]string{"a", "b"}, answers{"a": counted(true, 20, both, 1, 2, 3), "b": counted(true, 19, both, 4, 0, 0)})
	if next.ReadFailures != 5 || next.WriteFailures != 2 || next.RejectedNonIdempotent != 3 {
		t.Errorf("%+v", next)
	}
	same, _ := s.sample([]string{"a", "b"}, answers{"a": counted(true, 30, both, 1, 2, 3), "b": counted(true, 29, both)})
	if same.ReadFailures != 1 || same.WriteFailures != 2 || same.RejectedNonIdempotent != 3 {
		t.Errorf("equal counts of another period are not counted: %+v", same)
	}
	// No partition may be missing: silence would look like peace.
	if out, err := s.sample([]string{"a", "b"}, answers{"a": counted(true, 40, partitions{0: {}}), "b": counted(true, 40, partitions{0: {}})}); err == nil {
		t.Errorf("%+v", out)
	}
	if out, err := s.sample([]string{"a", ""}, answers{"a": counted(true, 50, both)}); err != nil || out.ReadQPS != 10 {
		t.Errorf("a partition without a primary: %+v, %v", out, err)
	}
}

func TestTrafficOfLaterServers(t *testing.T) {
	s := sampler{t: t}
	if out, err := s.sample([]string{"a", "b"}, answers{"a": counted(false, 10, partitions{0: {Reads: 100}, 1: {Writes: 40}}, 7),
		"b": counted(false, 10, partitions{0: {Writes: 10}, 1: {Reads: 1000, Writes: 50}})}); err == nil {
		t.Fatalf("a rate out of one look: %+v", out)
	}
	out, err := s.sample([]string{"a", "b"}, answers{"a": counted(false, 12, partitions{0: {Reads: 120}, 1: {Writes: 44}}, 9, 1),
		"b": counted(false, 12, partitions{0: {Writes: 14}, 1: {Reads: 1100, Writes: 54}})})
	if err != nil || out.ReadQPS != 10+50 || out.WriteQPS != 2 || out.ReadFailures != 2 || out.WriteFailures != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	// Partition 1 moves: its new primary was counted as a secondary before.
	out, err = s.sample([]string{"a", "a"}, answers{"a": counted(false, 14, partitions{0: {Reads: 120}, 1: {Reads: 8, Writes: 50}}, 9, 1)})
	if err != nil || out.ReadQPS != 4 || out.WriteQPS != 3 || out.ReadFailures != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	// A server that was started again, and one that was never asked.
	out, err = s.sample([]string{"a", "a"}, answers{"a": counted(false, 16, partitions{0: {Reads: 6}, 1: {}}, 3)})
	if err != nil || out.ReadQPS != 3 || out.ReadFailures != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := s.sample([]string{"a", "c"}, answers{"a": counted(false, 18, partitions{0: {}}, 5), "c": counted(false, 18, partitions{1: {}})}); err == nil {
		t.Fatalf("%+v", out)
	}
	// What failed before a sample that could not be given out is in the next one.
	out, err = s.sample([]string{"a", "c"}, answers{"a": counted(false, 20, partitions{0: {}}, 6), "c": counted(false, 20, partitions{1: {}})})
	if err != nil || out.ReadFailures != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestTrafficOfClients(t *testing.T) {
	w := newDupWorld(t, nil)
	w.ship()
	tr := NewTraffic(w.clusters, time.Now)
	n := 0
	until(t, "the writes are counted", func() bool {
		w.put(n, n+50)
		n += 50
		s, err := tr.Traffic(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		return s.WriteQPS > 1 && s.ReadQPS == 0
	})
	// They arrive on the target, and no client wrote there.
	w.within(w.shipped)
	for range 20 {
		s, err := tr.Traffic(t.Context(), west())
		if err != nil || s.WriteQPS != 0 || s.ReadQPS != 0 || s.ReadFailures != 0 || s.WriteFailures != 0 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	table, err := w.clusters.open(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the reads are counted", func() bool {
		for i := range 50 {
			if _, _, err := table.Get(t.Context(), rowKey(i)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := tr.Traffic(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		return s.ReadQPS > 1
	})
	if _, err := tr.Traffic(t.Context(), plan.TableRef{Cluster: "east", Table: "none"}); err == nil {
		t.Error("a table that is not there has traffic")
	}
}

func TestFailuresOfAFence(t *testing.T) {
	w := newDupWorld(t, nil)
	if err := w.east.SetEnvs(ref().Table, map[string]string{plan.EnvDeny: plan.FenceMode}); err != nil {
		t.Fatal(err)
	}
	tr := NewTraffic(w.clusters, time.Now)
	fences := NewFences(w.clusters)
	until(t, "the fence rejects and the failures are counted", func() bool {
		if _, err := fences.Probe(t.Context(), ref(), []int32{0, 1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		s, err := tr.Traffic(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		return s.WriteFailures > 0 && s.RejectedNonIdempotent == 0
	})
}

// TestRejectedWrites: a duplicated table refuses what cannot be shipped, and its servers count it.
func TestRejectedWrites(t *testing.T) {
	w := newDupWorld(t, nil)
	if n, err := w.dups.Rejected(t.Context(), ref()); err != nil || n > 0 {
		t.Fatal(n, err)
	}
	w.ship()
	tr := NewTraffic(w.clusters, time.Now)
	conn := wire.NewReplicaConn(w.east.Primary(ref().Table, 0), wire.Options{})
	defer conn.Close()
	id := w.clusters.tables[ref()]
	if id == nil {
		w.put(0, 1)
		id = w.clusters.tables[ref()]
	}
	inTraffic := 0.0
	until(t, "the refused increments are counted", func() bool {
		h := idl.RequestHeader{Gpid: idl.Gpid{AppID: id.ID()}, TimeoutMs: 1000}
		err := conn.Call(t.Context(), h, idl.NameIncr, &idl.IncrRequest{Key: rowKey(0), Increment: 1}, &idl.IncrResponse{})
		if err == nil {
			t.Fatal("an increment of a duplicated table was accepted")
		}
		s, err := tr.Traffic(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		inTraffic += s.RejectedNonIdempotent
		n, err := w.dups.Rejected(t.Context(), ref())
		if err != nil {
			t.Fatal(err)
		}
		return n > 1 && inTraffic > 1
	})
}
