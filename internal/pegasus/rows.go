package pegasus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// single is one synchronous request about one row.
type single struct {
	op     string
	rpc    string
	raw    []byte
	req    idl.Message // nil for one that holds nothing but the key
	resp   idl.Message
	status func() idl.Status
	write  bool
	absent bool // NotFound is an answer
}

// Get reads a row. found is false for one that is missing or has expired. It repeats
// until ctx ends, or for 60 s when ctx has no deadline. Errors: *OpError,
// *TableChangedError, ErrClosed, the context's.
func (t *Table) Get(ctx context.Context, raw []byte) (value []byte, found bool, err error) {
	var resp idl.GetResponse
	err = t.do(ctx, single{op: "get", rpc: idl.NameGet, raw: raw, resp: &resp, absent: true,
		status: func() idl.Status { return resp.Error }})
	if err != nil || resp.Error == idl.StatusNotFound {
		return nil, false, err
	}
	return resp.Value, true, nil
}

// TTL is the time that a row has left; has is false for a row that never expires or
// that is not there. As Get.
func (t *Table) TTL(ctx context.Context, raw []byte) (left time.Duration, has bool, err error) {
	var resp idl.TTLResponse
	err = t.do(ctx, single{op: "ttl", rpc: idl.NameTTL, raw: raw, resp: &resp, absent: true,
		status: func() idl.Status { return resp.Error }})
	if err != nil || resp.Error == idl.StatusNotFound || resp.TTLSeconds < 0 {
		return 0, false, err
	}
	return time.Duration(resp.TTLSeconds) * time.Second, true, nil
}

// Remove deletes a row, which need not exist. As Get.
func (t *Table) Remove(ctx context.Context, raw []byte) error {
	var resp idl.UpdateResponse
	return t.do(ctx, single{op: "remove", rpc: idl.NameRemove, raw: raw, resp: &resp, write: true,
		status: func() idl.Status { return resp.Error }})
}

// do sends a request until it is answered or its time is over.
func (t *Table) do(ctx context.Context, s single) error {
	partition, hash, err := t.locate(s.raw)
	if err != nil {
		return fmt.Errorf("%s, table %s: %w", s.op, t.name, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultOpTimeout)
		defer cancel()
	}
	timeouts := 0
	for n := 1; ; n++ {
		err := t.try(ctx, s, partition, hash, growing(t.c.cfg.RPCTimeout, timeouts))
		if err == nil {
			return nil
		}
		v := judge(err)
		if v.reroute {
			t.refreshSoon()
		}
		if v.reason == reasonTimeout {
			timeouts++
		}
		if changed(err) || shut(err) {
			return err
		}
		if !v.again || !t.c.rest(ctx, pause(n-1)) {
			e := &OpError{Op: s.op, Table: t.name, Partition: partition, Attempts: n, Detail: explain(err, s.write), Err: err}
			if errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, context.Cause(ctx)) {
				e.Detail, e.Err = "", fmt.Errorf("%w; before that: %w", context.Cause(ctx), err)
			}
			return e
		}
	}
}

// try sends a request once and waits so long for its answer.
func (t *Table) try(ctx context.Context, s single, partition int32, hash uint64, limit time.Duration) error {
	r, err := t.routeOf(partition)
	if err != nil {
		return err
	}
	h := t.header(partition, hash)
	h.TimeoutMs = uint32(limit / time.Millisecond)
	req := s.req
	if req == nil {
		req = &idl.BlobRequest{Key: s.raw}
	}
	if err := r.conn.Call(ctx, h, s.rpc, req, s.resp); err != nil {
		return err
	}
	if st := s.status(); st != idl.StatusOK && (st != idl.StatusNotFound || !s.absent) {
		return &StatusError{RPC: s.rpc, Addr: r.addr, Status: st}
	}
	return nil
}
