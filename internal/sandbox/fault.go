package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// FaultKind names a fault that can be injected while a cluster runs.
type FaultKind string

// The kinds of fault. The first group happens to single calls, chosen at random by
// Fault.Share; the second to servers and partitions, once or every Fault.Every.
const (
	FaultFail       FaultKind = "fail"       // answer with Fault.Code
	FaultDrop       FaultKind = "drop"       // lose the request or the reply
	FaultDelay      FaultKind = "delay"      // go on after Fault.Delay
	FaultCut        FaultKind = "cut"        // cut the connection, mid-frame in phase after
	FaultLoseScans  FaultKind = "lose-scans" // forget the partition's open scans first
	FaultIncomplete FaultKind = "incomplete" // end scans with status Incomplete
	// FaultLateCommit lets accepted writes wait for Fault.Delay before they get a decree
	// and an answer, whatever fence goes up meanwhile.
	FaultLateCommit FaultKind = "late-commit"
	// FaultReplay answers Fault.Code (default ERR_TIMEOUT) and executes the call after
	// Fault.Delay. Without Fault.RPC it hits changes of table envs.
	FaultReplay FaultKind = "replay"

	FaultKillReplica    FaultKind = "kill-replica"
	FaultRestartReplica FaultKind = "restart-replica"
	FaultBounceReplica  FaultKind = "bounce-replica" // kill, and restart after Fault.Delay
	FaultKillMeta       FaultKind = "kill-meta"
	FaultRestartMeta    FaultKind = "restart-meta"
	FaultLoseLeader     FaultKind = "lose-leader"
	FaultMovePrimary    FaultKind = "move-primary"
	FaultCutAll         FaultKind = "cut-all"
	FaultCompact        FaultKind = "compact" // automatic compaction, see Cluster.Compact

	// FaultStallDuplication keeps mutations from being shipped until it is cleared.
	FaultStallDuplication FaultKind = "stall-duplication"
	// FaultForgetClusterID takes the id of cluster Fault.Remote out of [duplication-group],
	// FaultForgetClusterMetas its line out of [pegasus.clusters]: of the replica server
	// with index Fault.Server, of all replica servers without, or of the metas with
	// Fault.Metas. Clearing does not bring them back.
	FaultForgetClusterID    FaultKind = "forget-cluster-id"
	FaultForgetClusterMetas FaultKind = "forget-cluster-metas"

	// The third group happens to files, until it is cleared or has hit Fault.Times often.
	// Fault.Partition limits it even without Fault.Table.

	// FaultFailUpload fails the backup of a partition, FaultFailDownload a download of a bulk
	// load (which fails it) or of a restore (which tries again).
	FaultFailUpload   FaultKind = "fail-upload"
	FaultFailDownload FaultKind = "fail-download"
	// FaultDamageFile flips a bit of each file that a backup uploads, behind its sum.
	FaultDamageFile FaultKind = "damage-file"
	// FaultDiskFull cuts what a backup writes, unnoticed by the servers, and leaves sidecars empty.
	FaultDiskFull FaultKind = "disk-full"
	// FaultFailIngest fails the ingestion of a partition.
	FaultFailIngest FaultKind = "fail-ingest"
	// FaultSlowTransfer and FaultSlowCompaction add Fault.Delay to each file, or to each manual
	// compaction of a replica.
	FaultSlowTransfer   FaultKind = "slow-transfer"
	FaultSlowCompaction FaultKind = "slow-compaction"

	// FaultHoldTransfer keeps files that backups, restores and bulk loads move, and the checkpoints that
	// followers fetch, where they are until it is cleared.
	FaultHoldTransfer FaultKind = "hold-transfer"

	// The last group goes on until it is cleared. FaultCapacity bounds what each replica server
	// does: Fault.Rows and Fault.Bytes per second of the requests that Fault.RPC and Fault.Table
	// choose. What is above waits; with Fault.Delay, work for longer than that is refused with
	// Fault.Code (default ERR_BUSY).
	FaultCapacity FaultKind = "capacity"
	// FaultReport makes counters and metrics show Fault.Value instead of what is true. Counter is
	// the whole name, or the part behind the last asterisk, with or without "@…".
	FaultReport FaultKind = "report"
)

