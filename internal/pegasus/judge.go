package pegasus

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// reasonTimeout is the Retry.Reason of an attempt without a reply.
const reasonTimeout = "timeout"

// verdict is what to do about a failed attempt at a read or an idempotent write.
type verdict struct {
	// again: the cause may go away, send it again after a pause.
	again bool
	// reroute: the partition may have moved, ask the meta.
	reroute bool
	// reason is Retry.Reason.
	reason string
}

// judge looks at the error of one attempt.
func judge(err error) verdict {
	var he *wire.HeaderError
	var se *StatusError
	var re *wire.ReplyError
	var de *wire.DeadlineError
	switch {
	case changed(err), shut(err):
		return verdict{}
	case errors.Is(err, errNoPrimary):
		return verdict{again: true, reroute: true, reason: "no primary"}
	case errors.Is(err, wire.ErrBufferFull):
		return verdict{again: true, reason: "write buffer full"}
	case errors.As(err, &he):
		return judgeCode(he.Code)
	case errors.As(err, &se):
		return judgeStatus(se.Status)
	case errors.As(err, &re):
		return verdict{} // what cannot be read will not be readable next time
	case errors.As(err, &de):
		return verdict{again: true, reroute: true, reason: reasonTimeout}
	case isConnError(err):
		return verdict{again: true, reroute: true, reason: "connection"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return verdict{}
	default:
		return verdict{}
	}
}

// judgeCode looks at a header code. A code that nobody has told us about is tried
// again until the deadline and shown: giving up on a row needs a better reason.
func judgeCode(code idl.ErrorCode) verdict {
	v := verdict{again: true, reason: string(code)}
	switch code {
	case idl.ErrInvalidState, idl.ErrObjectNotFound, idl.ErrInactiveState, idl.ErrParentPartitionMisused:
		// Not the primary (or fenced), not here, closing, split: all seen by asking the meta.
		v.reroute = true
	case idl.ErrBusy, idl.ErrCapacityExceeded, idl.ErrNotEnoughMember, idl.ErrDiskInsufficient,
		idl.ErrTryAgain, idl.ErrOperationDisabled:
		// Throttled, prepare queue full, replicas lost, disk low, ingesting: the same
		// server can do it later.
	case idl.ErrInvalidData, idl.ErrInvalidParameters, idl.ErrACLDeny, idl.ErrUnauthenticated,
		idl.ErrHandlerNotFound, idl.ErrNotImplemented, idl.ErrSplitting:
		return verdict{}
	default:
		v.reroute = true
	}
	return v
}

// judgeStatus looks at a storage engine's status.
func judgeStatus(s idl.Status) verdict {
	v := verdict{again: true, reason: s.String()}
	switch s {
	case idl.StatusBusy, idl.StatusTryAgain, idl.StatusTimedOut, idl.StatusAborted, idl.StatusMergeInProgress,
		idl.StatusIncomplete:
	case idl.StatusShutdownInProgress, idl.StatusIOError:
		v.reroute = true
	default:
		return verdict{}
	}
	return v
}

// explain says what the user should know about the error that ended an operation.
func explain(err error, write bool) string {
	code, _ := CodeOf(err)
	switch code {
	case idl.ErrInvalidState:
		if write {
			return "the server is not the primary, or writes are fenced: see env replica.deny_client_request of the table"
		}
		return "the server is not the primary, or reads are fenced: see env replica.deny_client_request of the table"
	case idl.ErrSplitting, idl.ErrParentPartitionMisused:
		return "the table is being split: wait for the split to end, or cancel it"
	case idl.ErrACLDeny, idl.ErrUnauthenticated:
		return "the cluster wants authentication, which this program does not have"
	case idl.ErrDiskInsufficient:
		return "a disk of the replica group is too full"
	case idl.ErrNotEnoughMember:
		return "too few replicas are alive to write"
	case idl.ErrOperationDisabled:
		return "the partition is ingesting a bulk load"
	}
	if errors.Is(err, errNoPrimary) {
		return "the meta has not chosen one in all that time"
	}
	return ""
}
