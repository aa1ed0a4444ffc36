package pegasus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// defaultProbeTimeout bounds a fence probe whose ctx has no earlier deadline. A fence of
// mode "timeout" never answers.
const defaultProbeTimeout = time.Second

// ProbeResult is what a partition did with a probe.
type ProbeResult struct {
	// Code is ERR_OK when the write was accepted, ERR_INVALID_STATE when it was rejected
	// by a fence, or because the server is not the primary: ask the server which. Empty
	// when there was no answer.
	Code idl.ErrorCode
	// TimedOut: no answer came in time.
	TimedOut bool
	// Primary and Ballot are what the probe was routed by. They prove something only
	// while the meta and the server still say the same afterwards.
	Primary string
	Ballot  int64
}

// ProbeFence sends one delete of a reserved raw key to the partition's primary as far
// as known, without repeating it. The wait ends with ctx or after a second. The error is
// for a probe that was not answered because it could not be sent or its connection was
// lost; any answer, and a time-out, is a result. An answer other than ERR_OK makes the
// client look for the primary again, for the next probe.
func (t *Table) ProbeFence(ctx context.Context, partition int32, key []byte) (ProbeResult, error) {
	return t.probe(ctx, partition, key, func(ctx context.Context, r *route, h idl.RequestHeader) (idl.Status, error) {
		var resp idl.UpdateResponse
		err := r.conn.Call(ctx, h, idl.NameRemove, &idl.BlobRequest{Key: key}, &resp)
		return resp.Error, err
	})
}

// ProbeRead is ProbeFence with one read of the key: whether the row exists does not matter.
func (t *Table) ProbeRead(ctx context.Context, partition int32, key []byte) (ProbeResult, error) {
	return t.probe(ctx, partition, key, func(ctx context.Context, r *route, h idl.RequestHeader) (idl.Status, error) {
		var resp idl.GetResponse
		err := r.conn.Call(ctx, h, idl.NameGet, &idl.BlobRequest{Key: key}, &resp)
		if resp.Error == idl.StatusNotFound {
			resp.Error = idl.StatusOK
		}
		return resp.Error, err
	})
}

func (t *Table) probe(ctx context.Context, partition int32, key []byte,
	call func(context.Context, *route, idl.RequestHeader) (idl.Status, error)) (ProbeResult, error) {
	at, hash, err := t.locate(key)
	switch {
	case err != nil:
		return ProbeResult{}, fmt.Errorf("probe of table %s partition %d: %w", t.name, partition, err)
	case at != partition:
		return ProbeResult{}, fmt.Errorf("probe of table %s partition %d: the key belongs to partition %d", t.name, partition, at)
	}
	r, err := t.routeOf(partition)
	if err != nil {
		t.refreshSoon()
		return ProbeResult{}, fmt.Errorf("probe of table %s partition %d: %w", t.name, partition, err)
	}
	res := ProbeResult{Primary: r.addr, Ballot: r.ballot}
	limit := min(defaultProbeTimeout, t.c.cfg.RPCTimeout)
	probing, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h := t.header(partition, hash)
	h.TimeoutMs = uint32(max(limit/time.Millisecond, 1))
	status, err := call(probing, r, h)
	var he *wire.HeaderError
	switch {
	case err == nil && status == idl.StatusOK:
		res.Code = idl.ErrOK
		return res, nil
	case err == nil:
		return res, fmt.Errorf("probe of table %s partition %d: %w", t.name, partition,
			&StatusError{RPC: "probe", Addr: r.addr, Status: status})
	}
	t.refreshSoon()
	switch {
	case errors.As(err, &he):
		res.Code = he.Code
		return res, nil
	case errors.Is(err, context.DeadlineExceeded) && !errors.Is(ctx.Err(), context.Canceled) && wire.MaybeSent(err):
		res.TimedOut = true
		return res, nil
	}
	return res, fmt.Errorf("probe of table %s partition %d: %w", t.name, partition, err)
}
