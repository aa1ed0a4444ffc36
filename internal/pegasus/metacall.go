package pegasus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// metaReply is a response struct P of type R that tells its code.
type metaReply[R any] interface {
	*R
	idl.Message
}

// metaOp is one meta request.
type metaOp struct {
	rpc *idl.RPC
	req idl.Message
	// once forbids to send the request again after it may have arrived.
	once bool
	// limit is how long the request may take in all, and one server for its answer when once is set.
	limit time.Duration
	// code reads the error code out of a response.
	code func(idl.Message) idl.ErrorCode
}

// askMeta sends a request to the leader and returns its response, whatever its code
// says except that the sender does not lead.
func askMeta[R any, P metaReply[R]](ctx context.Context, c *Cluster, name string, req idl.Message, once bool,
	code func(P) idl.ErrorCode) (P, string, error) {
	return askMetaLong(ctx, c, name, req, once, c.cfg.ClusterTimeout, code)
}

// askMetaLong is askMeta for requests that keep the meta busy for longer: limit, or ClusterTimeout if
// that is more.
func askMetaLong[R any, P metaReply[R]](ctx context.Context, c *Cluster, name string, req idl.Message, once bool,
	limit time.Duration, code func(P) idl.ErrorCode) (P, string, error) {
	rpc, ok := idl.Lookup(name)
	if !ok {
		return nil, "", fmt.Errorf("%s: no such request is known", name)
	}
	op := metaOp{rpc: rpc, req: req, once: once, limit: max(limit, c.cfg.ClusterTimeout),
		code: func(m idl.Message) idl.ErrorCode { return code(m.(P)) }}
	resp, addr, err := c.metaCall(ctx, op)
	if err != nil {
		return nil, addr, fmt.Errorf("cluster %q: %w", c.cfg.Name, err)
	}
	return resp.(P), addr, nil
}

// metaCall follows the leader until the request is answered, its time is over, or it
// must not be sent again.
func (c *Cluster) metaCall(ctx context.Context, op metaOp) (idl.Message, string, error) {
	ctx, cancel := context.WithTimeout(ctx, op.limit)
	defer cancel()
	ctx, end := c.lifetime(ctx)
	defer end()
	var last error           // why the attempt before did not end it
	var ready *wire.MetaConn // answered as a leader at work, although not to this request
	for n := 0; ; n++ {
		m := c.currentLeader()
		if m == nil {
			var err error
			if m, err = c.findLeader(ctx, 0); err != nil {
				return nil, "", errors.Join(last, err)
			}
		}
		resp, err := c.attempt(ctx, m, op)
		again, err := c.judgeMeta(m.Addr(), op, resp, err)
		if !again && err == nil && op.looksUpFirst() && op.code(resp) == idl.ErrInvalidParameters && !c.ask(ctx, m).leads {
			again, err = true, &MetaError{RPC: op.rpc.Name, Addr: m.Addr(), Code: idl.ErrInvalidParameters}
		}
		switch {
		case !again:
			return resp, m.Addr(), err
		case ready == m && inactive(err):
			return resp, m.Addr(), nil // the caller sees the code
		case inactive(err) && c.ask(ctx, m).leads:
			// It became ready in between, or the request is for a service that is switched
			// off (duplication_enabled = false): the next answer tells.
			ready, last = m, err
			continue
		}
		c.forgetLeader(m.Addr())
		last, ready = err, nil
		if !c.rest(ctx, pause(n)) {
			return nil, m.Addr(), err
		}
	}
}

// looksUpFirst tells whether a meta looks for the request's app id before it looks whether it leads. One that does not
// lead, or has not loaded its tables yet, knows no id and answers ERR_INVALID_PARAMETERS, having done nothing
// (src/meta/meta_service.cpp, CHECK_APP_ID_STATUS_AND_AUTHZ).
func (op metaOp) looksUpFirst() bool {
	switch op.rpc.Name {
	case idl.NameStartBackupApp, idl.NameQueryBackupStatus, idl.NameQueryRestoreStatus:
		return true
	}
	return false
}

