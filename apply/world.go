package apply

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// ErrNoTable says that a cluster has no table of that name.
var ErrNoTable = errors.New("no such table")

// ErrOutcomeUnknown says that a change was sent and its answer was lost. It may or may not have
// taken effect: ask the world, never send it again blindly.
var ErrOutcomeUnknown = errors.New("outcome unknown")

// ErrRefused says that a cluster understood a request and will not do it: asking again is useless.
// An implementation that cannot tell leaves it out; the request is then repeated for a while.
var ErrRefused = errors.New("refused")

// TableState is a table as its cluster lists it.
type TableState struct {
	ID         int32
	Status     string // AVAILABLE, CREATING, ...
	Partitions int32
	Replicas   int32
	Envs       map[string]string
	CreatedAt  time.Time
}

// Health counts the partitions of a table by replication.
type Health struct {
	Partitions int
	Full       int // primary and all secondaries
	NoPrimary  int
}

// Tables reads and changes tables. Every method makes one attempt that outlives a change of the
// meta leader, returns when ctx ends, and may be called from any goroutine. Changes are idempotent
// except CreateTable and DropTable, which answer ErrOutcomeUnknown when their reply was lost.
type Tables interface {
	// Table answers ErrNoTable when there is none; dropped tables do not count.
	Table(ctx context.Context, t plan.TableRef) (TableState, error)
	// HighestID is the largest app id that the cluster lists, dropped tables included.
	HighestID(ctx context.Context, cluster string) (int32, error)
	CreateTable(ctx context.Context, spec plan.CreateTable) (id int32, err error)
	DropTable(ctx context.Context, t plan.TableRef, reserve time.Duration) error
	SetEnvs(ctx context.Context, t plan.TableRef, envs map[string]string) error
	DeleteEnvs(ctx context.Context, t plan.TableRef, keys []string) error
	Health(ctx context.Context, t plan.TableRef) (Health, error)
}

// Verdict is what a probe of one partition proved.
type Verdict int

// The verdicts. Unclear proves nothing: a node that is not primary also rejects.
const (
	Unclear Verdict = iota
	Accepted
	Rejected
)

// Probe is the answer of one partition to a delete of a reserved key.
type Probe struct {
	Partition int32     `json:"partition"`
	Verdict   Verdict   `json:"verdict"`
	Primary   string    `json:"primary"`
	Ballot    int64     `json:"ballot"`
	At        time.Time `json:"at"`
	Detail    string    `json:"detail,omitempty"`
}

// Decree is the replication progress of one partition's primary.
type Decree struct {
	Partition int32  `json:"partition"`
	Primary   string `json:"primary"`
	Ballot    int64  `json:"ballot"`
	Prepared  int64  `json:"prepared"`
	Committed int64  `json:"committed"`
}

// Fences looks at single partitions. All methods are safe for concurrent use.
type Fences interface {
	// Probe sends one delete of a reserved key to the primary of each given partition. A Rejected
	// verdict needs a node that says itself that it is the primary, under one ballot before and
	// after.
	Probe(ctx context.Context, t plan.TableRef, partitions []int32) ([]Probe, error)
	// ProbeTTL writes one reserved row without expiry to every partition, reads its expiry and
	// deletes it. It returns the partitions that stamped the row.
	ProbeTTL(ctx context.Context, t plan.TableRef) (stamped []int32, err error)
	// Decrees reads the decrees of every partition's primary. A partition without a primary that
	// answers is an error, not left out.
	Decrees(ctx context.Context, t plan.TableRef) ([]Decree, error)
	// ProbeRead sends one read of a reserved key to the primary of each given partition; verdicts as
	// Probe gives them.
	ProbeRead(ctx context.Context, t plan.TableRef, partitions []int32) ([]Probe, error)
	// SyncInterval is the longest time that a change of envs takes to reach every primary, as the
	// servers report it.
	SyncInterval(ctx context.Context, cluster string) (time.Duration, error)
}

