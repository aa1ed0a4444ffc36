package sandbox

import (
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// noDecree is invalid_decree: nothing is known yet.
const noDecree = -1

// duplication is what the meta knows about one duplication of a table
// (duplication_info.h). It is guarded by Cluster.mu.
type duplication struct {
	id     int32
	remote string
	// metas are the addresses from [pegasus.clusters] at the time of ADD_DUPLICATION.
	metas []string
	// appName is the follower's name: up to 2.5 that of the table then, which it is looked
	// up by for ever. replicas is its replica count, 0 for that of the table (up to 2.5).
	appName  string
	replicas int32
	createMs int64
	status   idl.DuplicationStatus
	failMode idl.DuplicationFailMode
	// stored is the state as the meta's storage has it. It differs after an
	// ADD_DUPLICATION that moved an existing duplication: the node exists already and
	// is not written again, so that a new leader goes back.
	stored     idl.DuplicationStatus
	partitions []dupProgress
}

// dupProgress is how far one partition of a duplication is, as the meta knows it.
type dupProgress struct {
	stored, volatile int64 // decrees
	// committed is the last decree as of the last report, which 2.6 shows.
	committed int64
	storedAt  time.Time
	// prepared: its checkpoint covers the decree that it began with. A new leader does
	// not know.
	prepared bool
}

// newDuplication is what ADD_DUPLICATION makes, in state DS_INIT.
func (c *Cluster) newDuplication(t *table, remote string, metas []string) *duplication {
	now := c.now()
	d := &duplication{
		id: int32(now.Unix()), remote: remote, metas: slices.Clone(metas), appName: t.info.AppName,
		createMs: now.UnixMilli(), partitions: make([]dupProgress, len(t.partitions)),
	}
	for t.dup(d.id) != nil {
		d.id++
	}
	for i := range d.partitions {
		d.partitions[i] = dupProgress{stored: noDecree, volatile: noDecree, committed: noDecree}
	}
	t.dups = append(t.dups, d)
	for _, p := range t.partitions {
		p.data.startLog()
	}
	return d
}

// startLog begins to keep mutations. Of those before it a duplication would at most have
// shipped the last one, which is not there: a checkpoint that ends right before it counts
// as older than it is, so that another one is made, which has it.
func (p *partition) startLog() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log != nil {
		return
	}
	p.log = &mutationLog{first: p.decree + 1}
	if p.durable == p.decree-1 {
		p.durable--
	}
}

// alter is duplication_info::alter_status with the writing to storage behind it.
// changed is false when there was nothing to do, which is no error either.
func (d *duplication) alter(to idl.DuplicationStatus, mode idl.DuplicationFailMode) (code idl.ErrorCode, changed bool) {
	switch {
	case !d.mayBecome(to):
		return idl.ErrInvalidParameters, false
	case to == d.status && mode == d.failMode:
		return idl.ErrOK, false
	}
	d.status, d.failMode = to, mode
	return idl.ErrOK, true
}

// mayBecome is duplication_info::is_valid_alteration.
func (d *duplication) mayBecome(to idl.DuplicationStatus) bool {
	from := d.status
	switch to {
	case from, idl.DupRemoved:
		return true
	case idl.DupPrepare:
		return from == idl.DupInit
	case idl.DupApp:
		return from == idl.DupPrepare
	case idl.DupLog:
		return from == idl.DupPause || from == idl.DupApp || from == idl.DupInit
	case idl.DupPause:
		return from == idl.DupLog
	default:
		return false
	}
}

// prepared tells whether every partition has its checkpoint.
func (d *duplication) prepared() bool {
	return !slices.ContainsFunc(d.partitions, func(p dupProgress) bool { return !p.prepared })
}

// confirm takes over what a replica reports (alter_progress and persist_progress). A
// decree that comes too soon behind the last is only stored with a later report.
func (p *dupProgress) confirm(decree int64, prepared bool, now time.Time, every time.Duration) {
	p.prepared = prepared
	p.volatile = max(p.volatile, decree)
	if p.volatile != p.stored && now.After(p.storedAt.Add(every)) {
		p.stored, p.storedAt = p.volatile, now
	}
}

// entry is the duplication as clients see it: without progress up to 2.5.
func (c *Cluster) entry(d *duplication) idl.DuplicationEntry {
	e := idl.DuplicationEntry{
		DupID: d.id, Status: d.status, Remote: d.remote, CreateTs: d.createMs, FailMode: new(d.failMode),
	}
	if c.release < release26 {
		return e
	}
	e.RemoteAppName, e.RemoteReplicaCount = new(d.appName), new(d.replicas)
	e.PartitionStates = map[int32]idl.DupPartitionState{}
	for i, p := range d.partitions {
		e.PartitionStates[int32(i)] = idl.DupPartitionState{ConfirmedDecree: p.stored, LastCommittedDecree: p.committed}
	}
	return e
}

// dup is a duplication by its id, nil for none.
func (t *table) dup(id int32) *duplication {
	i := slices.IndexFunc(t.dups, func(d *duplication) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return t.dups[i]
}

// removeDup forgets a duplication at once; replicas learn of it with their next sync.
func (t *table) removeDup(d *duplication) {
	t.dups = slices.DeleteFunc(t.dups, func(o *duplication) bool { return o == d })
	t.refreshDuplicating()
}

// refreshDuplicating sets the flag that makes replicas refuse what cannot be
// duplicated.
func (t *table) refreshDuplicating() {
	t.info.Duplicating = new(slices.ContainsFunc(t.dups, func(d *duplication) bool {
		return d.status != idl.DupInit && d.status != idl.DupRemoved
	}))
}

// restoreDuplications is what a new leader finds in the meta's storage: states and
// confirmed decrees, but not which checkpoints are ready.
func (c *Cluster) restoreDuplications() {
	for _, t := range c.tables {
		for _, d := range t.dups {
			d.status = d.stored
			for i := range d.partitions {
				p := &d.partitions[i]
				*p = dupProgress{stored: p.stored, volatile: p.stored, committed: p.stored}
			}
		}
	}
}