// inactive tells whether a meta's answer is ERR_SERVICE_NOT_ACTIVE, in its body. A leader that is
// still starting says so to everything, a leader at work about a service that it does not run
// (src/meta/meta_service.cpp, on_query_duplication_info).
func inactive(err error) bool {
	var me *MetaError
	return errors.As(err, &me) && me.Code == idl.ErrServiceNotActive
}

// judgeMeta decides about one attempt: whether to go on, and otherwise its error.
func (c *Cluster) judgeMeta(addr string, op metaOp, resp idl.Message, err error) (again bool, _ error) {
	var he *wire.HeaderError
	switch {
	case err == nil:
		code := op.code(resp)
		if code == idl.ErrForwardToOthers || notReady(code) {
			return true, &MetaError{RPC: op.rpc.Name, Addr: addr, Code: code}
		}
		return false, nil
	case errors.As(err, &he):
		// These are answers of a server that has not executed the request.
		busy := he.Code == idl.ErrBusy || he.Code == idl.ErrForwardToOthers || notReady(he.Code)
		return busy, err
	case op.once && wire.MaybeSent(err):
		return false, fmt.Errorf("%w: %w (ask the cluster before doing it again)", ErrOutcomeUnknown, err)
	case errors.Is(err, wire.ErrProtocol) && !isConnError(err):
		return false, err // an unreadable answer of the leader stays unreadable
	case shut(err):
		return false, err
	default:
		return true, err
	}
}

// notReady tells whether a code is what a leader answers that has not loaded its state
// (src/meta/meta_service.h, check_leader_status).
func notReady(code idl.ErrorCode) bool {
	return code == idl.ErrServiceNotActive || code == idl.ErrUnderRecovery
}

// attempt sends the request to one meta. When that is silent for a second the others
// are asked, and if another one leads, the attempt is given up.
func (c *Cluster) attempt(ctx context.Context, m *wire.MetaConn, op metaOp) (idl.Message, error) {
	limit := c.cfg.RPCTimeout
	if op.once {
		limit = op.limit // giving up early would only lose the answer
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp := op.rpc.NewResponse()
	result := make(chan error, 1)
	go func() { result <- m.Call(ctx, c.metaHeader(ctx), op.rpc.Name, op.req, resp) }()
	hedge := time.NewTimer(hedgeAfter)
	defer hedge.Stop()
	other := make(chan *wire.MetaConn, 1)
	for {
		select {
		case err := <-result:
			return resp, err
		case <-hedge.C:
			go func() {
				leader, _ := c.askAll(ctx, m.Addr())
				other <- leader
			}()
		case leader := <-other:
			if leader == nil {
				hedge.Reset(hedgeAfter)
				continue
			}
			c.setLeader(leader.Addr())
			cancel()
		}
	}
}

// metaHeader is the header of a request without a partition; its timeout is what is
// left of ctx.
func (c *Cluster) metaHeader(ctx context.Context) idl.RequestHeader {
	left := c.cfg.RPCTimeout
	if d, ok := ctx.Deadline(); ok {
		left = time.Until(d)
	}
	return idl.RequestHeader{TimeoutMs: uint32(max(left/time.Millisecond, 1))}
}

// isConnError tells whether err is about a connection rather than about one answer.
func isConnError(err error) bool {
	var ce *wire.ConnError
	return errors.As(err, &ce)
}

// refusal turns a code other than ERR_OK into an error.
func refusal(c *Cluster, rpc, addr string, code idl.ErrorCode, hint string) error {
	if code.OK() {
		return nil
	}
	return fmt.Errorf("cluster %q: %w", c.cfg.Name, &MetaError{RPC: rpc, Addr: addr, Code: code, Hint: hint})
}
