package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// replica is one replica of a partition on one replica server. All fields but the
// first five are guarded by part.mu, so that a write and a change of primary or of
// envs never overlap.
type replica struct {
	node *replicaNode
	gpid idl.Gpid
	part *partition
	// table is the table's name at the time when the replica was opened.
	table string
	ack   putAck

	status idl.ReplicaStatus
	ballot int64
	// suspended: a primary that is inactive while its group changes. Its open scans
	// and queued writes wait for the end of that.
	suspended bool
	// members counts the primary and its secondaries; below minMembers
	// (app_mutation_2pc_min_replica_count) writes are refused.
	members, minMembers, maxMembers int
	env                             replicaEnv
	scans                           scanContexts
	// synced is the decree up to which a secondary knows mutations as committed.
	synced int64
	// ops counts executed requests by handler; latencies are samples of how long they took.
	ops       []uint64
	latencies []*latencies

	// duplicating makes the replica refuse writes that cannot be repeated elsewhere; it
	// comes with config sync and is lost with the process. rejected counts them.
	duplicating bool
	rejected    uint64
	// dups are the duplications that this replica ships as primary, by id.
	dups map[int32]*duplicator
	// shipper: it has shipped since its server started, so that it has counters for it.
	shipper                 bool
	shippedOps, failedShips uint64
	// cold are the backups at work, by backup; bulk is a bulk load, staged its files on the
	// server's disk, by name; manual is about manual compactions.
	cold   coldContexts
	bulk   bulkContext
	staged map[string]stagedFile
	manual manualCompaction
	counts replicaCounts
	// queue are accepted writes that wait for their turn.
	queue []*queuedWrite
}

func newReplica(node *replicaNode, t *table, index int32) *replica {
	gpid := idl.Gpid{AppID: t.info.AppID, Partition: index}
	return &replica{
		node:      node,
		gpid:      gpid,
		part:      t.partitions[index].data,
		table:     t.info.AppName,
		ack:       newPutAck(gpid, node.srv.addr),
		status:    idl.ReplicaInactive,
		env:       newReplicaEnv(),
		scans:     newScanContexts(node.c.rand64()),
		ops:       make([]uint64, node.c.ops),
		dups:      make(map[int32]*duplicator),
		latencies: make([]*latencies, node.c.ops),
		cold:      coldContexts{},
		staged:    make(map[string]stagedFile),

		manual: manualCompaction{finished: t.partitions[index].data.compacted, trigger: t.partitions[index].data.compactTrigger},

		duplicating: t.info.Duplicating != nil && *t.info.Duplicating,
	}
}

func (r *replica) now() time.Time { return r.node.c.cfg.Clock.Now() }

// nowTs is what the server's clock shows, skew included, in seconds since 2016.
func (r *replica) nowTs() uint32 { return r.node.c.rowTime() }

// become changes the role. Scan contexts do not survive it, unless the primary was
// only suspended.
func (r *replica) become(status idl.ReplicaStatus, ballot int64) {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	if status != r.status && !(r.suspended && status == idl.ReplicaPrimary) {
		r.scans.clear()
	}
	if status != r.status && !(r.suspended && status == idl.ReplicaPrimary) && (status == idl.ReplicaPrimary || status == idl.ReplicaSecondary) {
		r.changedRole()
	}
	r.status, r.ballot, r.suspended = status, ballot, false
	if status == idl.ReplicaPrimary {
		r.part.empty()
		return
	}
	r.queue = nil // forgotten without an answer (primary_context::cleanup)
}

// suspend makes the replica inactive for the time of a change of its group. The
// ballot stays what it was: the replica learns the new one with the meta's answer.
func (r *replica) suspend() {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	r.suspended = r.suspended || r.status == idl.ReplicaPrimary
	r.status = idl.ReplicaInactive
}

// committed is the decree that this replica knows as committed: secondaries lag one
// behind until the next mutation or group check tells them.
func (r *replica) committed() int64 {
	if r.status == idl.ReplicaPrimary {
		return r.part.decree
	}
	return max(r.synced, r.part.decree-1)
}

// put stores a row, with the table's default TTL when it has no expiry
// (rocksdb_wrapper::db_expire_ts).
func (r *replica) put(key, value []byte, expire uint32) {
	if expire == 0 && r.env.defaultTTL > 0 {
		expire = r.nowTs() + r.env.defaultTTL
	}
	r.part.store.set(key, value, expire)
}

// live finds a row that has not expired.
func (r *replica) live(key []byte) (row, bool) {
	found, ok := r.part.store.find(key)
	if ok && found.expire() > 0 && expired(found.expire(), r.nowTs()) {
		return row{}, false
	}
	return found, ok
}
