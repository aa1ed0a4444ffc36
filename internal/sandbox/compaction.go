package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// envCompactRunning bounds the manual compactions of one server at a time.
const envCompactRunning = "manual_compact.max_concurrent_running_count"

// scenarioBulkLoad is the usage scenario without automatic compactions.
const scenarioBulkLoad = "bulk_load"

// manualCompaction is what a replica knows of manual compactions
// (pegasus_manual_compact_service.cpp). partition.mu guards it.
type manualCompaction struct {
	// trigger is that of the last one that began, finished when the last one ended: both are
	// kept in the files.
	trigger  int64
	finished time.Time
	// The rest is in memory. used is how long the last one took, 0 for none since the start.
	queued, started time.Time
	used            time.Duration
}

// compactStatus is manual_compaction_status.
type compactStatus int

const (
	compactIdle compactStatus = iota
	compactQueuing
	compactRunning
	compactFinished
)

// status is query_compact_status: one that ended before the server last started does not count.
func (m *manualCompaction) status() compactStatus {
	switch {
	case !m.started.IsZero():
		return compactRunning
	case !m.queued.IsZero():
		return compactQueuing
	case m.used > 0 && !m.finished.IsZero():
		return compactFinished
	default:
		return compactIdle
	}
}

// restart is what the death of the process leaves.
func (m *manualCompaction) restart() {
	*m = manualCompaction{trigger: m.trigger, finished: m.finished}
}

// describe is query_compact_state.
func (m *manualCompaction) describe() string {
	const layout = timeFormat + ".000"
	text := "last finish at [-]"
	if !m.finished.IsZero() {
		text = fmt.Sprintf("last finish at [%s]", m.finished.UTC().Format(layout))
	}
	if m.used > 0 {
		text += fmt.Sprintf(", last used %d ms", max(m.used.Milliseconds(), 1))
	}
	if !m.queued.IsZero() {
		text += fmt.Sprintf(", recent enqueue at [%s]", m.queued.UTC().Format(layout))
	}
	if !m.started.IsZero() {
		text += fmt.Sprintf(", recent start at [%s]", m.started.UTC().Format(layout))
	}
	return text
}

// requestCompaction puts a manual compaction into the queue, unless this one has run.
// partition.mu must be held.
func (r *replica) requestCompaction() {
	m := &r.manual
	if r.env.trigger <= m.trigger || !m.queued.IsZero() {
		return
	}
	m.trigger, m.queued = r.env.trigger, r.now()
	if r.status == idl.ReplicaPrimary {
		r.part.compactTrigger = m.trigger
	}
	r.startCompaction()
}

// startCompaction runs what is queued when the server may run one more, and looks again later
// otherwise.
func (r *replica) startCompaction() {
	n, epoch := r.node, r.node.srv.epoch.Load()
	limit, err := strconv.ParseInt(r.env.envs[envCompactRunning], 10, 64)
	if err == nil && limit > 0 && n.compactions.Load() >= limit {
		n.c.afterLocked(n.c.timing.ConfigSync, func() {
			r.part.mu.Lock()
			defer r.part.mu.Unlock()
			if n.srv.epoch.Load() == epoch && !r.manual.queued.IsZero() && r.manual.started.IsZero() {
				r.startCompaction()
			}
		})
		return
	}
	n.compactions.Add(1)
	r.manual.started = r.now()
	d := n.c.timing.ManualCompaction
	if slow, hit := n.c.faults.take(FaultSlowCompaction, r.gpid); hit {
		d += slow.Delay
	}
	n.c.afterLocked(d, func() {
		n.compactions.Add(-1)
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if n.srv.epoch.Load() == epoch && !r.manual.started.IsZero() {
			r.compact()
		}
	})
}

// compact ends a manual compaction. The replicas of a partition share their rows, so that
// only that of the primary does something to them.
func (r *replica) compact() {
	if r.status == idl.ReplicaPrimary || r.suspended {
		r.part.sweep(r.nowTs(), &r.env)
		r.part.compacted = r.now()
	}
	used := max(r.now().Sub(r.manual.started), time.Millisecond)
	if r.manual.started.IsZero() {
		used = time.Millisecond
	}
	r.manual = manualCompaction{trigger: r.manual.trigger, finished: r.now(), used: used}
}

// reportCompactions tells the meta, with config sync, how the manual compactions of a server's
// replicas are. It happens before the answer brings envs: right after the start of a
// compaction servers still tell that the one before is finished.
func (c *Cluster) reportCompactions(n *replicaNode, t *table) {
	for _, p := range t.partitions {
		r := n.replica(p.gpid())
		if r == nil {
			continue
		}
		r.part.mu.Lock()
		if p.compactions == nil {
			p.compactions = map[*replicaNode]compactStatus{}
		}
		p.compactions[n] = r.manual.status()
		r.part.mu.Unlock()
	}
}

// queryManualCompact counts the replicas that reported a finished compaction, in percent
// (app_state_helper::get_manual_compact_progress).
func queryManualCompact(c *Cluster, req *idl.QueryManualCompactRequest, resp *idl.QueryManualCompactResponse) {
	t, code := c.available(req.AppName)
	if t == nil {
		resp.Err, resp.HintMsg = code, notAvailableHint(req.AppName, code)
		return
	}
	total, finished, working := len(t.partitions)*int(t.info.MaxReplicaCount), 0, false
	for _, p := range t.partitions {
		for n, status := range p.compactions {
			working = working || status != compactIdle
			if status == compactFinished && p.has(n) {
				finished++
			}
		}
	}
	if !working {
		resp.Err = idl.ErrInvalidState
		resp.HintMsg = fmt.Sprintf("app %s is not manual compaction", req.AppName)
		return
	}
	resp.Progress = new(int32(finished * 100 / total))
	resp.HintMsg = "succeed"
}

// resetCompactions makes the meta forget what servers reported.
func (t *table) resetCompactions() {
	for _, p := range t.partitions {
		p.compactions = nil
	}
}

// compactionCounts counts the replicas of a server at work, of all tables.
func (n *replicaNode) compactionCounts() (queued, running int) {
	n.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		switch r.manual.status() {
		case compactQueuing:
			queued++
		case compactRunning:
			running++
		}
	})
	return queued, running
}

// behindAllowed reads the env that a database is made with.
func behindAllowed(envs map[string]string) bool {
	return strings.EqualFold(envs[envAllowBehind], "true")
}
