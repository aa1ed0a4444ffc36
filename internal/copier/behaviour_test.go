package copier

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// A cancelled copy sends nothing more, waits a moment for answers, saves, and is back in time even
// when the answers never come.
func TestCopyStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := fill(8, 3000, 1, 50)
		dst := newTarget(2, 1)
		var dead atomic.Bool
		dst.mu.Lock()
		dst.hold = dead.Load
		dst.mu.Unlock()
		j := newJournal(src, dst)
		ctx, cancel := context.WithCancelCause(t.Context())
		opts := Options{InFlight: 100, RowsPerSecond: 1000}
		go func() {
			time.Sleep(1500 * time.Millisecond) // the clock of the bubble, not a real wait
			dead.Store(true)
			cancel(errors.New("interrupt"))
		}()
		_, err := Run(ctx, src, dst, nil, opts, j.save, nil)
		took := time.Now()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if len(j.errors) > 0 {
			t.Error(j.errors)
		}
		sent := dst.singles + dst.multi
		time.Sleep(10 * time.Second)
		if late := dst.singles + dst.multi - sent; late > 0 {
			t.Errorf("%d writes after the end", late)
		}
		if d := took.Sub(j.now); d > 1500*time.Millisecond+2*time.Second {
			t.Errorf("took %v", d)
		}
		dst.close()
	})
}

// A worker that is stuck in a full connection does not keep a cancelled copy from ending.
func TestCopyLeavesAStuckWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := fill(2, 100, 1, 50)
		stuck := &stuckTarget{release: make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := Run(ctx, src, stuck, nil, Options{}, func([]Cursor) error { return nil }, nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(stuck.release)
		synctest.Wait()
	})
}

// stuckTarget blocks every write.
type stuckTarget struct{ release chan struct{} }

func (s *stuckTarget) Send(context.Context, Row, *PutOptions, Acker, uint64) { <-s.release }

func (s *stuckTarget) SendMulti(context.Context, []byte, []KV, uint32, *PutOptions, Acker, uint64) {
	<-s.release
}

// What a resumed copy reads again is bounded in time, whatever keeps one row from being written.
func TestCopyDoesNotRunAheadOfALostWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := fill(1, 40_000, 1, 10)
		dst := newTarget(2, 1)
		lost := &losing{Target: dst, after: 500}
		j := newJournal(src, dst)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := Run(ctx, src, lost, nil, Options{RowsPerSecond: 1000}, j.save, nil)
		if !errors.Is(err, context.DeadlineExceeded) || len(j.errors) > 0 {
			t.Errorf("%v, %v", err, j.errors)
		}
		if ahead := uint64(len(dst.rows)) - j.last[0].Rows; ahead > 3500 || ahead < 100 {
			t.Errorf("%d rows are acknowledged behind the cursor", ahead)
		}
		dst.close()
	})
}

// losing never acknowledges one write.
type losing struct {
	Target
	after int
}

func (l *losing) Send(ctx context.Context, row Row, opts *PutOptions, to Acker, tag uint64) {
	if l.after--; l.after == 0 {
		return
	}
	l.Target.Send(ctx, row, opts, to, tag)
}

// One partition whose writes hang does not hold the others.
func TestCopyIsFairToOtherPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := fill(16, 8000, 1, 10)
		dst := newTarget(2, 1)
		hang := &hanging{Target: dst, rows: map[string]bool{}}
		for _, row := range src.Rows(0) {
			hang.rows[string(row.Key)] = true
		}
		j := newJournal(src, dst)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := Run(ctx, src, hang, nil, Options{Workers: 2}, j.save, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for p := range int32(16) {
			if done := j.last[p].Done; done != (p != 0) {
				t.Errorf("partition %d: done %v", p, done)
			}
		}
		dst.close()
	})
}

// hanging never acknowledges some rows.
type hanging struct {
	Target
	rows map[string]bool
}

func (h *hanging) Send(ctx context.Context, row Row, opts *PutOptions, to Acker, tag uint64) {
	if !h.rows[string(row.Key)] {
		h.Target.Send(ctx, row, opts, to, tag)
	}
}

// pacedTarget acknowledges a fixed number of writes per second and pushes back above.
type pacedTarget struct {
	*fakeTarget
	perTick int
	mu      sync.Mutex
	queue   []write
	busy    int
}

// run serves until ctx ends.
func (p *pacedTarget) run(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		n := min(p.perTick, len(p.queue))
		served, refused := p.queue[:n:n], p.queue[n:]
		p.queue = refused
		p.mu.Unlock()
		for _, w := range served {
			w.to.Acked(w.tag, nil)
		}
		for _, w := range refused {
			p.busy++
			w.opts.OnRetry(Retry{Addr: "10.0.0.1:34801", Reason: "ERR_BUSY", Err: errBusy})
		}
	}
}

func (p *pacedTarget) Send(ctx context.Context, row Row, opts *PutOptions, to Acker, tag uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, write{rows: []Row{row}, opts: opts, to: to, tag: tag})
}

