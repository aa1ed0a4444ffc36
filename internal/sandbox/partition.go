package sandbox

import (
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// partition is the data of one partition of a table. All its replicas share it, so
// replication is instantaneous and never diverges; what differs between replicas
// is in replica.
type partition struct {
	index, count int32 // of the table

	mu    sync.Mutex
	store *store
	// decree is the last committed one.
	decree int64
	// durable is the decree up to which everything is on disk.
	durable int64
	// checkpoint is what is on disk, nil for nothing; see takeCheckpoint.
	checkpoint *checkpoint
	// flushedAt is the decree of the last flush that made a file, levels the shape of the files.
	flushedAt int64
	levels    levels
	// allowBehind: the database was made with rocksdb.allow_ingest_behind.
	allowBehind bool
	// dataVersion is how values are stored; it never changes.
	dataVersion int
	// prepared is when the last mutation was, to see whether the partition is idle.
	prepared time.Time
	// compacted is when the last manual compaction ended, zero for never.
	compacted time.Time
	// compactTrigger is that of the manual compaction of the last primary that began one.
	compactTrigger int64

	clock Clock
	// stamp is the time of the request that is being executed, zero for none: asking the clock for
	// each write is a part of a write's cost.
	stamp time.Time
	// shipsLast: what is committed is known from the log at once, from 2.6 on.
	shipsLast bool
	// log is nil unless the table is duplicated. note is what the mutation that commits
	// next was asked to do, as the log will have it.
	log  *mutationLog
	note []loggedUpdate
}

func newPartition(index, count int32, clock Clock, shipsLast bool) *partition {
	return &partition{index: index, count: count, clock: clock, store: newStore(), shipsLast: shipsLast, dataVersion: dataVersion}
}

// commit starts a mutation and returns its decree.
func (p *partition) commit() int64 {
	p.decree++
	if p.prepared = p.stamp; p.stamp.IsZero() {
		p.prepared = p.clock.Now()
	}
	if p.log != nil {
		p.log.append(p.decree, p.prepared, p.note)
		p.note = nil
	}
	return p.decree
}

// empty commits the server's own empty write: one row with the empty key, which
// RocksDB needs to remember the decree.
func (p *partition) empty() int64 {
	p.store.set(nil, nil, 0)
	return p.commit()
}

// sweep is what a compaction does to rows: expired ones go, those without an expiry
// get the table's default TTL, and those that belong to another partition go when
// the table checks that (key_ttl_compaction_filter.h).
func (p *partition) sweep(now uint32, env *replicaEnv) {
	var dead, stamp []row
	p.store.tree.Scan(func(r row) bool {
		switch {
		case len(r.key()) == 0:
		case expired(r.expire(), now), env.validateHash && !p.owns(r.key()):
			dead = append(dead, r)
		case r.expire() == 0 && env.defaultTTL > 0:
			stamp = append(stamp, r)
		}
		return true
	})
	for _, r := range dead {
		p.store.remove(r.key())
	}
	for _, r := range stamp {
		p.store.set(r.key(), r.value(), now+env.defaultTTL)
	}
	clear(p.store.tombs)
	p.levels.merged(p.store.bytes)
	p.takeCheckpoint()
}

// owns tells whether a raw key hashes into this partition, by the mask that servers
// use; it is only right for powers of two.
func (p *partition) owns(raw []byte) bool {
	return pegkey.HashRaw(raw)&uint64(p.count-1) == uint64(p.index)
}
