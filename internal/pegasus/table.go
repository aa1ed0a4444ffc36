package pegasus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Table is an open table: its rows, and where they live as far as last known. It is
// safe for concurrent use and ends with its Cluster.
type Table struct {
	c     *Cluster
	name  string
	id    int32
	count int32
	rpcs  dataRPCs

	routes atomic.Pointer[[]route]      // indexed by partition
	broken atomic.Pointer[brokenReason] // the table is no longer what was opened
	ops    sync.Pool                    // of *op
	pages  sync.Pool                    // of *pageBuf

	refreshLock sync.Mutex    // one request for the configuration at a time
	refreshing  atomic.Bool   // a background refresh is under way or has just been
	refreshed   time.Time     // when it ended; belongs to whoever set refreshing
	refreshGap  time.Duration // the pause after it; as refreshed
}

// brokenReason wraps an error for an atomic pointer.
type brokenReason struct{ err error }

// route is where requests for one partition go.
type route struct {
	addr   string
	ballot int64
	conn   *wire.ReplicaConn // nil while the partition has no primary
}

// dataRPCs are the table entries of the requests of the hot paths, looked up once.
type dataRPCs struct{ put, multiPut, checkAndSet, ttl, getScanner, scan *idl.RPC }

// OpenTable asks where the table lives. Errors: *MetaError with ERR_OBJECT_NOT_FOUND
// for a missing table, ERR_BUSY_CREATING, ERR_BUSY_DROPPING.
func (c *Cluster) OpenTable(ctx context.Context, name string) (*Table, error) {
	cfg, err := c.partitionConfigs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open table %s: %w", name, err)
	}
	t := &Table{c: c, name: name, id: cfg.AppID, count: int32(len(cfg.Partitions))}
	t.ops.New = func() any { return newOp(t) }
	for rpcName, at := range map[string]**idl.RPC{
		idl.NamePut: &t.rpcs.put, idl.NameMultiPut: &t.rpcs.multiPut,
		idl.NameCheckAndSet: &t.rpcs.checkAndSet, idl.NameTTL: &t.rpcs.ttl,
		idl.NameGetScanner: &t.rpcs.getScanner, idl.NameScan: &t.rpcs.scan,
	} {
		rpc, ok := idl.Lookup(rpcName)
		if !ok {
			return nil, fmt.Errorf("open table %s: %s is not known", name, rpcName)
		}
		*at = rpc
	}
	if err := t.install(cfg); err != nil {
		return nil, fmt.Errorf("open table %s: %w", name, err)
	}
	return t, nil
}

// Name is the table's name.
func (t *Table) Name() string { return t.name }

// ID is the app id.
func (t *Table) ID() int32 { return t.id }

// PartitionCount never changes: a table that is split is a hard error.
func (t *Table) PartitionCount() int32 { return t.count }

// Ballots are those of all partitions as far as last known.
func (t *Table) Ballots() []int64 {
	routes := *t.routes.Load()
	out := make([]int64, len(routes))
	for i := range routes {
		out[i] = routes[i].ballot
	}
	return out
}

// Primary is the address of a partition's primary as far as last known, "" for none.
func (t *Table) Primary(partition int32) string {
	if partition < 0 || partition >= t.count {
		return ""
	}
	return (*t.routes.Load())[partition].addr
}

// header is that of a data request.
func (t *Table) header(partition int32, hash uint64) idl.RequestHeader {
	gpid := idl.Gpid{AppID: t.id, Partition: partition}
	return idl.RequestHeader{Gpid: gpid, ThreadHash: gpid.ThreadHash(), PartitionHash: hash}
}

// locate is the partition of a raw key and its hash.
func (t *Table) locate(raw []byte) (partition int32, hash uint64, err error) {
	hashKey, sortKey, err := pegkey.Decode(raw)
	if err != nil {
		return 0, 0, err
	}
	hash = pegkey.Hash(hashKey, sortKey)
	return pegkey.Partition(hash, t.count), hash, nil
}

// reason is why the table cannot be used any more, or nil.
func (t *Table) reason() error {
	if b := t.broken.Load(); b != nil {
		return b.err
	}
	return nil
}
