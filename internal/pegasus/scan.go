package pegasus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Sizes of a scan's batches. Servers bound a batch in rows, not in bytes
// ([pegasus.server] rocksdb_max_iteration_count), so the client has to.
const (
	maxBatch = 1000
	// firstBatch is asked for while the size of rows is unknown.
	firstBatch = 256
	// pageTarget is the size in bytes that batches are adapted to.
	pageTarget = 4 << 20
)

const (
	// defaultPageTimeout is ScanSpec.PageTimeout when it is zero: several times the
	// server's own time limit of 30 s for one batch.
	defaultPageTimeout = 2 * time.Minute
	// slowestPage is how long one request of a scan may take after shorter time-outs
	// have failed: above the server's rocksdb_iteration_threshold_time_ms (30 s), so that
	// a range full of deleted rows is got over in the end.
	slowestPage = 40 * time.Second
)

// errScanClosed is what Next returns after Close.
var errScanClosed = errors.New("the scan was closed")

// ScanSpec says what a Scan reads.
type ScanSpec struct {
	Partition int32
	// After is the raw key behind which the scan begins, nil for the first row.
	After []byte
	// Through is the raw key with which the scan ends, nil for the end of the partition. It must have
	// the form of a key: a length and at least that many bytes.
	Through []byte
	// HashKey and SortKey let the server leave rows out. Pages get shorter by it; a server may
	// ignore them.
	HashKey, SortKey KeyFilter
	// Batch is the number of rows per page, at most 1000. 0 lets the scan begin with 256
	// and adapt to the size of the rows, aiming at 4 MiB per page.
	Batch int
	// PageTimeout is how long one page may take with all its repetitions (default 2
	// minutes).
	PageTimeout time.Duration
	// Timeout is how long one request may take before it is sent again, longer after each one that
	// took too long; 0 means Config.RPCTimeout.
	Timeout time.Duration
	// NoValue leaves the values out.
	NoValue bool
	// CountOnly counts rows on the server and gives one Page with the Count.
	CountOnly bool
	// OnRetry is told of every repetition, on the goroutine that calls Next. May be nil.
	OnRetry func(Retry)
}

// KeyFilter is what the server compares hash keys or sort keys with. The zero value takes every key.
type KeyFilter struct {
	Type    idl.FilterType
	Pattern []byte
}

// Scan reads one partition. Its pages come from one snapshot of the partition for as
// long as nothing forces it to begin anew behind the last row; then from a newer one.
// It is not safe for concurrent use.
type Scan struct {
	t    *Table
	spec ScanSpec

	call    wire.Call
	open    idl.GetScannerRequest
	next    idl.ScanRequest
	done    chan struct{} // capacity 1: the request in flight has ended
	flying  bool
	opening bool  // the request in flight is a get_scanner
	sent    route // where it went
	buf     *pageBuf
	closed  atomic.Bool

	contextID int64 // live on sent, when held
	held      bool
	after     []byte // the last key delivered; own copy
	batch     int32
	mayGrow   bool // the batch has not been adapted upwards yet
	counting  bool // rows are counted by the server
	count     int64
	recounts  int
	vague     int           // get_scanner replies in a row with context 0 and no rows
	failures  int           // in a row
	lost      int           // contexts in a row, without a row in between
	timeouts  int           // since requests were answered quickly
	asked     time.Time     // when the request in flight was sent
	took      time.Duration // the one that has ended
	pageBegan time.Time
	over      error // what Next returns from now on
}

// NewScan prepares a scan; the first Next sends the first request. Close it.
func (t *Table) NewScan(spec ScanSpec) *Scan {
	s := &Scan{t: t, spec: spec, done: make(chan struct{}, 1)}
	if s.spec.PageTimeout <= 0 {
		s.spec.PageTimeout = defaultPageTimeout
	}
	if s.spec.Timeout <= 0 {
		s.spec.Timeout = t.c.cfg.RPCTimeout
	}
	s.batch = int32(min(spec.Batch, maxBatch))
	if spec.Batch <= 0 {
		s.batch, s.mayGrow = firstBatch, true
	}
	s.counting = spec.CountOnly
	if s.counting {
		s.batch, s.mayGrow = maxBatch, false
	}
	s.after = append(s.after, spec.After...)
	s.call.OwnFrame = true
	s.call.Done = s.ended
	if spec.Partition < 0 || spec.Partition >= t.count {
		s.over = fmt.Errorf("scan, table %s: no partition %d of %d", t.name, spec.Partition, t.count)
	}
	return s
}

// Next returns the next page; the caller should Release it. After the last page the
// error is io.EOF. While a page is in the caller's hands the one behind it is already
// being read. Next repeats what may be repeated, reports it to OnRetry, and returns
// when ctx ends; the scan can go on afterwards.
//
// Errors: io.EOF, the context's, *OpError, *TableChangedError, ErrClosed. All but the
// context's end the scan; what was delivered before is whole and in order.
func (s *Scan) Next(ctx context.Context) (Page, error) {
	if s.over != nil {
		return Page{}, s.over
	}
	s.pageBegan = time.Now()
	for {
		page, ready, err := s.step(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return Page{}, context.Cause(ctx)
		case err != nil:
			s.over = err
			return Page{}, err
		case ready && page.Last:
			s.over = io.EOF
			return page, nil
		case ready:
			// Read ahead. A failure shows in the Next that needs the page.
			_ = s.request(ctx)
			return page, nil
		}
	}
}

