package pegasus

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// op is one asynchronous write from Send to Acked. It is pooled: a write that goes
// through at once costs no allocation.
type op struct {
	call  wire.Call
	put   idl.UpdateRequest
	multi idl.MultiPutRequest
	resp  idl.UpdateResponse
	cond  *conditionalWrite // nil until a write keeps what is there

	t         *Table
	partition int32
	addr      string // of the last attempt
	opts      PutOptions
	ack       Acker
	tag       uint64

	attempts int       // failed ones
	timeouts int       // those of them without a reply
	deadline time.Time // set by the first failure
	prior    error     // the last failure that was not a mere timeout
	resume   time.Time // when the retrier sends it again
}

// newOp makes an op of t for the pool.
func newOp(t *Table) *op {
	o := &op{t: t}
	o.call.User = o
	o.call.Done = opDone
	return o
}

// opDone is the Done of every op's call.
func opDone(c *wire.Call) {
	o := c.User.(*op)
	err := c.Err
	if err == nil {
		err = o.status()
	}
	switch err {
	case nil, ErrKept:
		o.end(err)
	case errAbsent:
		o.proceed()
	default:
		o.failed(err)
	}
}

// start sends the op for the first time; it may wait for room until ctx ends.
func (o *op) start(ctx context.Context) {
	o.call.NoWait = false
	o.dispatch(ctx)
}

// send sends the op again. The retrier's goroutine must not wait for one slow server.
func (o *op) send() {
	o.call.NoWait = true
	o.dispatch(context.Background())
}

func (o *op) dispatch(ctx context.Context) {
	r, err := o.t.routeOf(o.partition)
	if err != nil {
		o.addr = ""
		o.failed(err)
		return
	}
	o.addr = r.addr
	o.resp.Server = r.addr // the reply will say the same, and then needs no string of its own
	o.call.Deadline = o.opts.Deadline
	o.call.Timeout = o.attemptTimeout()
	r.conn.StartContext(ctx, &o.call)
}

// attemptTimeout is how long the next attempt may take.
func (o *op) attemptTimeout() time.Duration {
	base := o.t.c.cfg.RPCTimeout
	if o.opts.Timeout > 0 {
		base = o.opts.Timeout
	}
	return growing(base, o.timeouts)
}

// growing doubles with every attempt that got no reply, up to slowestAttempt. A server whose disk stalls does what it was
// asked all the same, when nobody listens any more: asking in short intervals would fill its queue with the same row
// and never hear that it is stored.
func growing(base time.Duration, timeouts int) time.Duration {
	return min(base<<min(timeouts, 10), max(slowestAttempt, base))
}

// failed decides about a failed attempt: again after a pause, or the end.
func (o *op) failed(err error) {
	o.attempts++
	now := time.Now()
	if o.attempts == 1 {
		if o.deadline = o.opts.Deadline; o.deadline.IsZero() {
			o.deadline = now.Add(defaultOpTimeout)
		}
	}
	v := judge(err)
	if v.reroute {
		o.t.refreshSoon()
	}
	o.doubt(err)
	wait := pause(o.attempts - 1)
	if !v.again || o.refusesConditions(err) || now.Add(wait).After(o.deadline) {
		o.end(o.lastError(err))
		return
	}
	if v.reason != reasonTimeout {
		o.prior = err
	} else {
		o.timeouts++
	}
	if o.opts.OnRetry != nil {
		o.opts.OnRetry(Retry{Op: o.name(), Partition: o.partition, Addr: o.addr, Reason: v.reason, Err: err,
			Attempt: o.attempts, Pause: wait})
	}
	o.t.c.retry.add(o, now.Add(wait))
}

// end reports the outcome and gives the op back.
func (o *op) end(err error) {
	ack, tag := o.ack, o.tag
	o.put, o.ack, o.opts = idl.UpdateRequest{}, nil, PutOptions{}
	if o.cond != nil {
		o.cond.set, o.cond.key.Key = idl.CheckAndSetRequest{}, nil
	}
	clear(o.multi.Kvs)
	o.multi.HashKey, o.multi.Kvs = nil, o.multi.Kvs[:0]
	o.attempts, o.timeouts, o.prior = 0, 0, nil
	o.t.ops.Put(o)
	ack.Acked(tag, err)
}

// name is Retry.Op.
func (o *op) name() string {
	switch o.call.RPC {
	case o.t.rpcs.multiPut:
		return "multi_put"
	case o.t.rpcs.checkAndSet:
		return "check_and_set"
	case o.t.rpcs.ttl:
		return "ttl"
	}
	return "put"
}

// lastError wraps the error that ends the op.
func (o *op) lastError(err error) error {
	if changed(err) || shut(err) {
		return err
	}
	detail := explain(err, true)
	if detail == "" && o.prior != nil {
		// The deadline came in the middle of an attempt: what went before says more.
		if detail = "before that: " + o.prior.Error(); explain(o.prior, true) != "" {
			detail += "; " + explain(o.prior, true)
		}
	}
	if code, _ := CodeOf(err); code == idl.ErrInvalidData {
		detail = o.tooLarge()
	} else if o.refusesConditions(err) {
		detail = refusedCondition
	}
	return &OpError{Op: o.name(), Table: o.t.name, Partition: o.partition, Attempts: o.attempts, Detail: detail, Err: err}
}

// tooLarge explains ERR_INVALID_DATA, which is what a server answers to a request above
// its [replication] max_allowed_write_size.
func (o *op) tooLarge() string {
	const limit = "see max_allowed_write_size of the replica servers, 1 MiB by default"
	if o.call.RPC != o.t.rpcs.multiPut {
		hashKey, sortKey, _ := pegkey.Decode(o.put.Key)
		return fmt.Sprintf("row with hash key %q and sort key %q has %d bytes of key and %d of value; %s",
			cut(hashKey), cut(sortKey), len(o.put.Key), len(o.put.Value), limit)
	}
	size := len(o.multi.HashKey)
	for i := range o.multi.Kvs {
		size += len(o.multi.Kvs[i].Key) + len(o.multi.Kvs[i].Value)
	}
	return fmt.Sprintf("%d rows with hash key %q have %d bytes together; %s", len(o.multi.Kvs), cut(o.multi.HashKey), size, limit)
}

// cut shortens a key for an error text.
func cut(key []byte) []byte { return key[:min(len(key), 64)] }
