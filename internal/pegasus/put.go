package pegasus

import (
	"context"
	"errors"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// errEmptyHashKey is why rows with an empty hash key cannot share a request: servers
// accept them in single-row requests only.
var errEmptyHashKey = errors.New("a multi_put needs a hash key")

// Put writes one row, expiry included, and calls done exactly once, on a goroutine of
// the connection or, when the write fails at once, on this one; done must not block.
// The write is repeated until the deadline of opts for as long as the cause may go
// away. Key and value must stay unchanged until done. Put blocks only while the
// connection's write buffer is full, at most for the RPC timeout.
//
// Errors: *OpError, *TableChangedError, ErrClosed.
func (t *Table) Put(row Row, opts PutOptions, done func(error)) {
	t.Send(context.Background(), row, &opts, ackFunc(done), 0)
}

// MultiPut writes rows of one hash key with one expiry in one request; as Put. The
// hash key must not be empty, and the request must be under the servers' limit (1 MiB
// by default).
func (t *Table) MultiPut(hashKey []byte, kvs []KV, expire uint32, opts PutOptions, done func(error)) {
	t.SendMulti(context.Background(), hashKey, kvs, expire, &opts, ackFunc(done), 0)
}

// Send is Put for many rows: it allocates nothing, ack is told of the outcome with the
// given tag, opts is copied, and the wait for room in the write buffer also ends with
// ctx (then the row was not sent). Once sent, ctx has no influence on the row. The outcome is ErrKept
// when opts forbid to overwrite and there is a row.
func (t *Table) Send(ctx context.Context, row Row, opts *PutOptions, ack Acker, tag uint64) {
	o := t.ops.Get().(*op)
	o.ack, o.tag, o.opts = ack, tag, *opts
	o.call.RPC, o.call.Resp = t.rpcs.put, &o.resp
	o.put = idl.UpdateRequest{Key: row.Key, Value: row.Value, ExpireTsSeconds: int32(row.Expire)}
	o.call.Req = &o.put
	partition, hash, err := t.locate(row.Key)
	o.partition = partition
	if err != nil {
		o.attempts = 1
		o.end(o.lastError(err))
		return
	}
	o.call.Header = t.header(partition, hash)
	o.condition(row)
	o.start(ctx)
}

// SendMulti is MultiPut as Send is Put. kvs itself is copied, the keys and values in it
// must stay unchanged until the acknowledgement. It fails unless opts allow to overwrite.
func (t *Table) SendMulti(ctx context.Context, hashKey []byte, kvs []KV, expire uint32, opts *PutOptions, ack Acker, tag uint64) {
	o := t.ops.Get().(*op)
	o.ack, o.tag, o.opts = ack, tag, *opts
	o.call.RPC, o.call.Resp = t.rpcs.multiPut, &o.resp
	o.multi.HashKey, o.multi.ExpireTsSeconds = hashKey, int32(expire)
	for _, kv := range kvs {
		o.multi.Kvs = append(o.multi.Kvs, idl.KeyValue{Key: kv.SortKey, Value: kv.Value})
	}
	o.call.Req = &o.multi
	hash := pegkey.Hash(hashKey, nil)
	o.partition = pegkey.Partition(hash, t.count)
	if len(hashKey) == 0 || len(hashKey) > pegkey.MaxHashKey {
		o.attempts = 1
		o.end(o.lastError(errEmptyHashKey))
		return
	}
	if opts.Overwrite != OverwriteAlways {
		o.attempts = 1
		o.end(o.lastError(errMultiOverwrites))
		return
	}
	o.call.Header = t.header(o.partition, hash)
	o.start(ctx)
}
