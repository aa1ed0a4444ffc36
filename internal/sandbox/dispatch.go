package sandbox

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// dispatch runs the handler of a request and appends its reply to out.
func (s *server) dispatch(q *request, out []byte) []byte {
	entry, known := s.table[q.Name]
	if !known {
		if s.meta != nil && q.RPC != nil && q.RPC.Kind == idl.KindReplica {
			// Assertion "pool THREAD_POOL_REPLICATION not ready": the process is gone.
			s.kill()
			return out
		}
		return q.fail(out, idl.ErrHandlerNotFound)
	}
	if s.meta != nil && s.meta.opening.Load() && q.RPC.Kind == idl.KindMeta {
		return q.fail(out, idl.ErrHandlerNotFound)
	}
	q.op, q.unthrottled, q.forced = entry.op, false, idl.StatusOK
	q.queueFor, q.hook, q.rows = 0, nil, 0
	hook := s.c.hook()
	if hook == nil {
		return entry.run(q, out)
	}
	return s.before(q, out, hook, entry.run)
}

// call describes q to a hook.
func (q *request) call(phase Phase) Call {
	return Call{Cluster: q.srv.c.cfg.Name, Node: q.srv.addr, RPC: q.Name, Gpid: q.Gpid, Phase: phase}
}

// before asks the hook what to do with a request that was not handled yet.
func (s *server) before(q *request, out []byte, hook Hook, h handler) []byte {
	run := func(q *request, out []byte) []byte {
		q.hook = hook
		return s.afterwards(q, out, hook, h)
	}
	switch v := hook(q.call(Before)); v.act {
	case actFail:
		return q.fail(out, v.code)
	case actStatus:
		q.forced = v.status
		return run(q, out)
	case actQueue:
		q.queueFor = v.delay
		return run(q, out)
	case actReplay:
		q.detach().later(v.delay, func(q *request, out []byte) []byte {
			h(q, nil)
			return out
		})
		return q.fail(out, v.code)
	case actDrop:
		return out
	case actDelay:
		q.detach().later(v.delay, run)
		return out
	case actHold:
		q.detach().when(v.until, run)
		return out
	case actCut:
		q.conn.close()
		return out
	case actKill:
		s.kill()
		return out
	case actLoseScans:
		s.loseScans(q.Gpid)
		return run(q, out)
	default:
		return run(q, out)
	}
}

// afterwards runs the handler and asks the hook what to do with its reply.
func (s *server) afterwards(q *request, out []byte, hook Hook, h handler) []byte {
	mark := len(out)
	out = h(q, out)
	if hook == nil || len(out) == mark {
		return out
	}
	switch v := hook(q.call(After)); v.act {
	case actFail:
		return q.fail(out[:mark], v.code)
	case actDrop:
		return out[:mark]
	case actDelay, actHold:
		held := bytes.Clone(out[mark:])
		send := func(_ *request, out []byte) []byte { return append(out, held...) }
		d := q.detach()
		d.hook = nil // this reply has been judged
		if v.act == actDelay {
			d.later(v.delay, send)
		} else {
			d.when(v.until, send)
		}
		return out[:mark]
	case actCut:
		q.conn.write(out[:mark+(len(out)-mark)/2])
		q.conn.close()
		return out[:0]
	case actKill:
		s.kill()
		return out[:mark]
	default:
		return out
	}
}

// loseScans forgets the scan contexts of a partition on this server.
func (s *server) loseScans(gpid idl.Gpid) {
	if s.node == nil {
		return
	}
	if r := s.node.replica(gpid); r != nil {
		r.part.mu.Lock()
		r.scans.clear()
		r.part.mu.Unlock()
	}
}

// after calls f when d has passed, unless the cluster is closed by then.
func (c *Cluster) after(d time.Duration, f func()) {
	c.cfg.Clock.AfterFunc(d, func() {
		if c.begin() {
			defer c.wg.Done()
			f()
		}
	})
}
