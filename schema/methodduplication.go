package schema

import "time"

// DuplicationMethod makes the servers ship every row and every write to the target while clients
// go on, and ends with a cut-over.
type DuplicationMethod struct {
	// FailMode is what the source does about damaged log blocks: FailSlow (default), FailSkip or
	// FailFast (duplication.thrift, duplication_fail_mode).
	FailMode FailMode
	// ReturnTicket is how long after the switch a rollback must stay possible; zero for no ticket.
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
	// goes up. Default 10000.
	LagThreshold int64
	// MetaProxy is nil when clients are not led by a MetaProxy.
	MetaProxy *MetaProxy
	// TrafficProof is how long both clusters' counters have to agree after the switch. Default 2m.
	// Zero only without a MetaProxy.
	TrafficProof time.Duration
}

// MetaProxy is where the route of the table is kept.
type MetaProxy struct {
	// ZooKeeper lists host:port; empty means the source cluster's own ZooKeeper.
	ZooKeeper []string
	// Root is the path above the records, absolute, without a slash at the end.
	Root string
	// Proxies are asked one by one, host:port; at least one.
	Proxies []string
}

// The gates of method duplication, in order.
const (
	GateClients = "clients" // before anything is changed: every client goes through MetaProxy, or is changed by hand
	GateCutover = "cutover" // before the fence goes up
)

// Kind implements Method.
func (*DuplicationMethod) Kind() string { return "duplication" }

// Gates implements Method.
func (*DuplicationMethod) Gates() []string { return []string{GateClients, GateCutover} }

func (*DuplicationMethod) sealedMethod() {}

// VerifyWhen says when a duplicated table is compared.
type VerifyWhen string

// The values of verify.when of method duplication. The default is VerifyBeforeFence.
const (
	// VerifyBeforeFence compares everything while clients write; inside the window only keys that
	// were unequal then are read again.
	VerifyBeforeFence VerifyWhen = "before_fence"
	// VerifyInWindow compares everything while writes are rejected.
	VerifyInWindow VerifyWhen = "in_window"
)