// A busy target is given way until it copes, the reason is shown, and the window opens again.
func TestCopyGivesWayToABusyTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := fill(4, 60_000, 1, 10)
		dst := &pacedTarget{perTick: 20} // 2,000 per second
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go dst.run(ctx)
		var smallest atomic.Int64
		smallest.Store(1 << 30)
		var reasons sync.Map
		began := time.Now()
		report := ReporterFunc(func(p Progress) {
			smallest.Store(min(smallest.Load(), int64(p.InFlight)+1))
			reasons.Store(p.Reason, p.Limit)
		})
		_, err := Run(ctx, src, dst, nil, Options{}, func([]Cursor) error { return nil }, report)
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 45*time.Second {
			t.Errorf("60,000 rows at 2,000 per second took %v", took)
		}
		if n := smallest.Load(); n > 200 {
			t.Errorf("never fewer than %d in flight", n)
		}
		// Far fewer refusals than rows: the copy does not hammer.
		if dst.busy > 600_000 {
			t.Errorf("%d refusals", dst.busy)
		}
		found := false
		reasons.Range(func(reason, limit any) bool {
			found = found || strings.HasPrefix(reason.(string), "ERR_BUSY from 10.0.0.1:34801: ") && strings.HasSuffix(limit.(string), " of 2048 writes in flight")
			return true
		})
		if !found {
			t.Error("the reason is not shown")
		}
		cancel()
		synctest.Wait()
	})
}

func TestCopyHoldsCaps(t *testing.T) {
	for _, c := range []struct {
		name    string
		opts    Options
		rows    int
		sortKey int
		want    time.Duration
	}{
		{"rows", Options{RowsPerSecond: 2000}, 20_000, 1, 10 * time.Second},
		{"few rows", Options{RowsPerSecond: 5}, 50, 1, 10 * time.Second},
		{"grouped rows", Options{RowsPerSecond: 2000}, 200, 100, 10 * time.Second},
		{"bytes", Options{BytesPerSecond: 200_000}, 20_000, 1, 11500 * time.Millisecond}, // 100 + 15 bytes per row
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := fill(4, c.rows, c.sortKey, 98)
				dst := newTarget(1, 1)
				defer dst.close()
				began := time.Now()
				if _, err := Run(t.Context(), src, dst, nil, c.opts, func([]Cursor) error { return nil }, nil); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took < c.want*95/100 || took > c.want*105/100 {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

// Rows and bytes in flight, and the pages behind them, stay within their bounds whatever the
// number of partitions.
func TestCopyBoundsMemory(t *testing.T) {
	src := fill(1024, 20_000, 1, 2000)
	dst := newTarget(4, 1)
	defer dst.close()
	opts := quick()
	opts.Workers, opts.InFlight, opts.InFlightBytes, opts.PageMemory = 1000, 500, 200_000, 4<<20
	if _, err := Run(t.Context(), src, dst, nil, opts, newJournal(src, dst).save, nil); err != nil {
		t.Fatal(err)
	}
	if dst.peak > 500 || dst.maxBytes > 200_000 {
		t.Errorf("%d writes, %d bytes in flight", dst.peak, dst.maxBytes)
	}
	if src.PeakOpen() > maxWorkers || src.PeakBytes() > 4<<20 {
		t.Errorf("%d scans, %d bytes of pages", src.PeakOpen(), src.PeakBytes())
	}
	if pages, scans := src.Held(); pages != 0 || scans != 0 {
		t.Errorf("left: %d bytes of pages, %d scans", pages, scans)
	}
}

// Resuming from any set of cursors that was ever saved ends with the same table.
func TestCopyResumesFromEveryCursor(t *testing.T) {
	synctest.Test(t, resumeFromEveryCursor)
}

func resumeFromEveryCursor(t *testing.T) {
	src := fill(3, 700, 2, 10)
	want := wanted(src)
	var saved [][]Cursor
	dst := newTarget(3, 7)
	j := newJournal(src, dst)
	opts := quick()
	opts.InFlight, opts.RowsPerSecond = 16, 30_000
	result, err := Run(t.Context(), src, dst, nil, opts, func(c []Cursor) error {
		err := j.save(c)
		saved = append(saved, j.cursors())
		return err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dst.close()
	for i, cursors := range saved {
		again := newTarget(1, uint64(i))
		for _, c := range cursors {
			for _, row := range src.Rows(c.Partition) {
				if c.Covers(row.Key) {
					again.rows[string(row.Key)] = row
				}
			}
		}
		got, err := Run(t.Context(), src, again, cursors, opts, newJournal(src, again).save, nil)
		if err != nil {
			t.Fatal(err)
		}
		again.close()
		if d := diff(again.rows, want); d != "" {
			t.Fatalf("from %d of %d: %s", i, len(saved), d)
		}
		for p := range got.Cursors {
			if got.Cursors[p].Digests.Never != result.Cursors[p].Digests.Never || got.Rows != result.Rows {
				t.Fatalf("from %d of %d: digests or rows differ", i, len(saved))
			}
		}
	}
	if len(saved) < 20 {
		t.Errorf("only %d saves", len(saved))
	}
}

func TestCopyOfAnEmptyTable(t *testing.T) {
	src := scantest.New(64)
	dst := newTarget(1, 1)
	defer dst.close()
	var last Progress
	j := newJournal(src, dst)
	result, err := Run(t.Context(), src, dst, nil, quick(), j.save, ReporterFunc(func(p Progress) { last = p }))
	if err != nil || result.Rows != 0 || last.PartitionsDone != 64 || len(j.last) != 64 {
		t.Errorf("%+v, %v, %d done, %d cursors", result, err, last.PartitionsDone, len(j.last))
	}
}
