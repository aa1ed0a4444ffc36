package actuate

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// DualWrites implements apply.DualWrites.
//
// Servers hide the moment of a write from clients: the timetag of a row travels in no answer. So writes are
// found by reading the same ranges of the source twice: what is new or another row at the second look was
// written in between, and the first look is behind the gate.
type DualWrites struct {
	clusters *Clusters
	now      func() time.Time
	pace     dualPace
}

var _ apply.DualWrites = (*DualWrites)(nil)

// NewDualWrites watches writes of clients.
func NewDualWrites(c *Clusters, now func() time.Time) *DualWrites {
	return &DualWrites{clusters: c, now: now, pace: defaultDualPace()}
}

// dualPace are the sizes and waits of the search.
type dualPace struct {
	// firstRows and mostRows are how many rows one round looks at: it doubles while too little is found.
	firstRows, mostRows int
	// bytes bounds what one look of a round reads.
	bytes int64
	// gap lies between the looks of a round.
	gap time.Duration
	// patience is how long a write may take to be on the target: clients write one side after the other,
	// and try again when a server is busy.
	patience time.Duration
	// again is the time between two looks at one row.
	again time.Duration
}

func defaultDualPace() dualPace {
	return dualPace{firstRows: 100_000, mostRows: 1_000_000, bytes: 256 << 20, gap: 2 * time.Second,
		patience: 30 * time.Second, again: 500 * time.Millisecond}
}

// scanPage is the memory of one page of a scan beside the engines' own.
const scanPage = 256 << 10

const (
	// dualScans bounds the partitions that are read at once, dualChecks the rows that are watched at once.
	dualScans, dualChecks = 16, 64
	// dualPerRound bounds the rows of one round that are watched: the rest of them would say the same.
	dualPerRound = 2000
	// dualExamples is how many missing rows are named.
	dualExamples = 5
	// expirySkew is how far the expiries of two writes of one row may be apart: clients turn a time to live
	// into a moment twice (src/client_lib/pegasus_client_impl.cpp), and again when they repeat a write.
	expirySkew = 60
)

// ProveDualWrite implements apply.DualWrites.
func (d *DualWrites) ProveDualWrite(ctx context.Context, job apply.DualWriteJob) (apply.DualWriteOutcome, error) {
	src, err := d.clusters.open(ctx, job.Source)
	if err != nil {
		return apply.DualWriteOutcome{}, err
	}
	dst, err := d.clusters.open(ctx, job.Target)
	if err != nil {
		return apply.DualWriteOutcome{}, err
	}
	pace := d.pace
	if job.Patience > 0 {
		pace.patience = job.Patience
	}
	w := &dualWatch{pace: pace, source: src, target: dst, rows: scan.Table(src),
		sizer: scan.NewSizer(scanPage, 0), after: make([][]byte, src.PartitionCount())}
	end := reporting(job.Report, func(rates *meter) event.MoveProgress {
		out := w.outcome()
		p := rates.progress("dual_write", uint64(out.Written), 0)
		p.Differences = uint64(out.Missing)
		if out.Written < job.Rows {
			p.RowsEstimate = uint64(job.Rows)
		}
		return p
	})
	defer end()
	until := time.Now().Add(job.For)
	budget := d.pace.firstRows
	for {
		found, err := w.round(ctx, budget)
		if err != nil {
			return w.outcome(), err
		}
		out := w.outcome()
		if out.Missing > 0 || out.Both+out.Lagging >= max(job.Rows, 1) || !time.Now().Before(until) {
			return out, nil
		}
		if found < job.Rows {
			budget = min(2*budget, d.pace.mostRows)
		}
	}
}

// dualWatch is one search.
type dualWatch struct {
	pace           dualPace
	source, target *pegasus.Table
	rows           scan.Source
	sizer          *scan.Sizer
	after          [][]byte // where the next window of a partition begins

	mu  sync.Mutex
	out apply.DualWriteOutcome
}

func (w *dualWatch) outcome() apply.DualWriteOutcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.out
	out.Examples = append([]string(nil), w.out.Examples...)
	return out
}

// window is a range of one partition, and what was in it at the first look.
type window struct {
	partition int32
	after     []byte // exclusive, nil for the beginning
	last      []byte // inclusive, nil for the end
	seen      map[uint64]struct{}
}

// round looks at a window of every partition twice, and watches what was written in between. It returns
// how much that was.
func (w *dualWatch) round(ctx context.Context, budget int) (int, error) {
	windows := make([]window, len(w.after))
	rows, size := max(budget/len(windows), 1), max(w.pace.bytes/int64(len(windows)), 1)
	if err := w.each(ctx, windows, func(ctx context.Context, v *window) error { return w.first(ctx, v, rows, size) }); err != nil {
		return 0, err
	}
	if err := scan.Sleep(ctx, w.pace.gap); err != nil {
		return 0, err
	}
	var mu sync.Mutex
	var written [][]byte
	err := w.each(ctx, windows, func(ctx context.Context, v *window) error {
		return w.second(ctx, v, func(key []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			if len(written) < dualPerRound {
				written = append(written, append([]byte(nil), key...))
			}
			return len(written) < dualPerRound
		})
	})
	if err != nil {
		return 0, err
	}
	return len(written), w.watch(ctx, written)
}

// each works on partitions, a bounded number at once.
func (w *dualWatch) each(ctx context.Context, windows []window, do func(context.Context, *window) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(dualScans)
	for p := range windows {
		g.Go(func() error {
			windows[p].partition = int32(p)
			return do(ctx, &windows[p])
		})
	}
	return g.Wait()
}