// CopyJob is one run of the copy engine.
type CopyJob struct {
	Source, Target plan.TableRef
	Limits         plan.CopyLimits
	Options        plan.CopyOptions
	// Unpaced says that a fence is up for this job: neither a window of time nor a threshold of stop_if nor
	// a pause may hold it, because clients wait. The caps of Limits hold.
	Unpaced bool
	// Cursors are what an earlier run saved, by partition; opaque to this package.
	Cursors map[string]json.RawMessage
	// Save makes cursors durable. The engine calls it only with cursors whose rows the target has
	// acknowledged. An error stops the engine.
	Save func(map[string]json.RawMessage) error
	// Report receives progress, about once a second.
	Report func(event.MoveProgress)
}

// CopyOutcome is what a finished copy did.
type CopyOutcome struct {
	Rows, Bytes uint64
	// Filtered rows were read and left out by the filters of the options, Kept ones found on the target and
	// left as they were there.
	Filtered, Kept uint64
	// Digest is the digest of the source's rows as they were read; opaque to this package.
	Digest json.RawMessage
}

// VerifyJob is one comparison.
type VerifyJob struct {
	Source, Target plan.TableRef
	Limits         plan.CopyLimits
	// Options are those of the copy: rows are expected as it writes them.
	Options plan.CopyOptions
	// Mode and Sample are as in plan.Verify.
	Mode   string
	Sample float64
	// Unpaced is as in CopyJob.
	Unpaced    bool
	AllowExtra bool
	// Repair writes missing and differing rows to the target again and deletes extra ones.
	Repair bool
	// FirstDigest is the digest of the copy; nil when the source may have been written to.
	FirstDigest json.RawMessage
	// Before is what an earlier comparison of the same tables handed to Keep, and Recheck the source
	// partitions whose rows may have changed since it began; an engine may leave out what Before
	// found equal and Recheck does not touch. Both nil: everything is compared.
	Before  json.RawMessage
	Recheck []int32
	// Keep receives the outcome in the engine's own form, for Before; opaque to this package.
	Keep   func(json.RawMessage)
	Report func(event.MoveProgress)
}

// Engine moves and compares rows.
type Engine interface {
	// Copy returns nil only when every row that was in the source when it was read is acknowledged
	// by the target. On error the cursors saved last are good to resume from.
	Copy(ctx context.Context, job CopyJob) (CopyOutcome, error)
	// Verify returns an error when the comparison could not be finished; differences are a result,
	// not an error. With Repair the outcome counts the differences found before the repair.
	Verify(ctx context.Context, job VerifyJob) (event.Verified, error)
}

// World is everything that apply touches.
type World struct {
	Tables Tables
	Fences Fences
	Engine Engine
	// CatchUps serves copies that are caught up behind a fence; nil where a plan has none.
	CatchUps CatchUps
	// Indexes serves copies with a geo index; nil where a plan has none.
	Indexes Indexes
	// The rest serves method duplication and cut-overs; nil where a plan has none.
	Duplications Duplications
	Levels       Levels
	Routes       Routes
	Traffic      Traffic
	Live         LiveEngine
	// These serve the methods that go through files.
	Backups     Backups
	Restores    Restores
	BulkLoads   BulkLoads
	Stores      Stores
	Files       FileEngine
	Rates       Rates
	Compactions Compactions
	DualWrites  DualWrites
}

