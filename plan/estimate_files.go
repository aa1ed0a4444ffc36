package plan

import (
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// Rates that estimates of the methods through files are made of, in bytes or rows per second. A replica server's
// HDFS flags stand at 200 MB/s when nobody changed them (hdfs_service.cpp), which disks rarely give beside clients.
const (
	storeBytesPerServer   = 60 << 20  // between one replica server and the store
	learnBytesPerServer   = 80 << 20  // between two replica servers
	compactBytesPerServer = 40 << 20  // read and written again
	readBytesPerSecond    = 200 << 20 // by this tool, from the store
	splitRowsPerSecond    = 500_000   // by this tool, on a few cores
	splitBytesPerSecond   = 80 << 20
)

// Times that the servers' own rhythms take, whatever the size: a backup of a small table took 22 s on a real 2.5.0
// cluster, a bulk load 55 to 70 s, most of which is polling (every second and every 10 s).
func backupRhythm() Estimate {
	return Estimate{Duration: 25 * time.Second, Low: 15 * time.Second, High: time.Minute}
}

func loadRhythm() Estimate {
	return Estimate{Duration: 65 * time.Second, Low: 45 * time.Second, High: 3 * time.Minute}
}

func restoreRhythm() Estimate {
	return Estimate{Duration: 40 * time.Second, Low: 15 * time.Second, High: 2 * time.Minute}
}

// atRate predicts the time for an amount at a pace of bytes per second, with the band of all estimates.
func atRate(bytes uint64, perSecond float64) Estimate {
	s := float64(bytes) / perSecond
	return Estimate{Duration: toDuration(s), Low: toDuration(s * bandLow), High: toDuration(s * bandHigh)}
}

// transfer predicts what servers move from or to a store: each at its own pace, or at a declared ramp below it.
func (b *builder) transfer(bytes uint64, servers int, t schema.ProviderType) Estimate {
	each := bytes / uint64(max(servers, 1))
	e := atRate(each, storeBytesPerServer)
	r := b.m.Limits.SendRate
	if r == nil || t != schema.HDFSService {
		return e
	}
	slow := rampTime(each, Ramp{Start: r.Start, Step: r.Step, Max: r.Max, Every: r.Every})
	return Estimate{Duration: max(e.Duration, slow), Low: max(e.Low, slow), High: max(e.High, slow)}
}

// rampTime is how long an amount takes at a rate that rises.
func rampTime(bytes uint64, r Ramp) time.Duration {
	var total time.Duration
	rate, left := float64(r.Start), float64(bytes)
	for rate < float64(r.Max) && r.Step > 0 && r.Every > 0 {
		moved := rate * r.Every.Seconds()
		if moved >= left {
			break
		}
		left -= moved
		total += r.Every
		rate = min(rate+float64(r.Step), float64(r.Max))
	}
	return total + toDuration(left/max(rate, 1))
}

func (b *builder) estimateBackup(t schema.ProviderType) Estimate {
	return b.transfer(b.f.SourceTable.Bytes, b.f.Source.Alive(), t).Plus(backupRhythm())
}

// estimateRestore is the download of one replica of each partition.
func (b *builder) estimateRestore(t schema.ProviderType) Estimate {
	return b.transfer(b.f.SourceTable.Bytes, b.f.Target.Alive(), t).Plus(restoreRhythm())
}

// estimateLearn is what the other replicas take to learn.
func (b *builder) estimateLearn() Estimate {
	bytes := b.f.SourceTable.Bytes * uint64(max(b.replicas-1, 0)) / uint64(max(b.f.Target.Alive(), 1))
	return atRate(bytes, learnBytesPerServer).Plus(estimateCreate())
}

// estimateLoad: every replica downloads, not only primaries.
func (b *builder) estimateLoad(t schema.ProviderType) Estimate {
	return b.transfer(b.f.SourceTable.Bytes*uint64(max(b.replicas, 1)), b.f.Target.Alive(), t).Plus(loadRhythm()).Plus(b.estimateIngest())
}

// ingestAtOnce is how many partitions one replica server takes in at a time (bulk_load_node_max_ingesting_count).
const ingestAtOnce = 4

// estimateIngest is how long writes to some partition of the target are rejected: a partition rejects from the
// request until the meta's next look at it, every 10 s up to 2.5, and 0.15 s from 2.6 on (#2195); a server takes a
// few in at a time.
func (b *builder) estimateIngest() Estimate {
	look, each := 10*time.Second, 10*time.Second
	if shipsAtOnce(b.f.Target) {
		look, each = time.Second, time.Second
	}
	alive := max(b.f.Target.Alive(), 1)
	slots := max(alive*ingestAtOnce/int(max(b.replicas, 1)), 1)
	all := time.Duration((int(b.partitions)+slots-1)/slots) * each
	return Estimate{Duration: all + look/2, Low: each, High: 2*all + look}
}

func (b *builder) estimateCompact() Estimate {
	bytes := b.f.SourceTable.Bytes * uint64(max(b.replicas, 1)) / uint64(max(b.f.Target.Alive(), 1))
	return atRate(bytes, compactBytesPerServer).Plus(Estimate{Duration: 30 * time.Second, High: 2 * time.Minute})
}

// estimateRead is this tool reading every byte of a backup.
func estimateRead(bytes uint64) Estimate { return atRate(bytes, readBytesPerSecond) }

func estimateSplit(rows, bytes uint64) Estimate {
	r, y := float64(rows)/splitRowsPerSecond, float64(bytes)/splitBytesPerSecond
	s := max(r, y)
	return Estimate{Duration: toDuration(s), Low: toDuration(s * bandLow), High: toDuration(s * bandHigh)}
}

// fileWindow is how long writes to the source are rejected when it is fenced: everything from the fence to the end
// of the comparison.
func (b *builder) fileWindow() Estimate {
	use, split := schema.FilesOf(b.m.Method)
	if use == nil || b.f.SourceTable == nil {
		return Estimate{}
	}
	return b.fenceWindow(*use, split != nil)
}

func (b *builder) fenceWindow(use schema.BackupUse, load bool) Estimate {
	src, sync := b.f.SourceTable, b.f.Source.ConfigSync
	w := estimateQuiesce().Plus(Estimate{Duration: sync, High: 2 * sync})
	w = w.Plus(b.estimateBackup(use.Provider.Type)).Plus(estimateRead(src.Bytes))
	if load {
		w = w.Plus(estimateCreate()).Plus(estimateSplit(src.Rows, src.Bytes)).Plus(b.estimateLoad(use.TargetProvider.Type)).Plus(b.estimateCompact())
	} else {
		w = w.Plus(b.estimateRestore(use.TargetProvider.Type)).Plus(b.estimateLearn())
	}
	if b.m.Verify.Mode != schema.VerifyOff {
		w = w.Plus(estimateMove(src.Rows, src.Bytes, copyLimits(b.m.Limits), true))
	}
	w.Rows, w.Bytes = 0, 0
	return w
}
