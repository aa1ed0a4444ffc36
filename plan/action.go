package plan

import "time"

// Action says what a step does. The set is sealed; every action is a plain struct whose fields
// are all that apply needs to know.
type Action interface {
	// Kind is the stable name of the action in JSON.
	Kind() string
	sealed()
}

// Own writes the ownership marker into the source table's business.info env, around the text
// that is there, before anything else is changed.
type Own struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
}

// Disown takes the ownership markers out again. The source, and a target that existed before, get
// the text back that they had.
type Disown struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// TargetInfo is the business.info of a target that this run created, "" for none.
	TargetInfo string `json:"target_info,omitempty"`
}

// CreateTable creates the target. Envs holds only what must exist when RocksDB is opened:
// default_ttl or manual_compact.* here would crash every replica server that opens the table.
type CreateTable struct {
	Table      TableRef          `json:"table"`
	Partitions int32             `json:"partitions"`
	Replicas   int32             `json:"replicas"`
	Envs       map[string]string `json:"envs,omitempty"`
}

// DropTable drops a table that this run created, and only that one: the app id recorded at
// creation must still be the table's.
type DropTable struct {
	Table   TableRef      `json:"table"`
	Reserve time.Duration `json:"reserve_ns"`
}

// AwaitHealthy waits until every partition has a primary and all its secondaries.
type AwaitHealthy struct {
	Table    TableRef `json:"table"`
	Replicas int32    `json:"replicas"`
}

// SetEnvs sets table envs by UPDATE_APP_ENV. Keys that the table has with the same value are left
// alone.
type SetEnvs struct {
	Table TableRef          `json:"table"`
	Envs  map[string]string `json:"envs"`
}

// RestoreEnvs gives the named envs the values that they had before the step that it undoes.
type RestoreEnvs struct {
	Table TableRef `json:"table"`
	Keys  []string `json:"keys"`
}

// ParkTTL takes the target's default_ttl out of force while rows are written: it stamps every row
// that has no expiry. The env is set to "0" (deleting it leaves the old value in force until the
// servers restart) and the effect is proven by one row per partition that keeps no expiry.
type ParkTTL struct {
	Table TableRef `json:"table"`
}

// Approve waits for a person. Apply ends with exit code 3 until the gate is approved.
type Approve struct {
	Gate string `json:"gate"`
}

// Fence denies writes on the table and proves it partition by partition by a rejected delete of a
// reserved key.
type Fence struct {
	Table TableRef `json:"table"`
	Mode  string   `json:"mode"` // value of replica.deny_client_request
	// Budget bounds the window in which writes are rejected, lifting included; 0: Copy's limits say it.
	Budget time.Duration `json:"budget_ns,omitempty"`
	// Predicted is how long the window of a cut-over is expected to be, for people.
	Predicted time.Duration `json:"predicted_ns,omitempty"`
}

// LiftFence gives replica.deny_client_request its prior value back and proves by an accepted
// delete per partition that writes are let in again.
type LiftFence struct {
	Table TableRef `json:"table"`
}

// Quiesce waits until the last prepared decree of every partition is committed: after it nothing
// accepted before the fence is still on its way.
type Quiesce struct {
	Table TableRef `json:"table"`
}

// Copy moves every row, keeping the absolute expiry.
type Copy struct {
	Source TableRef   `json:"source"`
	Target TableRef   `json:"target"`
	Limits CopyLimits `json:"limits"`
	// SourceWrites is "stopped", "fenced", "accepted" or "catch_up". With the last one clients write while this
	// copies, and CatchUp brings over what they changed.
	SourceWrites string      `json:"source_writes"`
	Options      CopyOptions `json:"options,omitzero"`
}

