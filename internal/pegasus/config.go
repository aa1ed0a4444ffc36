package pegasus

import (
	"context"
	"net"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Defaults and limits of the client.
const (
	defaultRPCTimeout     = 5 * time.Second
	defaultClusterTimeout = 10 * time.Second
	// defaultOpTimeout bounds reads and writes whose caller names no deadline: longer
	// than a fail-over (the meta's worker_lease_seconds is 20), so that a row is not
	// given up while a primary is being replaced.
	defaultOpTimeout = 60 * time.Second
	// slowestAttempt is how long one attempt at a row may take after shorter ones have got no reply: RocksDB stalls
	// writes for as long as it compacts, inside the replication thread, and says nothing meanwhile.
	slowestAttempt = 30 * time.Second
	// hedgeAfter is how long the leader may be silent before the other metas are asked
	// who leads (go-client, meta_call.go, uses the same).
	hedgeAfter = time.Second
	// roundTimeout bounds one round of asking all metas.
	roundTimeout = 2 * time.Second
	// minPause and maxPause bound the back-off between repetitions of a request.
	minPause = 10 * time.Millisecond
	maxPause = time.Second
	// minRefresh and maxRefresh bound the time between two requests for the partition
	// configuration of one table; it doubles while the answers bring nothing new.
	minRefresh = 20 * time.Millisecond
	maxRefresh = time.Second
)

// Config says how to reach a cluster.
type Config struct {
	// Name is what errors call the cluster. It need not be the name that the cluster
	// reports; routing never depends on it.
	Name string
	// MetaServers are "host:port" addresses. Host names are resolved, to several
	// addresses if they have them.
	MetaServers []string
	// RPCTimeout is how long one server may take to answer one request (default 5 s).
	RPCTimeout time.Duration
	// ClusterTimeout bounds one meta operation including the search for the leader
	// (default 10 s).
	ClusterTimeout time.Duration
	// Wire tunes the connections. Its Dial is used for HTTP as well.
	Wire wire.Options
	// LookupHost resolves host names (default net.DefaultResolver.LookupHost).
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.RPCTimeout <= 0 {
		c.RPCTimeout = defaultRPCTimeout
	}
	if c.ClusterTimeout <= 0 {
		c.ClusterTimeout = defaultClusterTimeout
	}
	if c.LookupHost == nil {
		c.LookupHost = net.DefaultResolver.LookupHost
	}
	return c
}
