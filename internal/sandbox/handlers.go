package sandbox

import (
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// handlerEntry is a handler in the table of a kind of server.
type handlerEntry struct {
	run handler
	// op is the index of the RPC among all handlers, for counters.
	op int
}

// registration is one line of the handler table.
type registration struct {
	name string
	run  handler
	kind serverKind
}

// serverKind says which servers know an RPC.
type serverKind int

const (
	onMeta serverKind = 1 << iota
	onReplica
)

// handlerTable is the one table of everything that servers answer; an RPC that is
// not in it gets ERR_HANDLER_NOT_FOUND, as on a real server.
func handlerTable() []registration {
	var t []registration
	t = append(t, metaHandlers()...)
	t = append(t, dataHandlers()...)
	t = append(t, adminHandlers()...)
	return append(t, remoteHandlers()...)
}

// dataHandlers are the requests for partitions.
func dataHandlers() []registration {
	return []registration{
		{idl.NameGet, readRPC(get), onReplica},
		{idl.NameTTL, readRPC(ttl), onReplica},
		{idl.NameSortkeyCount, readRPC(sortkeyCount), onReplica},
		{idl.NameMultiGet, readRPC(multiGet), onReplica},
		{idl.NameBatchGet, readRPC(batchGet), onReplica},
		{idl.NameGetScanner, readRPC(getScanner), onReplica},
		{idl.NameScan, readRPC(scan), onReplica},
		{idl.NameClearScanner, readRPC(clearScanner), onReplica},
		{idl.NamePut, writeRPC(put), onReplica},
		{idl.NameMultiPut, writeRPC(multiPut), onReplica},
		{idl.NameRemove, writeRPC(remove), onReplica},
		{idl.NameMultiRemove, writeRPC(multiRemove), onReplica},
		{idl.NameIncr, writeRPC(incr), onReplica},
		{idl.NameCheckAndSet, writeRPC(checkAndSet), onReplica},
		{idl.NameCheckAndMutate, writeRPC(checkAndMutate), onReplica},
		{idl.NameDuplicate, writeRPC(duplicate), onReplica},
		{idl.NameIngest, writeRPC(ingestRequest), onReplica},
	}
}

// tableFor is the handler table of one kind of server of a release.
func tableFor(kind serverKind, of release) map[string]handlerEntry {
	table := make(map[string]handlerEntry)
	for op, r := range handlerTable() {
		if r.kind&kind != 0 && of.knows(r.name) {
			table[r.name] = handlerEntry{run: r.run, op: op}
		}
	}
	return table
}

// opCount is how many counters a replica needs.
func opCount() int { return len(handlerTable()) }

// pointer constrains P to be *T and a message.
type pointer[T any] interface {
	*T
	idl.Message
}

// dataFunc executes a data request on a replica whose partition is locked.
type dataFunc[T any] func(r *replica, q *request, m *T, out []byte) []byte

// readRPC makes the handler of a read: find the replica, let it be refused, run.
func readRPC[T any, P pointer[T]](f dataFunc[T]) handler {
	return dataRPC[T, P](f, (*replica).admitRead, false)
}

// writeRPC is readRPC for writes.
func writeRPC[T any, P pointer[T]](f dataFunc[T]) handler {
	return dataRPC[T, P](f, (*replica).admitWrite, true)
}

// dataRPC makes the handler of a data request. A write behind others that wait in the
// primary's queue waits there, too.
func dataRPC[T any, P pointer[T]](f dataFunc[T], admit func(*replica, *request) admission, write bool) handler {
	pool := &sync.Pool{New: func() any { return new(T) }}
	var run handler
	run = func(q *request, out []byte) []byte {
		if q.srv.node.deaf.Load() {
			return out
		}
		r := q.srv.node.replica(q.Gpid)
		if r == nil {
			q.srv.perf.refused(write, idl.ErrObjectNotFound)
			return q.fail(out, idl.ErrObjectNotFound)
		}
		m, _ := pool.Get().(*T)
		defer pool.Put(m)
		if !q.decode(P(m)) {
			return out
		}
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		if a := admit(r, q); a != (admission{}) {
			if a.code != "" {
				q.srv.perf.refused(write, a.code)
			}
			return q.refuse(a, run, out)
		}
		load := q.srv.node.queueFor(q)
		if load != nil && load.full(r.now()) {
			q.srv.perf.refused(write, orDefault(load.fault.Code, idl.ErrBusy))
			return q.fail(out, orDefault(load.fault.Code, idl.ErrBusy))
		}
		if load != nil && !write {
			mark := len(out)
			return load.later(r, q, execute(f, r, q, m, out, false), mark)
		}
		if load != nil {
			q.queueFor = max(q.queueFor, load.take(r.now(), rowsWritten(m), int(q.BodyLength)))
		}
		if write && (q.queueFor > 0 || len(r.queue) > 0) {
			r.enqueue(q, q.queueFor, func(q *request, out []byte) []byte {
				var m T
				if !q.decode(P(&m)) {
					return out
				}
				return execute(f, r, q, &m, out, write)
			})
			return out
		}
		return execute(f, r, q, m, out, write)
	}
	return run
}

// execute runs an admitted request, with the partition locked.
func execute[T any](f dataFunc[T], r *replica, q *request, m *T, out []byte, write bool) []byte {
	r.ops[q.op]++
	if q.forced != idl.StatusOK && q.forced != idl.StatusIncomplete {
		return q.forcedReply(r, out)
	}
	if write {
		r.part.noteUpdate(q.Name, q.Args)
	}
	if !q.detached {
		r.part.stamp = q.arrived
	}
	out = f(r, q, m, out)
	r.part.stamp = time.Time{}
	if q.detached || r.ops[q.op]%latencySample == 1 {
		r.measure(q, 0)
	}
	return out
}