// CopyLimits are what was declared of how rows may move; a zero field means no limit.
type CopyLimits struct {
	RowsPerSecond  int64 `json:"rows_per_second,omitempty"`
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`
	InFlight       int   `json:"in_flight,omitempty"`
	// WriteReject bounds the time during which a fence may reject writes.
	WriteReject time.Duration `json:"write_reject_ns,omitempty"`
	// Window are the daily spans in which rows may move, "22:00-06:00 Asia/Shanghai"; empty means always. The
	// span ends on the next day when its end is not after its beginning.
	Window []string `json:"window,omitempty"`
	StopIf StopIf   `json:"stop_if,omitzero"`
}

// The values of Verify.Mode.
const (
	VerifyFull   = "full"
	VerifySample = "sample"
	VerifyCount  = "count"
)

// Verify compares source and target row by row, expiry and partition included.
type Verify struct {
	Source TableRef `json:"source"`
	Target TableRef `json:"target"`
	// Mode is VerifyFull ("" as well), VerifySample or VerifyCount.
	Mode string `json:"mode"`
	// Sample is the share of the rows that VerifySample compares, above 0 and below 1; 0 with other modes.
	Sample float64    `json:"sample,omitempty"`
	Limits CopyLimits `json:"limits"`
	// SourceWrites as in Copy: with "stopped" the digest of the source taken while copying must
	// equal the one taken here; with "accepted" a difference may be a write of a moment ago.
	SourceWrites string `json:"source_writes"`
	// AllowExtra is set when rows were merged into a table that had rows of its own.
	AllowExtra bool `json:"allow_extra,omitempty"`
	// Repair allows rows to be written and deleted on the target again when the fence of the
	// source leaked while copying. Only set when this run created the target.
	Repair bool `json:"repair,omitempty"`
	// Options are those of the copy: rows are expected as it writes them.
	Options CopyOptions `json:"options,omitzero"`
}

// Kind implements Action.
func (Own) Kind() string { return "own" }

// Kind implements Action.
func (Disown) Kind() string { return "disown" }

// Kind implements Action.
func (CreateTable) Kind() string { return "create_table" }

// Kind implements Action.
func (DropTable) Kind() string { return "drop_table" }

// Kind implements Action.
func (AwaitHealthy) Kind() string { return "await_healthy" }

// Kind implements Action.
func (SetEnvs) Kind() string { return "set_envs" }

// Kind implements Action.
func (RestoreEnvs) Kind() string { return "restore_envs" }

// Kind implements Action.
func (ParkTTL) Kind() string { return "park_ttl" }

// Kind implements Action.
func (Approve) Kind() string { return "approve" }

// Kind implements Action.
func (Fence) Kind() string { return "fence" }

// Kind implements Action.
func (LiftFence) Kind() string { return "lift_fence" }

// Kind implements Action.
func (Quiesce) Kind() string { return "quiesce" }

// Kind implements Action.
func (Copy) Kind() string { return "copy" }

// Kind implements Action.
func (Verify) Kind() string { return "verify" }

func (Own) sealed()          {}
func (Disown) sealed()       {}
func (CreateTable) sealed()  {}
func (DropTable) sealed()    {}
func (AwaitHealthy) sealed() {}
func (SetEnvs) sealed()      {}
func (RestoreEnvs) sealed()  {}
func (ParkTTL) sealed()      {}
func (Approve) sealed()      {}
func (Fence) sealed()        {}
func (LiftFence) sealed()    {}
func (Quiesce) sealed()      {}
func (Copy) sealed()         {}
func (Verify) sealed()       {}

// Symbol is the mark of the action in a plan's text: + create, ~ change, - remove, > move data,
// ? wait or prove, ! clients notice, = wait for a person.
func Symbol(a Action) string {
	switch a.(type) {
	case CreateTable, CreateIndex, AddDuplication, AddReturn, Backup:
		return "+"
	case Own, SetEnvs, RestoreEnvs, ParkTTL, LiftFence, ParkEnvs, UnparkEnvs, HoldBalancer, ReleaseBalancer,
		LimitRate, RestoreRate, SetUsage, RestoreUsage, RestoreLevel, ManualCompact:
		return "~"
	case Disown, DropTable, RemoveDuplication, DeleteEnvs, RemoveReturn,
		RemoveBackup, RemoveStaging, CancelBulkLoad:
		return "-"
	case Copy, CatchUp, BuildIndex, Restore, Split, BulkLoad, RepairResurrected:
		return ">"
	case AwaitHealthy, Quiesce, Verify, FollowDuplication, AwaitLag, CompareLive, Drain, RecheckKeys, ProveTraffic, AwaitReturn,
		VerifyBackup, VerifyBackupRows, AwaitCompaction, ProveDualWrite:
		return "?"
	case Fence, SwitchRoute, Evict, Deny:
		return "!"
	case Approve, HoldTicket:
		return "="
	}
	return " "
}
