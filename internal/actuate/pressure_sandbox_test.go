package actuate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Servers of every version tell how hard they work, each in its own way.
func TestReadingOfEveryVersion(t *testing.T) {
	for _, version := range sandbox.Versions() {
		t.Run(version, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := sandbox.Start(ctx, sandbox.Config{Name: "a", Version: version, Metas: 1, TimeFactor: 1000, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}()
			if _, err := c.CreateTable(sandbox.TableSpec{Name: "t", Partitions: 4}); err != nil {
				t.Fatal(err)
			}
			if err := c.WaitHealthy(ctx, "t"); err != nil {
				t.Fatal(err)
			}
			latency, disk := "get_latency", "disk.available.min.ratio"
			value := 10.0
			if strings.HasPrefix(version, "2.6") {
				latency, disk, value = "get_latency_ns", "disk_capacity_avail_mb", 1
			}
			for counter, v := range map[string]float64{latency: 80e6, disk: value} {
				if _, err := c.Inject(sandbox.Fault{Kind: sandbox.FaultReport, Counter: counter, Value: v}); err != nil {
					t.Fatal(err)
				}
			}
			client, err := pegasus.Open(ctx, pegasus.Config{Name: "a", MetaServers: c.MetaServers()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			s := newStrained(NewClusters(map[string]*pegasus.Cluster{"a": client}), "source", plan.TableRef{Cluster: "a", Table: "t"})
			got := s.read(ctx)
			if got.silent != "" || len(got.servers) != len(c.ReplicaServers()) {
				t.Fatalf("%+v", got)
			}
			partitions := map[int32]bool{}
			for _, one := range got.servers {
				for key, l := range one.now.Latencies {
					if key.Operation == "get" {
						partitions[key.Partition] = true
						if l.P99 != 80*time.Millisecond {
							t.Errorf("%+v: %+v", key, l)
						}
					}
				}
			}
			if len(partitions) != 4 {
				t.Errorf("gets of partitions %v", partitions)
			}
			if m := got.disk(0.15); !m.over {
				t.Errorf("%+v", m)
			}
			if m := got.latency("source", 50*time.Millisecond); !m.known || m.over {
				t.Errorf("nobody asks, so percentiles are old: %+v", m)
			}
			if m := got.compaction(1); !m.never {
				t.Errorf("%+v", m)
			}
		})
	}
}