// FaultKinds are all kinds, for help texts.
func FaultKinds() []FaultKind {
	return slices.Concat(callFaults(), []FaultKind{
		FaultKillReplica, FaultRestartReplica, FaultBounceReplica, FaultKillMeta, FaultRestartMeta,
		FaultLoseLeader, FaultMovePrimary, FaultCutAll, FaultCompact,
		FaultStallDuplication, FaultForgetClusterID, FaultForgetClusterMetas, FaultCapacity, FaultReport,
	}, fileFaults())
}

// callFaults are the kinds that happen to single calls.
func callFaults() []FaultKind {
	return []FaultKind{FaultFail, FaultDrop, FaultDelay, FaultCut, FaultLoseScans, FaultIncomplete, FaultLateCommit, FaultReplay}
}

// Fault describes one fault. It is also what `sandbox fault` sends, as JSON.
type Fault struct {
	Kind FaultKind `json:"kind"`

	// RPC says which calls: a whole name, the end of one without its prefix in any case
	// ("put", "get_scanner", "create_app"), or "read" or "write"; empty means every data request.
	RPC string `json:"rpc,omitempty"`
	// Share is the share of calls that are hit, 0 to 1. 0 means 1.
	Share float64 `json:"share,omitempty"`
	// Code is what FaultFail and FaultReplay answer. Default ERR_BUSY and ERR_TIMEOUT.
	Code idl.ErrorCode `json:"code,omitempty"`
	// After hits calls after they were executed instead of before.
	After bool `json:"after,omitempty"`
	// Times ends the fault after so many hits. 0 means never.
	Times int `json:"times,omitempty"`

	// Delay is for FaultDelay, FaultLateCommit, FaultReplay and FaultBounceReplica, in
	// nanoseconds in JSON.
	Delay time.Duration `json:"delay,omitempty"`
	// Every repeats faults of servers and partitions.
	Every time.Duration `json:"every,omitempty"`
	// Server is the index of the server, nil for another one each time.
	Server *int `json:"server,omitempty"`
	// Remote is the name of another cluster, and Metas means metas instead of replica
	// servers, for FaultForgetClusterID and FaultForgetClusterMetas.
	Remote string `json:"remote,omitempty"`
	Metas  bool   `json:"metas,omitempty"`
	// Table limits the fault to a table, empty means all.
	Table string `json:"table,omitempty"`
	// Partition limits the fault to a partition of Table. nil means all partitions
	// for calls, and another one each time for FaultMovePrimary.
	Partition *int `json:"partition,omitempty"`

	// Rows and Bytes are per second and server, for FaultCapacity; 0 means no bound. Rows are
	// those written, or answered by reads, at least one per request; Bytes are those of writes'
	// bodies and of reads' answers. They are not scaled.
	Rows  float64 `json:"rows,omitempty"`
	Bytes float64 `json:"bytes,omitempty"`
	// Counter and Value are for FaultReport.
	Counter string  `json:"counter,omitempty"`
	Value   float64 `json:"value,omitempty"`
}

// fileFaults are the kinds that happen to files.
func fileFaults() []FaultKind {
	return []FaultKind{FaultFailUpload, FaultFailDownload, FaultDamageFile, FaultDiskFull, FaultFailIngest, FaultSlowTransfer, FaultSlowCompaction, FaultHoldTransfer}
}

// onFiles tells whether the fault happens to files.
func (f Fault) onFiles() bool { return slices.Contains(fileFaults(), f.Kind) }

// onCalls tells whether the fault happens to single calls.
func (f Fault) onCalls() bool { return slices.Contains(callFaults(), f.Kind) }

// lasts tells whether the fault goes on until it is cleared.
func (f Fault) lasts() bool {
	return f.onCalls() || f.onFiles() || f.Every > 0 || f.Kind == FaultStallDuplication || f.Kind == FaultCapacity || f.Kind == FaultReport
}

