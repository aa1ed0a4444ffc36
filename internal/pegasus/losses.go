package pegasus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// LossCounts is what one replica server says of mutations of a table that it could not find in its log
// any more when it wanted to ship them (src/replica/duplication/mutation_batch.cpp).
type LossCounts struct {
	// At is the server's clock. Two answers with one At are the same look at its counters.
	At time.Time
	// Kept says that the numbers stay until the next loss (2.6 and later). Otherwise they are those
	// between the last two times that the server took its counters (2.4, 2.5: ten seconds).
	Kept bool
	// Partitions holds those that have lost something.
	Partitions map[int32]float64
}

// The counter of a replica up to 2.5 and later.
const (
	counterLoss = "dup_recent_mutation_loss_count"
	metricLoss  = "dup_recent_lost_mutations"
)

// LossCounts asks a replica server of any version.
func (c *Cluster) LossCounts(ctx context.Context, node string, appID int32) (LossCounts, error) {
	s, err := c.CounterSnapshot(ctx, node, fmt.Sprintf("%s@%d.", counterLoss, appID))
	switch {
	case err == nil:
		return lossesOfCounters(s, appID), nil
	case errors.Is(err, ErrUnknownCommand):
		return c.lossesOfMetrics(ctx, node, appID)
	}
	return LossCounts{}, err
}

func lossesOfCounters(s Counters, appID int32) LossCounts {
	out := LossCounts{At: s.At, Partitions: map[int32]float64{}}
	s.replicas(appID, func(name string, partition int32, value float64) {
		if name == counterLoss && value > 0 {
			out.Partitions[partition] += value
		}
	})
	return out
}

func (c *Cluster) lossesOfMetrics(ctx context.Context, node string, appID int32) (LossCounts, error) {
	m, err := c.Metrics(ctx, node, MetricsQuery{Types: []string{"replica"}, TableID: appID, Metrics: []string{metricLoss}})
	if err != nil {
		return LossCounts{}, err
	}
	out := LossCounts{At: m.At, Kept: true, Partitions: map[int32]float64{}}
	err = m.replicas(node, func(e MetricEntity, partition int32) {
		if v := e.Values[metricLoss]; v > 0 {
			out.Partitions[partition] += v
		}
	})
	if err != nil {
		return LossCounts{}, err
	}
	return out, nil
}

// SamePeriod tells whether two answers of a server that keeps no count are of one period. Its clock
// shows whole seconds, which is enough for periods of ten; for shorter ones the counts themselves tell.
func (l LossCounts) SamePeriod(other LossCounts) bool {
	return l.At.Equal(other.At) && maps.Equal(l.Partitions, other.Partitions)
}

// Sum is that of all partitions.
func (l LossCounts) Sum() (n float64) {
	for _, v := range l.Partitions {
		n += v
	}
	return n
}