// Waits are the few intervals that no server reports. Tests inject shorter ones.
type Waits struct {
	// Poll is the time between two looks at the clusters while waiting.
	Poll time.Duration
	// Call bounds one request to a cluster.
	Call time.Duration
	// Transient bounds how long a failed look, or a change that may be repeated, is tried again
	// before the failure ends the run: a meta server that takes over needs up to the ZooKeeper
	// session timeout. 0 means never.
	Transient time.Duration
	// Healthy bounds the wait for a new table: primaries take 10 to 30 s on a real cluster,
	// learning secondaries longer.
	Healthy time.Duration
	// FenceMargin is added to two config syncs before a fence counts as not coming.
	FenceMargin time.Duration
	// Settle is how long after the last proof of a fence decrees are frozen: primaries prepare what
	// waits in their write queues within a round trip between replicas, which may be slow for a
	// moment (replica/mutation.cpp, write_queue).
	Settle time.Duration
	// Watch is the time between two proofs of a standing fence.
	Watch time.Duration
	// Undo bounds the compensation of one step, on top of what servers report.
	Undo time.Duration
	// Prepare bounds how long a duplication may show no progress before its servers copy (DS_INIT,
	// DS_PREPARE): every partition of the source writes a checkpoint and reports it with its
	// duplication sync.
	Prepare time.Duration
	// Copying is how long no further partition of a follower may open its checkpoint (DS_APP), on top
	// of the time that the rows need at copyPace.
	Copying time.Duration
	// Stall is how long a duplication that ships the log may ship nothing while there is something.
	Stall time.Duration
	// Traffic is how long, on top of the declared time, clients may take to be seen on the target.
	Traffic time.Duration
	// Sample is the time between two looks at the lag of a duplication; counters of traffic, which
	// servers compute over some seconds, are looked at every third time.
	Sample time.Duration
	// DuplicationSync is the interval at which replicas and meta agree about duplications, a constant
	// of the servers (duplication_common.h, duplication_sync_period_second).
	DuplicationSync time.Duration
	// Files is the time between two looks at a block store, or at what servers do with it.
	Files time.Duration
	// Uploads is how long no replica server may report an upload before a backup that died counts as at
	// rest. Servers compute the number in two stages, each of which may be one gc_interval_ms old, 30 s by
	// default (replica_backup_manager.cpp, replica_stub.cpp on_gc).
	Uploads time.Duration
	// Backing is how long a backup may write nothing, Restoring how long a restore may read nothing.
	Backing, Restoring time.Duration
	// Arrival is how long a write of a client that writes both tables may be on the source alone before that
	// counts as a proof of the contrary.
	Arrival time.Duration
	// Recompare is what a comparison of everything may cost behind the fence when nobody asked for it.
	Recompare time.Duration
}

// withDefaults fills in the waits of duplications and files that are zero: none of them means "never".
func (w Waits) withDefaults() Waits {
	d := DefaultWaits()
	w.Prepare, w.Copying = cmp.Or(w.Prepare, d.Prepare), cmp.Or(w.Copying, d.Copying)
	w.Stall, w.Traffic = cmp.Or(w.Stall, d.Stall), cmp.Or(w.Traffic, d.Traffic)
	w.Sample, w.DuplicationSync = cmp.Or(w.Sample, d.Sample), cmp.Or(w.DuplicationSync, d.DuplicationSync)
	w.Files, w.Uploads = cmp.Or(w.Files, d.Files), cmp.Or(w.Uploads, d.Uploads)
	w.Backing, w.Restoring = cmp.Or(w.Backing, d.Backing), cmp.Or(w.Restoring, d.Restoring)
	w.Arrival, w.Recompare = cmp.Or(w.Arrival, d.Arrival), cmp.Or(w.Recompare, d.Recompare)
	return w
}

// DefaultWaits are the waits for real clusters.
func DefaultWaits() Waits {
	return Waits{
		Poll:        500 * time.Millisecond,
		Call:        15 * time.Second,
		Transient:   2 * time.Minute,
		Healthy:     10 * time.Minute,
		FenceMargin: 60 * time.Second,
		Settle:      3 * time.Second,
		Watch:       5 * time.Second,
		Undo:        2 * time.Minute,
		Prepare:     15 * time.Minute,
		Copying:     time.Hour,
		Stall:       10 * time.Minute,
		Traffic:     10 * time.Minute,
		Sample:      time.Second,

		DuplicationSync: 10 * time.Second,

		Files:     3 * time.Second,
		Uploads:   90 * time.Second,
		Backing:   30 * time.Minute,
		Restoring: 30 * time.Minute,
		Arrival:   30 * time.Second,
		Recompare: 1500 * time.Millisecond,
	}
}