// validate refuses faults that could never happen.
func (f Fault) validate() error {
	switch {
	case !slices.Contains(FaultKinds(), f.Kind):
		return fmt.Errorf("sandbox: unknown fault %q", f.Kind)
	case !(f.Share >= 0 && f.Share <= 1):
		return fmt.Errorf("sandbox: fault %s: share %v is not between 0 and 1", f.Kind, f.Share)
	case f.Times < 0 || f.Delay < 0 || f.Every < 0:
		return fmt.Errorf("sandbox: fault %s: times, delay and interval cannot be negative", f.Kind)
	case f.After && (f.Kind == FaultLateCommit || f.Kind == FaultReplay):
		return fmt.Errorf("sandbox: fault %s happens before the call is executed", f.Kind)
	case f.onFiles() && f.Every > 0:
		return fmt.Errorf("sandbox: fault %s happens to files, an interval means nothing", f.Kind)
	case f.Delay == 0 && slices.Contains([]FaultKind{FaultDelay, FaultLateCommit, FaultReplay, FaultSlowTransfer, FaultSlowCompaction}, f.Kind):
		return fmt.Errorf("sandbox: fault %s needs a delay", f.Kind)
	case f.Remote == "" && (f.Kind == FaultForgetClusterID || f.Kind == FaultForgetClusterMetas):
		return fmt.Errorf("sandbox: fault %s needs the name of a cluster", f.Kind)
	case f.Kind == FaultStallDuplication && f.Every > 0:
		return fmt.Errorf("sandbox: fault %s goes on by itself, an interval means nothing", f.Kind)
	case f.Kind == FaultCapacity && !(f.Rows > 0 || f.Bytes > 0):
		return fmt.Errorf("sandbox: fault %s needs rows or bytes per second", f.Kind)
	case f.Kind == FaultReport && f.Counter == "":
		return fmt.Errorf("sandbox: fault %s needs the name of a counter", f.Kind)
	case f.Every > 0 && (f.Kind == FaultCapacity || f.Kind == FaultReport):
		return fmt.Errorf("sandbox: fault %s goes on by itself, an interval means nothing", f.Kind)
	case f.onCalls() && f.Every > 0:
		return fmt.Errorf("sandbox: fault %s happens to calls, an interval means nothing", f.Kind)
	}
	return nil
}

// verdict is what a call fault does to a call.
func (f Fault) verdict() Verdict {
	switch f.Kind {
	case FaultFail:
		return Fail(orDefault(f.Code, idl.ErrBusy))
	case FaultDrop:
		return Drop()
	case FaultDelay:
		return Delay(f.Delay)
	case FaultCut:
		return Cut()
	case FaultLateCommit:
		return Queue(f.Delay)
	case FaultReplay:
		return Replay(orDefault(f.Code, idl.ErrTimeout), f.Delay)
	case FaultLoseScans:
		return LoseScans()
	case FaultIncomplete:
		return Status(idl.StatusIncomplete)
	default:
		return Pass()
	}
}

// hits tells whether a call is one of those that the fault is meant for.
func (f Fault) hits(call Call) bool {
	if f.After != (call.Phase == After) {
		return false
	}
	switch f.Kind {
	case FaultLoseScans, FaultIncomplete:
		return call.RPC == idl.NameScan || (f.Kind == FaultIncomplete && call.RPC == idl.NameGetScanner)
	case FaultLateCommit:
		return isWrite(call.RPC) && rpcMatches(f.RPC, call.RPC)
	case FaultReplay:
		return rpcMatches(orDefault(f.RPC, idl.NameUpdateAppEnv), call.RPC)
	default:
		return rpcMatches(f.RPC, call.RPC)
	}
}

// rpcMatches compares a pattern of Fault.RPC with a name.
func rpcMatches(pattern, name string) bool {
	if pattern == "" {
		return strings.HasPrefix(name, "RPC_RRDB_RRDB_")
	}
	if pattern == "read" || pattern == "write" {
		return strings.HasPrefix(name, "RPC_RRDB_RRDB_") && isWrite(name) == (pattern == "write")
	}
	if strings.EqualFold(pattern, name) {
		return true
	}
	for _, prefix := range []string{"RPC_RRDB_RRDB_", "RPC_CM_", "RPC_CLI_", "RPC_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return strings.EqualFold(pattern, rest)
		}
	}
	return false
}

// isWrite tells whether an RPC changes rows.
func isWrite(name string) bool {
	switch name {
	case idl.NamePut, idl.NameMultiPut, idl.NameRemove, idl.NameMultiRemove, idl.NameIncr,
		idl.NameCheckAndSet, idl.NameCheckAndMutate, idl.NameDuplicate:
		return true
	default:
		return false
	}
}
