package sandbox

import (
	"bytes"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// workQueue is the queue in front of a replica server that can only do so much: what
// FaultCapacity makes. Requests are done one after the other, each takes the time that its
// rows and bytes cost, and its answer leaves when it is done. So latency rises with what
// waits, and clients that give up early make it no shorter: servers as shipped execute what
// waited for longer than its client does (rpc_request_dropped_before_execution_when_timeout
// is off). Beyond Fault.Delay a request is refused at once (rpc_request_throttling_mode =
// TM_REJECT with queue_length_throttling_threshold of the thread pool).
type workQueue struct {
	fault *activeFault

	mu sync.Mutex
	// free is when everything that was accepted will be done.
	free time.Time
}

// full tells whether a request that comes now is refused.
func (w *workQueue) full(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault.Delay > 0 && w.free.Sub(now) > w.fault.Delay
}

// take accepts a request and says when it is done.
func (w *workQueue) take(now time.Time, rows, size int) (wait time.Duration) {
	seconds := 0.0
	if w.fault.Rows > 0 {
		seconds = float64(rows) / w.fault.Rows
	}
	if w.fault.Bytes > 0 {
		seconds = max(seconds, float64(size)/w.fault.Bytes)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free.Before(now) {
		w.free = now
	}
	w.free = w.free.Add(time.Duration(seconds * float64(time.Second)))
	return w.free.Sub(now)
}

// queueFor is the queue that a request has to go through, nil for none.
func (n *replicaNode) queueFor(q *request) *workQueue {
	list := n.load.Load()
	if list == nil {
		return nil
	}
	for _, w := range *list {
		if w.fault.concerns(q.Gpid) && rpcMatches(w.fault.RPC, q.Name) {
			return w
		}
	}
	return nil
}

// resetCapacity gives each server a queue for every fault of kind FaultCapacity that goes
// on; queues that exist keep what waits in them.
func (c *Cluster) resetCapacity() {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	for i, n := range c.nodes {
		known := map[*activeFault]*workQueue{}
		if old := n.load.Load(); old != nil {
			for _, w := range *old {
				known[w.fault] = w
			}
		}
		var list []*workQueue
		for _, a := range c.faults.active {
			if a.Kind != FaultCapacity || a.Server != nil && *a.Server != i {
				continue
			}
			list = append(list, orDefault(known[a], &workQueue{fault: a}))
		}
		n.load.Store(nil)
		if list != nil {
			n.load.Store(&list)
		}
	}
}

// later answers a read when its server's queue is done with it.
func (w *workQueue) later(r *replica, q *request, out []byte, mark int) []byte {
	wait := w.take(r.now(), max(q.rows, 1), len(out)-mark)
	r.measure(q, wait)
	held := bytes.Clone(out[mark:])
	q.detach().later(wait, func(_ *request, out []byte) []byte { return append(out, held...) })
	return out[:mark]
}

// rowsWritten is how many rows a write changes at most.
func rowsWritten(m any) int {
	switch m := m.(type) {
	case *idl.MultiPutRequest:
		return len(m.Kvs)
	case *idl.MultiRemoveRequest:
		return len(m.SortKeys)
	case *idl.DuplicateRequest:
		return len(m.Entries)
	default:
		return 1
	}
}