// first takes down a window, and moves the next one behind it.
func (w *dualWatch) first(ctx context.Context, v *window, rows int, size int64) error {
	v.after, v.seen = w.after[v.partition], make(map[uint64]struct{})
	err := w.read(ctx, v.partition, v.after, func(r *scan.Row) bool {
		v.seen[fingerprint(r)] = struct{}{}
		v.last = append(v.last[:0], r.Key...)
		size -= int64(len(r.Key) + len(r.Value))
		return len(v.seen) < rows && size > 0
	}, func() { v.last = nil })
	w.after[v.partition] = v.last // nil behind the end: from the beginning again
	return err
}

// second finds what is new in a window.
func (w *dualWatch) second(ctx context.Context, v *window, found func(key []byte) bool) error {
	return w.read(ctx, v.partition, v.after, func(r *scan.Row) bool {
		if v.last != nil && string(r.Key) > string(v.last) {
			return false
		}
		if _, same := v.seen[fingerprint(r)]; same || reserved(r.Key) {
			return true
		}
		return found(r.Key)
	}, func() {})
}

// read gives rows until more says no, or ended is called at the end of the partition.
func (w *dualWatch) read(ctx context.Context, partition int32, after []byte, more func(*scan.Row) bool, ended func()) error {
	r := scan.NewReader(w.rows, w.sizer, scan.Spec{Partition: partition, After: after, GiveUpAfter: repairLimit})
	defer r.Close()
	for {
		page, err := r.Next(ctx)
		if err != nil {
			return err
		}
		for i := range page.Rows {
			if !more(&page.Rows[i]) {
				page.Release()
				return nil
			}
		}
		last := page.Last
		page.Release()
		if last {
			ended()
			return nil
		}
	}
}

// watch follows rows that were written to the target. Each that is not there takes all the patience, and proves as
// much as a thousand would: after the first ones no more are followed.
func (w *dualWatch) watch(ctx context.Context, keys [][]byte) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(dualChecks)
	for _, key := range keys {
		if w.outcome().Missing > 0 {
			break
		}
		g.Go(func() error {
			v, err := w.follow(ctx, key)
			if err == nil {
				w.count(v, key)
			}
			return err
		})
	}
	return g.Wait()
}

// arrival is what was seen of one write.
type arrival int

const (
	unknownArrival arrival = iota // deleted again, or written again and again
	both
	lagging
	missing
)

func (w *dualWatch) count(v arrival, key []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch v {
	case unknownArrival:
		return
	case both:
		w.out.Both++
	case lagging:
		w.out.Lagging++
	case missing:
		w.out.Missing++
		if len(w.out.Examples) < dualExamples {
			hash, sort := scan.PrintableKey(key)
			w.out.Examples = append(w.out.Examples, hash+" : "+sort)
		}
	}
	w.out.Written++
}

// follow reads a row on both sides until they agree, or the source's has rested for as long as a write may
// take, or the target's has rested that long since the source's was seen to change. One that changes all
// the time on both sides has no verdict.
func (w *dualWatch) follow(ctx context.Context, key []byte) (arrival, error) {
	began := time.Now()
	var rest restingRow
	for n := 0; ; n++ {
		// The target first: a write that is on both sides was on the target when the source is read.
		t, onTarget, err := w.target.Row(ctx, key)
		if err != nil {
			return 0, err
		}
		s, onSource, err := w.source.Row(ctx, key)
		switch {
		case err != nil:
			return 0, err
		case !onSource:
			return unknownArrival, nil
		case onTarget && sameWrite(&s, &t) && n == 0:
			return both, nil
		case onTarget && sameWrite(&s, &t):
			return lagging, nil
		}
		now := time.Now()
		there := uint64(0)
		if onTarget {
			there = fingerprint(&t)
		}
		switch {
		case rest.look(now, fingerprint(&s), there) >= w.pace.patience:
			return missing, nil
		case now.Sub(began) >= 4*w.pace.patience:
			return unknownArrival, nil
		}
		if err := scan.Sleep(ctx, w.pace.again); err != nil {
			return 0, err
		}
	}
}

// restingRow remembers since when a write on the source is not on the target.
type restingRow struct {
	source, target uint64    // fingerprints at the last look
	rested         time.Time // since when the source's row is as it is
	changed        time.Time // when it was first seen to change since the target's did; zero when it was not
}

// look takes in what both sides hold, 0 for no row, and tells for how long a write is known to be missing.
func (r *restingRow) look(now time.Time, source, target uint64) time.Duration {
	first := r.rested.IsZero()
	if !first && target != r.target {
		r.changed = time.Time{}
	}
	if first || source != r.source {
		r.rested = now
		if !first && r.changed.IsZero() && target == r.target {
			r.changed = now
		}
	}
	r.source, r.target = source, target
	late := now.Sub(r.rested)
	if !r.changed.IsZero() {
		late = max(late, now.Sub(r.changed))
	}
	return late
}

// sameWrite tells whether two rows are of one write to both tables.
func sameWrite(s, t *scan.Row) bool {
	if string(s.Value) != string(t.Value) || (s.Expire == 0) != (t.Expire == 0) {
		return false
	}
	apart := int64(s.Expire) - int64(t.Expire)
	return -expirySkew <= apart && apart <= expirySkew
}

// fingerprint stands for key and value. The expiry is left out: a compaction stamps rows by default_ttl
// without anybody writing them.
func fingerprint(r *scan.Row) uint64 { return xxh3.HashSeed(r.Value, xxh3.Hash(r.Key)) }

// reserved tells of rows that probes of ours touch.
func reserved(key []byte) bool {
	hash, _, err := pegkey.Decode(key)
	return err == nil && bytes.HasPrefix(hash, []byte(ProbePrefix))
}
