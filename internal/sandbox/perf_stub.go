package sandbox

import (
	"math"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// stub names a counter of the replica server as a whole.
func stub(name string, kind counterKind, help string, value float64) counter {
	return counter{name: "replica*eon.replica_stub*" + name, kind: kind, help: help, value: value}
}

// stubCounters are those of the replica server as a whole. Requests refused by hooks
// are not among the failed ones: they stand for trouble on the way.
func (s *server) stubCounters() []counter {
	fails := func(name, help string, total uint64) counter {
		c := stub(name, volatile, help, 0)
		c.total = total
		return c
	}
	ratio := math.Round(diskAvailableMb * 100.0 / diskCapacityMb)
	list := []counter{
		stub("replica(Count)", number, "# in replica_stub._replicas", float64(len(s.node.sorted()))),
		stub("disk.capacity.total(MB)", number, "total disk capacity in MB", diskCapacityMb),
		stub("disk.available.total(MB)", number, "total disk available in MB", diskAvailableMb),
		stub("disk.available.total.ratio", number, "total disk available ratio", ratio),
		stub("disk.available.min.ratio", number, "minimal disk available ratio in all disks", ratio),
		stub("disk.available.max.ratio", number, "maximal disk available ratio in all disks", ratio),
		fails("recent.read.fail.count", "read fail count in the recent period", s.perf.readFail.Load()),
		fails("recent.write.fail.count", "write fail count in the recent period", s.perf.writeFail.Load()),
		fails("recent.read.busy.count", "read busy count in the recent period", s.perf.readBusy.Load()),
		fails("recent.write.busy.count", "write busy count in the recent period", s.perf.writeBusy.Load()),
	}
	confirmed := stub("dup.confirmed_rate", rate, "increment rate of confirmed mutations", 0)
	confirmed.total = s.perf.dupConfirmed.Load()
	pending := stub("dup.pending_mutations_count", volatile, "number of mutations pending for duplication", 0)
	pending.gauge = &s.perf.dupPending
	list = append(list, confirmed, pending)
	list = append(list, s.rejectedCounters()...)
	list = append(list, s.fileCounters()...)
	return append(list, idleCounters()...)
}

// rejectedCounters count, by table, the writes that a duplicated table refused.
func (s *server) rejectedCounters() []counter {
	totals := map[string]uint64{}
	s.node.each(func(r *replica) {
		r.part.mu.Lock()
		defer r.part.mu.Unlock()
		totals[r.table] += r.rejected
	})
	var list []counter
	for table, total := range totals {
		name := "replica*eon.replica*dup.disabled_non_idempotent_write_count@" + table
		list = append(list, counter{name: name, kind: volatile, help: name, total: total})
	}
	return list
}

// idleCounters are counters of things that do not happen in a sandbox. They are
// there because clients look for them.
func idleCounters() []counter {
	var list []counter
	for name, kind := range map[string]counterKind{
		"opening.replica(Count)": number, "closing.replica(Count)": number,
		"replicas.commit.qps": rate, "replicas.learning.count": number, "shared.log.size(MB)": number,
		"replicas.splitting.count": number,
	} {
		list = append(list, stub(name, kind, name, 0))
	}
	for _, name := range []string{"rdb.block_cache.memory_usage"} {
		list = append(list, counter{name: "replica*app.pegasus*" + name, kind: number, help: name})
	}
	return list
}

// profilerCounters are those of RPCs on the server, which every server has.
func (s *server) profilerCounters(due bool) []counter {
	var list []counter
	for _, rpc := range []string{idl.NameGet, idl.NameMultiGet, idl.NameBatchGet, idl.NamePut, idl.NameMultiPut} {
		var samples []uint32
		qps := counter{name: "zion*profiler*" + rpc + ".qps", kind: rate, help: rpc + ".qps"}
		if s.node != nil {
			op := s.table[rpc].op
			s.node.each(func(r *replica) {
				r.part.mu.Lock()
				defer r.part.mu.Unlock()
				qps.total += r.ops[op]
				if due {
					samples = append(samples, r.latenciesOf([]string{rpc})...)
				}
			})
		}
		name := "zion*profiler*" + rpc + ".latency.server"
		list = withPercentiles(append(list, qps), name, name, due, samples)
	}
	return list
}

// memoryCounters say what a server of a sandbox, which shares a process, would use.
func memoryCounters() []counter {
	const residentMb, virtualMb = 44, 473 // as recorded from an idle server
	return []counter{
		{name: "replica*server*memused.res(MB)", kind: number, help: "physically memory usages in MB", value: residentMb},
		{name: "replica*server*memused.virt(MB)", kind: number, help: "virtual memory usages in MB", value: virtualMb},
	}
}
