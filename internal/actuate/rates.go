package actuate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Rates implements apply.Rates.
type Rates struct {
	clusters *Clusters

	mu    sync.Mutex
	moved map[string]*movedBytes // by cluster and use
}

var _ apply.Rates = (*Rates)(nil)

// NewRates reads and changes the flags that limit transfers.
func NewRates(c *Clusters) *Rates { return &Rates{clusters: c, moved: map[string]*movedBytes{}} }

// Rates implements apply.Rates.
func (r *Rates) Rates(ctx context.Context, cluster, flag string) ([]apply.FlagValue, error) {
	return onNodes(ctx, r.clusters, cluster, func(ctx context.Context, c *pegasus.Cluster, node string) (apply.FlagValue, error) {
		value, err := c.ConfigValue(ctx, node, flag)
		return apply.FlagValue{Server: node, Value: value}, refusedFlag(err)
	})
}

// refusedFlag marks what a server answers again: it has no such flag, or does not take the value.
func refusedFlag(err error) error {
	if errors.Is(err, pegasus.ErrNoSuchFlag) || errors.Is(err, pegasus.ErrFlagRefused) {
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	return err
}

// SetRate implements apply.Rates.
func (r *Rates) SetRate(ctx context.Context, cluster, server, flag, value string) error {
	c, err := r.clusters.cluster(cluster)
	if err != nil {
		return err
	}
	if err := c.SetFlag(ctx, server, flag, value); err != nil {
		return refusedFlag(err)
	}
	got, err := c.ConfigValue(ctx, server, flag)
	if err != nil {
		return err
	}
	if got != value {
		return fmt.Errorf("%w: %s took %s = %s and has %s", apply.ErrRefused, server, flag, value, got)
	}
	return nil
}

// Transferred implements apply.Rates. Up to 2.5 servers count the bytes of their last period only: what
// is told is the sum of the periods that were looked at, which is a lower bound. The downloads of a
// restore are counted by none.
func (r *Rates) Transferred(ctx context.Context, cluster, use string) (int64, error) {
	looks, err := onNodes(ctx, r.clusters, cluster, func(ctx context.Context, c *pegasus.Cluster, node string) (nodeMoved, error) {
		m, err := moved(ctx, c, node, use)
		m.node = node
		return m, err
	})
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := cluster + "\x00" + use
	if r.moved[key] == nil {
		r.moved[key] = &movedBytes{last: map[string]nodeMoved{}}
	}
	return r.moved[key].add(looks), nil
}

// movedBytes adds up what servers tell of single periods.
type movedBytes struct {
	sum  int64
	last map[string]nodeMoved // by server
}

// nodeMoved is what one server tells.
type nodeMoved struct {
	node  string
	bytes int64
	at    time.Time
	total bool // since the server started, otherwise of its last period
	told  bool
}

func (m *movedBytes) add(looks []nodeMoved) int64 {
	var total int64
	for _, l := range looks {
		switch {
		case !l.told:
			return -1
		case l.total:
			total += l.bytes
		case m.last[l.node].at.Equal(l.at) && m.last[l.node].bytes == l.bytes: // the same look of the server at itself
		default: // its clock counts seconds
			m.sum += l.bytes
			m.last[l.node] = l
		}
	}
	return total + m.sum
}

// transferCounters name what counts the bytes of a use: a perf counter up to 2.5 and a metric of an
// entity later (src/replica/replica_stub.cpp, src/replica/bulk_load, src/nfs/nfs_server_impl.cpp).
func transferCounters(use string) (counter, metric, entity string) {
	switch use {
	case plan.UseUpload:
		return "cold.backup.recent.upload.file.size", "backup_file_upload_total_bytes", "replica"
	case plan.UseDownload:
		return "bulk.load.download.file.size", "bulk_load_download_file_bytes", "replica"
	case plan.UseCheckpoint:
		// The clients of NFS count what they fetch under the same name (src/nfs/nfs_client_impl.cpp).
		return "eon.nfs_server*recent_copy_data_size", "nfs_server_copy_bytes", "server"
	}
	return "", "", ""
}

func moved(ctx context.Context, c *pegasus.Cluster, node, use string) (nodeMoved, error) {
	counter, metric, entity := transferCounters(use)
	if counter == "" {
		return nodeMoved{}, fmt.Errorf("%w: %q is no use of a rate", apply.ErrRefused, use)
	}
	s, err := c.CounterSnapshot(ctx, node, counter)
	if err == nil {
		bytes, told := s.Short(counter)
		return nodeMoved{bytes: int64(bytes), at: s.At, told: told}, nil
	}
	if !errors.Is(err, pegasus.ErrUnknownCommand) {
		return nodeMoved{}, err
	}
	m, err := c.Metrics(ctx, node, pegasus.MetricsQuery{Types: []string{entity}, Metrics: []string{metric}})
	if err != nil {
		return nodeMoved{}, err
	}
	out := nodeMoved{at: m.At, total: true}
	for _, e := range m.Entities {
		if v, ok := e.Values[metric]; ok {
			out.bytes += int64(v)
			out.told = true
		}
	}
	return out, nil
}
