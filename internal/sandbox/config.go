package sandbox

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// Defaults and bounds of Config.
const (
	defaultTimeFactor = 100
	maxServers        = 64 // of one kind; a sandbox shares one process
)

// Config says what cluster to start. The zero value of a field means its default.
type Config struct {
	// Name is what the cluster calls itself in RPC_CM_CLUSTER_INFO
	// ([replication] cluster_name). Default "sandbox".
	Name string
	// Version is the release to behave as, one of Versions. Default: Version250.
	Version string
	// Metas is the number of meta servers, 1 to 64. Default 1.
	Metas int
	// Replicas is the number of replica servers, 1 to 64. Default 3.
	Replicas int
	// TimeFactor divides every interval of Timing, at least 1. Default 100.
	TimeFactor float64
	// Clock is where time comes from. Default: the machine's.
	Clock Clock
	// Hook is asked about every call, see Hook. Default: none.
	Hook Hook
	// Listen is the host that all servers listen on, an IPv4 address.
	// Default 127.0.0.1.
	Listen string
	// Seed makes phases, placements and scan context ids repeatable.
	Seed uint64
	// RemoteClusters are the names that duplications may go to: with the cluster's own
	// they are [duplication-group], numbered in their order. Link sets it too.
	RemoteClusters []string
	// ClusterIDs is [duplication-group] as it is, instead of RemoteClusters and of what
	// Link would set; the cluster's own name must be in it if it is to have an id. Ids
	// are 1 to 127 and must differ: servers refuse to start otherwise.
	ClusterIDs map[string]int
	// ClusterMetas are lines of [pegasus.clusters] besides the cluster's own: addresses
	// of the metas of others. Link adds those that are missing.
	ClusterMetas map[string][]string
	// ShipRate bounds how many mutations per second each partition ships to another
	// cluster, unscaled; 0 means no bound. Real servers have none.
	ShipRate float64
	// LateCommit, when its Delay is set, is injected as FaultLateCommit from the start:
	// only its Delay, Share and Times are used.
	LateCommit Fault
	// Capacity, when its Rows or Bytes are set, is injected as FaultCapacity from the start:
	// only these, its RPC, Delay and Code are used.
	Capacity Fault
	// DuplicationDisabled is [replication] duplication_enabled = false: metas have no
	// duplication service, its RPCs answer ERR_SERVICE_NOT_ACTIVE.
	DuplicationDisabled bool
	// BlockServices are the sections [block_service.NAME] of all servers, each of type
	// local_service with the given folder, which is made when absent. Clusters share one by
	// naming the same folder.
	BlockServices map[string]string
	// HDFSServices are sections of type hdfs_service. Each stands for an HDFS whose root path is the given
	// folder, in which files lie as those of a local_service; its limits of rates are in force, not scaled.
	// Names must differ from those of BlockServices.
	HDFSServices map[string]string
	// BackupDisabled is [meta_server] cold_backup_disabled = true: the RPCs about backups
	// answer ERR_SERVICE_NOT_ACTIVE.
	BackupDisabled bool
	// ClockSkew is how far the clocks of the cluster's servers are ahead, where rows
	// are concerned: expiry, default TTL, TTL answers. Negative means behind.
	ClockSkew time.Duration
	// ZooKeeper is what RPC_CM_CLUSTER_INFO reports as zookeeper_hosts. The sandbox
	// itself never connects to it.
	ZooKeeper string
}

// withDefaults fills what was left out and refuses what cannot be served.
func (cfg Config) withDefaults() (Config, error) {
	cfg.Name = orDefault(cfg.Name, "sandbox")
	cfg.Version = orDefault(cfg.Version, Version250)
	cfg.Metas = orDefault(cfg.Metas, 1)
	cfg.Replicas = orDefault(cfg.Replicas, 3)
	cfg.TimeFactor = orDefault(cfg.TimeFactor, defaultTimeFactor)
	cfg.Listen = orDefault(cfg.Listen, "127.0.0.1")
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if _, err := releaseOf(cfg.Version); err != nil {
		return cfg, err
	}
	switch {
	case cfg.Metas < 1 || cfg.Metas > maxServers:
		return cfg, fmt.Errorf("sandbox: %d metas, must be 1 to %d", cfg.Metas, maxServers)
	case cfg.Replicas < 1 || cfg.Replicas > maxServers:
		return cfg, fmt.Errorf("sandbox: %d replica servers, must be 1 to %d", cfg.Replicas, maxServers)
	case !(cfg.TimeFactor >= 1) || cfg.TimeFactor > 1e6:
		return cfg, fmt.Errorf("sandbox: time factor %v, must be 1 to 1000000", cfg.TimeFactor)
	case strings.TrimSpace(cfg.Name) != cfg.Name:
		return cfg, fmt.Errorf("sandbox: cluster name %q has outer white space", cfg.Name)
	case !(cfg.ShipRate >= 0):
		return cfg, fmt.Errorf("sandbox: ship rate %v is negative", cfg.ShipRate)
	}
	for name := range cfg.HDFSServices {
		if _, twice := cfg.BlockServices[name]; twice {
			return cfg, fmt.Errorf("sandbox: block service %q is of two types", name)
		}
	}
	for name, dir := range merged(cfg.BlockServices, cfg.HDFSServices) {
		if name == "" || strings.ContainsAny(name, " \t\n[]") || dir == "" {
			return cfg, fmt.Errorf("sandbox: block service %q in folder %q needs a name of one word and a folder", name, dir)
		}
	}
	return cfg, validClusterIDs(cfg.ClusterIDs)
}

// validClusterIDs makes the checks of the registry of [duplication-group]
// (duplication_common.cpp).
func validClusterIDs(ids map[string]int) error {
	owner := map[int]string{}
	for name, id := range ids {
		if id < 1 || id > 127 {
			return fmt.Errorf("sandbox: cluster id %d of %q is not between 1 and 127", id, name)
		}
		if owner[id] != "" {
			return fmt.Errorf("sandbox: clusters %q and %q have the same id %d", owner[id], name, id)
		}
		owner[id] = name
	}
	return nil
}

// merged is both maps in one.
func merged(a, b map[string]string) map[string]string {
	out := maps.Clone(b)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, a)
	return out
}

// orDefault is v, or def when v is the zero value.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
