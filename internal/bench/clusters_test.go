package bench

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// throttleFull makes the tests of throttling take minutes and look at rates from below, too: on a
// machine that does something else, a rate that is not reached says nothing.
var throttleFull = flag.Bool("throttle-full", false, "TestThrottle… in full: minutes, on a quiet machine")

// together lets short tests, which wait most of the time, run at the same time.
func together(t *testing.T) {
	if !*throttleFull {
		t.Parallel()
	}
}

// clusterPair are two clusters of this process with a table t each.
type clusterPair struct {
	source, target *sandbox.Cluster
	src, dst       *pegasus.Table
}

// clusters starts two clusters with one replica server each, so that a limit per server is one of
// the cluster. The source's table has rows of 100 bytes under one hash key each.
func clusters(t *testing.T, rows int64, limit sandbox.Fault) clusterPair {
	t.Helper()
	var p clusterPair
	p.source, p.src = cluster(t, "a", sandbox.LoadSpec{Rows: rows, ValueSize: 100}, sandbox.Fault{})
	p.target, p.dst = cluster(t, "b", sandbox.LoadSpec{}, limit)
	return p
}

func cluster(t *testing.T, name string, spec sandbox.LoadSpec, limit sandbox.Fault) (*sandbox.Cluster, *pegasus.Table) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := sandbox.Start(ctx, sandbox.Config{Name: name, Replicas: 1, TimeFactor: 100, Seed: 1, Capacity: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.CreateTable(sandbox.TableSpec{Name: "t", Partitions: 8, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitHealthy(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if err := c.Fill("t", spec); err != nil {
		t.Fatal(err)
	}
	client, err := pegasus.Open(ctx, pegasus.Config{Name: name, MetaServers: c.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	table, err := client.OpenTable(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	return c, table
}

// sample is what a server had done at a moment.
type sample struct {
	at            time.Duration // since the beginning
	done, refused uint64
}

// watch samples what count gives until stop is called, which gives the samples.
func watch(count func() (done, refused uint64)) (stop func() []sample) {
	var list []sample
	began, quit := time.Now(), make(chan struct{})
	var wg sync.WaitGroup
	take := func() {
		done, refused := count()
		list = append(list, sample{time.Since(began), done, refused})
	}
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			take()
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	})
	return sync.OnceValue(func() []sample {
		close(quit)
		wg.Wait()
		take()
		return list
	})
}

// between gives the samples next to two moments.
func between(list []sample, from, to time.Duration) (first, last sample) {
	for _, s := range list {
		if s.at <= from || first.at == 0 {
			first = s
		}
		if s.at <= to {
			last = s
		}
	}
	return first, last
}

// rate is what was done per second from one sample to a later one.
func rate(first, last sample) float64 {
	return float64(last.done-first.done) / (last.at - first.at).Seconds()
}
