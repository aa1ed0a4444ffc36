package schema

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// DuplicationMethod makes the servers ship every row and every write to the target while clients
// go on, and ends with a cut-over.
type DuplicationMethod struct {
	// FailMode is what the source does about damaged log blocks: FailSlow (default), FailSkip or
	// FailFast (duplication.thrift, duplication_fail_mode).
	FailMode FailMode
	// ReturnTicket is how long after the switch a rollback stays possible, up to 30 days; zero for no
	// ticket. Never without a MetaProxy.
	ReturnTicket time.Duration
	// DropFollower lets a rollback drop the follower table that this migration made.
	DropFollower bool
	// Cutover is never nil.
	Cutover *Cutover
}

// FailMode is a duplication's fail mode.
type FailMode string

// The values of fail_mode. The default is FailSlow.
const (
	FailSlow FailMode = "slow"
	FailSkip FailMode = "skip"
	FailFast FailMode = "fast"
)

// Cutover says how clients come from the source to the target.
type Cutover struct {
	// LagThreshold is the number of mutations per partition that may be outstanding when the fence
	// goes up, 1 or more. Default DefaultLagThreshold.
	LagThreshold int64
	// MetaProxy is nil when clients are not led by a MetaProxy.
	MetaProxy *MetaProxy
	// TrafficProof is how long both clusters' counters have to agree after the switch. Default
	// DefaultTrafficProof. Zero exactly without a MetaProxy.
	TrafficProof time.Duration
}

// What holds where the declaration is silent.
const (
	// DefaultLagThreshold is what the Table-Migrator's documentation says of its own threshold; its
	// code has 100000, counted over all tables of a server.
	DefaultLagThreshold int64 = 10000
	DefaultTrafficProof       = 2 * time.Minute
	// DefaultReserve is the server's own hold_seconds_for_dropped_app.
	DefaultReserve = 7 * 24 * time.Hour
)

// MetaProxy is where the route of the table is kept.
type MetaProxy struct {
	// ZooKeeper lists host:port without repetitions; empty means the source cluster's own ZooKeeper.
	ZooKeeper []string
	// Root is the path above the records, absolute, without a slash at the end, never "/". A
	// MetaProxy joins it and the table's name with a slash (its zookeeper.root).
	Root string
	// Proxies are asked one by one, host:port; at least one, without repetitions.
	Proxies []string
	Range   hcl.Range // the header of the block
}

// The gates of method duplication, in order.
const (
	GateClients = "clients" // before anything is changed: every client goes through MetaProxy, or is changed by hand
	GateCutover = "cutover" // before the fence goes up
)

// GateComplete is before the source is dropped. It is no gate to declare: it is always there with
// AfterDrop, and never otherwise.
const GateComplete = "complete"

// GateTicket holds a migration with a return ticket until its time is up. It is no gate to declare
// either: `pegmigrate complete` opens it early.
const GateTicket = "return-ticket"

// Kind implements Method.
func (*DuplicationMethod) Kind() string { return "duplication" }

// Gates implements Method.
func (*DuplicationMethod) Gates() []string { return []string{GateClients, GateCutover} }

func (*DuplicationMethod) sealedMethod() {}

// VerifyWhen says when a duplicated table is compared.
type VerifyWhen string

// The values of verify.when of method duplication. The default is VerifyBeforeFence; with VerifyOff
// there is no value.
const (
	// VerifyBeforeFence compares everything while clients write; inside the window only keys that
	// were unequal then are read again.
	VerifyBeforeFence VerifyWhen = "before_fence"
	// VerifyInWindow compares everything while writes are rejected.
	VerifyInWindow VerifyWhen = "in_window"
)
