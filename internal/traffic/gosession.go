package traffic

import (
	"context"
	"errors"
	"sync"

	"github.com/apache/incubator-pegasus/go-client/idl/base"
	"github.com/apache/incubator-pegasus/go-client/rpc"
	"github.com/apache/incubator-pegasus/go-client/session"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// trace follows the requests of one operation through the Go client, which tells its caller neither
// which server answered nor whether a request was sent. It travels in the context.
type trace struct {
	mu sync.Mutex
	r  Result
}

// traceKey is the context key of a trace.
type traceKey struct{}

func traced(ctx context.Context) (context.Context, *trace) {
	t := &trace{r: Result{Code: idl.ErrTimeout}}
	return context.WithValue(ctx, traceKey{}, t), t
}

// note takes down how a request ended.
func (t *trace) note(addr string, sent bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent {
		t.r.Attempts++
	}
	var code base.DsnErrCode
	switch {
	case err == nil:
		t.r.Code, t.r.Server = idl.ErrOK, addr
	case errors.As(err, &code):
		t.r.Code, t.r.Server = idl.ErrorCode(code.String()), ""
		t.r.Unsure = t.r.Unsure || !refuses(t.r.Code)
	default:
		t.r.Server = ""
		t.r.Unsure = t.r.Unsure || sent
	}
}

// result is what the operation came to; err is the Go client's own.
func (t *trace) result(op string, err error) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r
	if err != nil {
		r.Server = ""
		r.Err = &OperationError{Op: op, Code: r.Code, Attempts: r.Attempts, Cause: err}
	}
	return r
}

// goSession is a connection of the Go client that notes in traces what happens on it.
type goSession struct {
	session.NodeSession
	addr string
	kind session.NodeType
	// lost is told when a request fails because the connection is not there any more.
	lost func()
	// queried is told of each request to a meta.
	queried func()
}

// CallWithGpid implements session.NodeSession.
func (s *goSession) CallWithGpid(ctx context.Context, gpid *base.Gpid, hash uint64, args session.RpcRequestArgs, name string) (session.RpcResponseResult, error) {
	if s.kind == session.NodeTypeMeta {
		s.queried()
		return s.NodeSession.CallWithGpid(ctx, gpid, hash, args, name)
	}
	ready := s.ConnState() == rpc.ConnStateReady
	result, err := s.NodeSession.CallWithGpid(ctx, gpid, hash, args, name)
	state := s.ConnState()
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		// A request for which there never was a connection was not sent.
		t.note(s.addr, ready || state == rpc.ConnStateReady, err)
	}
	var code base.DsnErrCode
	if err != nil && !errors.As(err, &code) && state == rpc.ConnStateTransientFailure {
		s.lost()
	}
	return result, err
}
