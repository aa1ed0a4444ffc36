package sandbox

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// maxWriteSize is the limit of a write request's thrift body in bytes:
// [replication] max_allowed_write_size.
const maxWriteSize = 1 << 20

// admission says why a request is not executed now. The zero value admits it.
type admission struct {
	// code is answered in the header, after delay.
	code idl.ErrorCode
	// silent: no answer at all.
	silent bool
	// delay without a code executes the request later.
	delay time.Duration
}

// admitWrite checks in the order of replica::on_client_write: fence, size,
// writes that a duplicated table refuses, split, status, number of members, throttling.
func (r *replica) admitWrite(q *request) admission {
	switch {
	case r.env.denyWrite:
		return r.env.denied()
	case q.BodyLength > maxWriteSize:
		return admission{code: idl.ErrInvalidData}
	case r.duplicating && !idempotent(q.Name):
		r.rejected++
		return admission{code: idl.ErrOperationDisabled}
	case r.misrouted(q):
		return admission{code: idl.ErrParentPartitionMisused}
	case r.status != idl.ReplicaPrimary:
		return admission{code: idl.ErrInvalidState}
	case r.bulk.ingesting && q.Name == idl.NameIngest:
		return admission{code: idl.ErrNoNeedOperate}
	case r.bulk.ingesting:
		r.counts.rejected++
		r.node.srv.perf.files.ingestRejected.Add(1)
		return admission{code: idl.ErrOperationDisabled}
	case q.Name == idl.NameIngest && r.bulk.status != idl.BulkLoadDownloaded && r.bulk.status != idl.BulkLoadIngesting:
		return admission{code: idl.ErrInvalidState}
	case q.Name == idl.NameIngest && r.members < r.maxMembers:
		return admission{code: idl.ErrNotEnoughMember}
	case r.members < r.minMembers:
		return admission{code: idl.ErrNotEnoughMember}
	case q.unthrottled || !r.env.throttlesWrites():
		return admission{}
	}
	now := r.now()
	if a := r.env.writeQPS.control(now, q.TimeoutMs, 1); a != (admission{}) {
		return a
	}
	return r.env.writeSize.control(now, q.TimeoutMs, int64(q.BodyLength))
}

// admitRead checks in the order of replica::on_client_read; throttling comes before
// the test for the primary there.
func (r *replica) admitRead(q *request) admission {
	switch {
	case r.env.denyRead:
		return r.env.denied()
	case r.misrouted(q):
		return admission{code: idl.ErrParentPartitionMisused}
	case r.status != idl.ReplicaPrimary && r.status != idl.ReplicaSecondary:
		return admission{code: idl.ErrInvalidState}
	}
	if !q.unthrottled && r.env.readQPS.enabled() {
		if a := r.env.readQPS.control(r.now(), q.TimeoutMs, 1); a != (admission{}) {
			return a
		}
	}
	if r.status != idl.ReplicaPrimary {
		return admission{code: idl.ErrInvalidState}
	}
	if r.env.readSize.enabled() && !r.env.readSize.available(r.now()) {
		return admission{code: idl.ErrBusy}
	}
	return admission{}
}

// misrouted checks the partition hash of the request's header, which servers only
// do for tables that were split (replica.split.validate_partition_hash).
func (r *replica) misrouted(q *request) bool {
	return r.env.validateHash && q.PartitionHash&uint64(r.part.count-1) != uint64(r.gpid.Partition)
}

// refuse carries out an admission that is not the zero value.
func (q *request) refuse(a admission, run handler, out []byte) []byte {
	switch {
	case a.silent:
		return out
	case a.delay > 0 && a.code == "":
		d := q.detach()
		d.unthrottled = true
		d.later(a.delay, run)
		return out
	case a.delay > 0:
		q.detach().later(a.delay, func(q *request, out []byte) []byte { return q.fail(out, a.code) })
		return out
	default:
		return q.fail(out, a.code)
	}
}
