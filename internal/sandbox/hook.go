package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Phase tells on which side of its handling a call is.
type Phase int

// The phases of a call.
const (
	// Before: the request was read and nothing happened yet.
	Before Phase = iota + 1
	// After: the request was executed and its reply not sent yet. One-way requests
	// and requests that a fence swallows have no such phase.
	After
)

// String names the phase.
func (p Phase) String() string {
	switch p {
	case Before:
		return "before"
	case After:
		return "after"
	default:
		return "unknown"
	}
}

// Call describes one request to a Hook.
type Call struct {
	// Cluster is the cluster's name, Node the address of the server asked.
	Cluster, Node string
	// RPC is the name on the wire, e.g. idl.NamePut.
	RPC string
	// Gpid is the partition asked, zero unless it is a data request.
	Gpid  idl.Gpid
	Phase Phase
}

// Hook decides what becomes of a call; it is the only way to inject faults into
// calls. It is called twice for each request, on the goroutine of the connection,
// concurrently for several connections, and must not block: Hold and Delay exist
// for that.
//
// It also sees, in phase Before only, what servers ask each other for backups and bulk loads:
// RPC_COLD_BACKUP, RPC_BULK_LOAD, RPC_GROUP_BULK_LOAD and, by the meta, RPC_RRDB_RRDB_BULK_LOAD. The
// cluster is locked then: a hook must not call it. Fail, Drop (a timeout) and Kill count.
type Hook func(Call) Verdict

// action is what a Verdict does.
type action int

const (
	actPass action = iota
	actFail
	actStatus
	actDrop
	actDelay
	actHold
	actCut
	actKill
	actLoseScans
	actQueue
	actReplay
)

// Verdict is a Hook's answer. The zero value lets the call pass.
type Verdict struct {
	act    action
	code   idl.ErrorCode
	status idl.Status
	delay  time.Duration
	until  <-chan struct{}
}

// Pass lets the call go on.
func Pass() Verdict { return Verdict{} }

// Fail answers with this code in the response header, as a server does that could
// not execute the request. In phase After the request was executed all the same.
func Fail(code idl.ErrorCode) Verdict { return Verdict{act: actFail, code: code} }

// Status answers a data request with this RocksDB status in the body. With
// idl.StatusIncomplete a scan gives some rows first and keeps no context, as one
// that ran into the time limit.
func Status(s idl.Status) Verdict { return Verdict{act: actStatus, status: s} }

// Drop loses the request (Before) or its reply (After); the client hears nothing.
func Drop() Verdict { return Verdict{act: actDrop} }

// Delay goes on after d of the cluster's clock. Later calls overtake the delayed
// one, as they do on a server with many threads.
func Delay(d time.Duration) Verdict { return Verdict{act: actDelay, delay: d} }

// Hold goes on when until is closed.
func Hold(until <-chan struct{}) Verdict { return Verdict{act: actHold, until: until} }

// Cut closes the connection: before anything happens (Before), or after half of
// the reply's bytes (After).
func Cut() Verdict { return Verdict{act: actCut} }

// Kill ends the server that was asked, as if its process died.
func Kill() Verdict { return Verdict{act: actKill} }

// LoseScans forgets every scan context of the partition, then lets the call pass.
func LoseScans() Verdict { return Verdict{act: actLoseScans} }

// Queue lets a write be admitted now and prepared only after d of the cluster's
// clock: until then it has no decree and no answer, and a fence that goes up
// meanwhile does not stop it. That is what the write queue of a real primary does
// (mutation_queue in replica_2pc.cpp). Reads pass.
func Queue(d time.Duration) Verdict { return Verdict{act: actQueue, delay: d} }

// Replay answers with this code at once and executes the request after d all the
// same, without another answer: the effect comes when the client has given up.
func Replay(code idl.ErrorCode, d time.Duration) Verdict {
	return Verdict{act: actReplay, code: code, delay: d}
}
