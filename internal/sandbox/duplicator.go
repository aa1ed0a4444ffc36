package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// duplicator is one duplication on one primary (replica_duplicator.cpp). It lives in
// the memory of the server and is guarded by partition.mu. It ends with the next sync
// or group check after its replica lost the role, not at once, as on real servers.
type duplicator struct {
	r        *replica
	id       int32
	remote   string
	table    string // the follower's name
	status   idl.DuplicationStatus
	failMode idl.DuplicationFailMode

	// start is the decree that a checkpoint must cover, 0 when the meta knew a confirmed
	// decree already. last was shipped last, confirmed is what the meta has stored.
	start, last, confirmed int64
	// prepared: the checkpoint covers start.
	prepared      bool
	checkpointing bool

	// running: mutations are shipped. life counts the times that it was started, so that
	// what an earlier one left behind does nothing.
	running bool
	life    int
	// route is where the target's partitions are, nil for unknown.
	route *dupRoute
	// lost counts mutations that were dropped behind a received one, see requests.
	lost int64
}

// dupRoute is what a duplicator knows about the target table.
type dupRoute struct {
	appID     int32
	primaries []idl.Addr // by partition
}

// dupEntry is what the meta tells replicas about a duplication.
type dupEntry struct {
	id       int32
	remote   string
	table    string // the follower's name
	status   idl.DuplicationStatus
	failMode idl.DuplicationFailMode
	progress int64 // confirmed decree of the partition
}

// syncDups makes the duplicators of a replica what the meta says
// (replica_duplicator_manager::update_duplication_map). part.mu must be held; what has
// to be done without it is returned.
func (r *replica) syncDups(entries []dupEntry) (later []func()) {
	if r.status != idl.ReplicaPrimary || len(entries) == 0 {
		r.dropDups()
		return nil
	}
	known := map[int32]bool{}
	for _, e := range entries {
		known[e.id] = true
	}
	for id, d := range r.dups {
		if !known[id] {
			d.stop()
			delete(r.dups, id)
		}
	}
	for _, e := range entries {
		d := r.dups[e.id]
		if d == nil {
			d = r.newDuplicator(e)
			r.dups[e.id] = d
			later = append(later, d.enter())
			continue
		}
		if e.progress > d.confirmed {
			r.node.srv.perf.dupConfirmed.Add(uint64(e.progress - d.confirmed))
			d.confirmed = e.progress
		}
		d.updatePrepared()
		if e.status != d.status || e.status == idl.DupPrepare {
			d.status = e.status
			later = append(later, d.enter())
		}
		d.failMode = e.failMode
	}
	return later
}

// dropDups ends all duplicators of a replica. part.mu must be held.
func (r *replica) dropDups() {
	for _, d := range r.dups {
		d.stop()
	}
	clear(r.dups)
}

// newDuplicator begins where the meta says, or at what is committed now.
func (r *replica) newDuplicator(e dupEntry) *duplicator {
	d := &duplicator{r: r, id: e.id, remote: e.remote, table: e.table, status: e.status, failMode: idl.DupFailSlow, confirmed: noDecree}
	if e.progress == noDecree {
		d.start = r.part.commitOnDisk()
		d.last = d.start
	} else {
		d.last, d.confirmed = e.progress, e.progress
	}
	return d
}

// updatePrepared looks whether the checkpoint is ready. That of a partition without
// rows counts as such: up to 2.5 its duplication gets stuck later, in DS_APP.
func (d *duplicator) updatePrepared() {
	p := d.r.part
	d.prepared = p.covers(d.start) || p.lacksCheckpoint()
}

// enter begins what the state demands; the returned function must be called without any
// lock.
func (d *duplicator) enter() func() {
	switch d.status {
	case idl.DupPrepare:
		d.prepare()
	case idl.DupLog:
		return d.startShipping()
	case idl.DupPause:
		d.stop()
	}
	return func() {}
}

// stop ends shipping. A request under way is not taken back.
func (d *duplicator) stop() {
	d.running = false
	d.life++
}

// maxCheckpoints is how many such checkpoints a server makes at a time:
// max_concurrent_manual_emergency_checkpointing_count = 10.
const maxCheckpoints = 10

// prepare lets the server make a checkpoint, unless there is a good one or too many are
// being made; then the next sync tries again. The rows are those of now: what is written
// while it is made is not flushed any more.
func (d *duplicator) prepare() {
	p, n := d.r.part, d.r.node
	if p.covers(d.start) || d.checkpointing || p.lacksCheckpoint() || n.checkpoints.Load() >= maxCheckpoints {
		return
	}
	n.checkpoints.Add(1)
	d.checkpointing = true
	epoch, cp := n.srv.epoch.Load(), p.flush()
	n.c.afterLocked(n.c.timing.DupCheckpoint, func() {
		n.checkpoints.Add(-1)
		p.mu.Lock()
		defer p.mu.Unlock()
		d.checkpointing = false
		serves := d.r.status == idl.ReplicaPrimary || d.r.status == idl.ReplicaSecondary
		if serves && n.srv.epoch.Load() == epoch {
			p.keepCheckpoint(cp)
		}
	})
}

// startShipping starts to ship mutations. A server whose configuration does not have
// both clusters dies of it (pegasus_mutation_duplicator, pegasus_client_impl).
func (d *duplicator) startShipping() func() {
	if d.running {
		return func() {}
	}
	srv := d.r.node.srv
	peers := srv.peers.get()
	own, remote := peers.ids[srv.c.cfg.Name], peers.ids[d.remote]
	if own == 0 || remote == 0 || own == remote || len(peers.metas[d.remote]) == 0 {
		return srv.dies()
	}
	d.running, d.r.shipper = true, true
	d.life++
	d.route = nil
	life := d.life
	return func() { d.ship(life) }
}

// dies is the end of the process by a failed assertion; the returned function must be
// called without any lock.
func (s *server) dies() func() {
	epoch := s.epoch.Load()
	return func() {
		if s.epoch.Load() == epoch {
			s.kill()
		}
	}
}

// pending is how many mutations were not shipped yet.
func (d *duplicator) pending() int64 { return max(d.r.committed()-d.last, 0) }
