package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// qpsCounters are the counters of requests per replica and the RPCs that they count.
func qpsCounters() map[string][]string {
	return map[string][]string{
		"get":              {idl.NameGet},
		"multi_get":        {idl.NameMultiGet},
		"batch_get":        {idl.NameBatchGet},
		"scan":             {idl.NameGetScanner, idl.NameScan},
		"put":              {idl.NamePut},
		"multi_put":        {idl.NameMultiPut},
		"remove":           {idl.NameRemove},
		"multi_remove":     {idl.NameMultiRemove},
		"incr":             {idl.NameIncr},
		"check_and_set":    {idl.NameCheckAndSet},
		"check_and_mutate": {idl.NameCheckAndMutate},
		"duplicate":        {idl.NameDuplicate},
	}
}

// counters are those of one replica. The estimate of keys counts what RocksDB would:
// expired rows and the server's own empty-key row too.
func (r *replica) counters(due bool) []counter {
	r.part.mu.Lock()
	defer r.part.mu.Unlock()
	at := fmt.Sprintf("@%d.%d", r.gpid.AppID, r.gpid.Partition)
	app := func(name, help string, kind counterKind, value int64) counter {
		return counter{name: "replica*app.pegasus*" + name + at, help: help, kind: kind, value: float64(value)}
	}
	list := []counter{
		app("rdb.estimate_num_keys", "statistics the estimated number of keys inside the rocksdb", number, int64(r.part.store.len())),
		app("disk.storage.sst(MB)", "statistic the size of sstable files", number, int64(r.part.store.bytes>>20)),
		app("disk.storage.sst.count", "statistic the count of sstable files", number, int64(r.part.levels.count())),
		app("rdb.read_amplification", "statistics the read amplification of rocksdb", number, 0),
	}
	if r.shipper {
		shipped := app("dup_shipped_ops", "the total ops of DUPLICATE requests sent from this app", rate, 0)
		failed := app("dup_failed_shipping_ops", "the qps of failed DUPLICATE requests sent from this app", rate, 0)
		shipped.total, failed.total = r.shippedOps, r.failedShips
		loss := counter{name: "replica*eon.replica*dup_recent_mutation_loss_count" + at, kind: volatile}
		list = append(list, shipped, failed, loss)
	}
	written := app("recent_rdb_compaction_output_bytes", "rocksdb compaction output bytes", volatile, 0)
	written.total = uint64(r.part.levels.written)
	reject := counter{name: "replica*eon.replica*recent.write.bulk.load.ingestion.reject.count" + at, kind: volatile, total: uint64(r.counts.rejected)}
	list = append(list, written, reject)
	for name, rpcs := range latencyKinds() {
		c := app(name+"_latency", "statistic the latency of "+name+" request", percentiles, 0)
		var samples []uint32
		if due {
			samples = r.latenciesOf(rpcs)
		}
		list = withPercentiles(list, c.name, c.help, due, samples)
	}
	for name, rpcs := range qpsCounters() {
		c := app(name+"_qps", "statistic the qps of "+name+" request", rate, 0)
		for _, rpc := range rpcs {
			c.total += r.ops[r.node.srv.table[rpc].op]
		}
		list = append(list, c)
	}
	return list
}