// step gets one reply and looks at it. ready means that page is to be delivered.
func (s *Scan) step(ctx context.Context) (page Page, ready bool, err error) {
	if err := s.request(ctx); err != nil {
		return Page{}, false, s.recover(ctx, err, "")
	}
	select {
	case <-s.done:
		s.flying = false
		// Nil when the reader is still writing into it for a request that has ended.
		s.buf.frame = s.call.Frame
	case <-ctx.Done():
		return Page{}, false, context.Cause(ctx)
	}
	var given *wire.AbandonedError
	switch err := s.call.Err; {
	case err == nil:
		return s.reply(ctx)
	case errors.As(err, &given):
		return Page{}, false, nil // not sent, because of a ctx that has ended since
	case s.throttled(err):
		if err := s.recover(ctx, err, ""); err != nil {
			return Page{}, false, err
		}
		s.held = true
		s.lost--
		return Page{}, false, nil
	default:
		return Page{}, false, s.recover(ctx, err, "")
	}
}

// throttled tells whether a context outlives the failed request that named it: servers test for
// throttling before they take a context out (pegasus_server_impl.cpp, on_scan). One that is given
// up there pins a snapshot for five minutes. A count is begun anew after any failure.
func (s *Scan) throttled(err error) bool {
	code, _ := CodeOf(err)
	return code == idl.ErrBusy && !s.opening && !s.counting
}

// request sends the next request unless one is in flight.
func (s *Scan) request(ctx context.Context) error {
	if s.flying {
		return nil
	}
	r, err := s.t.routeOf(s.spec.Partition)
	if err != nil {
		s.opening, s.held = !s.held, false
		s.sent = route{}
		return err
	}
	// A context belongs to one replica in one role; a new ballot may be another one.
	if s.held && (r.addr != s.sent.addr || r.ballot != s.sent.ballot) {
		s.drop()
	}
	s.sent, s.opening = *r, !s.held
	if s.buf == nil {
		s.buf = takeBuf(&s.t.pages)
	}
	// Requests for a whole partition carry its index as hash, as in Apache's clients.
	s.call.Header = s.t.header(s.spec.Partition, uint64(s.spec.Partition))
	s.call.Timeout = s.attemptTimeout()
	s.call.Resp, s.call.Frame = &s.buf.resp, s.buf.frame
	if s.opening {
		s.call.RPC, s.call.Req = s.t.rpcs.getScanner, s.openRequest()
	} else {
		s.next.ContextID = s.contextID
		s.call.RPC, s.call.Req = s.t.rpcs.scan, &s.next
	}
	s.held = false // a context is used up by the request that names it
	s.flying = true
	s.asked = time.Now()
	r.conn.StartContext(ctx, &s.call)
	return nil
}

// openRequest asks for the rows behind the last one delivered.
func (s *Scan) openRequest() *idl.GetScannerRequest {
	yes := true
	s.open = idl.GetScannerRequest{
		StartKey: []byte{0, 0}, StartInclusive: true,
		StopKey:   []byte{0xff, 0xff}, // no key: a hash key has at most 65534 bytes
		BatchSize: s.batch,
		NoValue:   s.spec.NoValue || s.spec.CountOnly,
		// The server drops what a split has left behind, if the table's env says so.
		ValidatePartitionHash: &yes,
		ReturnExpireTs:        &yes,
		FullScan:              &yes,
		HashKeyFilterType:     s.spec.HashKey.Type, HashKeyFilterPattern: s.spec.HashKey.Pattern,
		SortKeyFilterType: s.spec.SortKey.Type, SortKeyFilterPattern: s.spec.SortKey.Pattern,
	}
	if len(s.spec.Through) > 0 {
		s.open.StopKey, s.open.StopInclusive = s.spec.Through, true
	}
	if len(s.after) > 0 {
		s.open.StartKey, s.open.StartInclusive = s.after, false
	}
	if s.counting {
		s.open.OnlyReturnCount = &yes
	}
	return &s.open
}

// attemptTimeout doubles with every time-out, up to slowestPage, and stays there for as long as the server is slow: a
// context is used up by the request that names it, so that a scan whose every request times out once would read the
// same rows for ever where nothing of them is delivered, expired ones for example.
func (s *Scan) attemptTimeout() time.Duration {
	return min(s.spec.Timeout<<min(s.timeouts, 10), max(slowestPage, s.spec.Timeout))
}

// ended is the Done of the request in flight.
func (s *Scan) ended(c *wire.Call) {
	s.took = time.Since(s.asked)
	if s.closed.Load() && c.Err == nil {
		s.clear(s.buf.resp.ContextID)
	}
	s.done <- struct{}{}
}

// Close ends the scan and lets the server forget its context, without waiting for
// that. Pages that were delivered stay valid.
func (s *Scan) Close() {
	if s.closed.Swap(true) {
		return
	}
	if s.over == nil {
		s.over = errScanClosed
	}
	if s.held {
		s.drop()
	}
	if s.flying {
		select {
		case <-s.done:
			if s.call.Err == nil {
				s.clear(s.buf.resp.ContextID)
			}
		default:
			// ended clears the context when the reply comes.
		}
	}
}

// drop gives the held context up.
func (s *Scan) drop() {
	s.held = false
	s.clear(s.contextID)
}

// clear tells the server to forget a context; there is never an answer.
func (s *Scan) clear(context int64) {
	if context != idl.ScanDone && context != 0 && s.sent.conn != nil {
		s.sent.conn.Send(s.t.header(s.spec.Partition, uint64(s.spec.Partition)), idl.NameClearScanner,
			&idl.ClearScannerRequest{ContextID: context})
	}
}
