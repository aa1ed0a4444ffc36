package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// errContextLost is why a scan begins anew: the server has dropped its context after
// five minutes, a restart or a move, or says nothing that could be continued.
var errContextLost = errors.New("scan context lost")

// reasonContextLost is its Retry.Reason.
const reasonContextLost = "scan context lost"

// maxLost bounds how often in a row contexts may get lost without a row in between: a
// server that answers, but with contexts that are never there, or that never gets from one row to the
// next in the time that it is given, would keep a scan busy for ever.
const maxLost = 200

// vagueProof is how many get_scanner replies in a row with neither rows nor a usable
// context id mean that there are no rows: by its source a server leaves the id at 0 for
// an empty range. One alone might also be a reply that went wrong.
const vagueProof = 2

// reply looks at a good reply. ready means that page is to be delivered; an error ends
// the scan.
func (s *Scan) reply(ctx context.Context) (page Page, ready bool, err error) {
	b, resp, status := s.buf, &s.buf.resp, s.buf.resp.Error
	switch {
	case status == idl.StatusNotFound:
		return Page{}, false, s.recover(ctx, errContextLost, reasonContextLost)
	case s.counting && (status == idl.StatusIncomplete || resp.ContextID == 0 && counted(resp) > 0):
		s.countByKeys()
		return Page{}, false, nil
	case status == idl.StatusIncomplete && len(resp.Kvs) == 0:
		s.batch = max(s.batch/4, 1)
		return Page{}, false, s.recover(ctx, s.statusError(status), "")
	case status != idl.StatusOK && status != idl.StatusIncomplete:
		return Page{}, false, s.recover(ctx, s.statusError(status), "")
	}
	if err := s.inOrder(resp.Kvs); err != nil {
		return Page{}, false, err
	}
	if s.took <= s.spec.Timeout/2 {
		s.timeouts = 0
	}
	last := false
	if status == idl.StatusOK {
		if last, err = s.keepContext(ctx, resp); err != nil {
			return Page{}, false, err
		}
	}
	if s.spec.CountOnly {
		return s.addCount(resp, last)
	}
	rows := len(resp.Kvs)
	if rows > 0 {
		s.failures, s.lost = 0, 0
	}
	if rows == 0 && !last {
		// Expired and filtered rows use up the server's batch: this is not the end, and
		// it is progress.
		s.pageBegan = time.Now()
		return Page{}, false, nil
	}
	b.fill(s.spec.NoValue)
	if rows > 0 {
		s.after = append(s.after[:0], b.rows[rows-1].Key...)
		s.adapt(rows, len(b.frame), last)
	}
	b.lent.Store(true)
	s.buf = nil
	return Page{Rows: b.rows, Bytes: len(b.frame), Last: last, buf: b}, true, nil
}

// keepContext takes the context id of a reply without error; last is the end of the
// partition. Exactly -1 is the end, any other number but 0 is a context.
func (s *Scan) keepContext(ctx context.Context, resp *idl.ScanResponse) (last bool, err error) {
	switch {
	case resp.ContextID == idl.ScanDone:
		return true, nil
	case resp.ContextID != 0:
		s.contextID, s.held, s.vague = resp.ContextID, true, 0
		return false, nil
	case s.opening && len(resp.Kvs) == 0:
		s.vague++
		if s.vague >= vagueProof {
			return true, nil
		}
		return false, s.recover(ctx, errContextLost, reasonContextLost)
	case len(resp.Kvs) == 0:
		s.vague = 0
		return false, s.recover(ctx, errContextLost, reasonContextLost)
	default:
		// Go on behind the rows that came, with a new context.
		s.vague = 0
		return false, nil
	}
}

// counted is the number of rows that the server has counted.
func counted(resp *idl.ScanResponse) int32 {
	if resp.KvCount == nil {
		return 0
	}
	return *resp.KvCount
}

// inOrder checks that keys rise strictly, from behind the last one delivered. A reply
// that does not would make rows come twice or never.
func (s *Scan) inOrder(kvs []idl.KeyValue) error {
	last := s.after
	for i := range kvs {
		if bytes.Compare(kvs[i].Key, last) <= 0 {
			return s.fatal(fmt.Errorf("%s sent key %x after key %x", s.sent.addr, cut(kvs[i].Key), cut(last)))
		}
		last = kvs[i].Key
	}
	return nil
}

// adapt fits the batch to the size of rows seen. The batch is the context's: another
// one needs another context, so that small differences are left alone.
func (s *Scan) adapt(rows, size int, last bool) {
	ideal := int32(min(max(pageTarget/max(size/rows, 1), 1), maxBatch))
	switch {
	case last:
		return
	case size > 2*pageTarget && ideal < s.batch:
		s.batch = ideal
	case s.mayGrow && rows >= int(s.batch) && ideal >= 2*s.batch:
		s.batch, s.mayGrow = ideal, false
	default:
		return
	}
	if s.held {
		s.drop()
	}
}

// addCount adds a reply to the count.
func (s *Scan) addCount(resp *idl.ScanResponse, last bool) (page Page, ready bool, err error) {
	if resp.KvCount != nil {
		s.count += int64(*resp.KvCount)
		s.failures = 0
	} else if n := len(resp.Kvs); n > 0 {
		// 2.4 knows no count and sends the rows; from here on a lost context costs nothing.
		s.count += int64(n)
		s.after = append(s.after[:0], resp.Kvs[n-1].Key...)
		s.counting = false
	}
	if last {
		return Page{Count: s.count, Last: true}, true, nil
	}
	s.pageBegan = time.Now()
	return Page{}, false, nil
}

// countByKeys begins the count anew, by keys instead of by the server: a server's count
// names no row behind which it could go on.
func (s *Scan) countByKeys() {
	s.counting, s.count, s.held = false, 0, false
	s.after = append(s.after[:0], s.spec.After...)
}

// recover prepares another attempt after a failed one, pauses, and returns nil; or it
// returns the error that ends the scan. An empty reason is judge's.
func (s *Scan) recover(ctx context.Context, err error, reason string) error {
	s.held = false
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v := judge(err)
	if reason != "" {
		v = verdict{again: true, reason: reason}
	}
	if v.reroute {
		s.t.refreshSoon()
	}
	if s.counting && s.count > 0 {
		if s.recounts++; s.recounts > 1 {
			s.countByKeys()
		} else {
			s.count = 0
		}
	}
	if v.reason == reasonTimeout {
		s.timeouts++
	}
	if errors.Is(err, wire.ErrFrameTooLarge) {
		s.batch = max(s.batch/8, 1)
	}
	s.failures++
	if !s.opening {
		s.lost++
	}
	wait := pause(s.failures - 1)
	if reason != "" && s.failures == 1 {
		wait = 0 // nobody is in trouble
	}
	hopeless := s.lost > maxLost || reason == reasonContextLost && s.failures > maxLost
	if !v.again || hopeless || time.Since(s.pageBegan)+wait > s.spec.PageTimeout {
		return s.fatal(err)
	}
	if s.spec.OnRetry != nil {
		s.spec.OnRetry(Retry{Op: "scan", Partition: s.spec.Partition, Addr: s.sent.addr, Reason: v.reason, Err: err,
			Attempt: s.failures, Pause: wait})
	}
	if !s.t.c.rest(ctx, wait) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return ErrClosed
	}
	return nil
}

// statusError is a storage status of the reply at hand.
func (s *Scan) statusError(status idl.Status) error {
	return &StatusError{RPC: s.call.RPC.Name, Addr: s.sent.addr, Status: status}
}

// fatal is the error that ends the scan.
func (s *Scan) fatal(err error) error {
	if changed(err) || shut(err) {
		return err
	}
	return &OpError{Op: "scan", Table: s.t.name, Partition: s.spec.Partition, Attempts: s.failures,
		Detail: explain(err, false), Err: err}
}
