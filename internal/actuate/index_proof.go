package actuate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/geo"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

const (
	// provenAtOnce bounds the partitions that are read at the same time.
	provenAtOnce = 8
	// provenPage is the memory of one page of a proof.
	provenPage = 1 << 20
	// nearExpiry is how long rows must still live when a proof begins for it to look at them. One that takes
	// longer leaves out more, in steps of an hour that double (scan.Digests).
	nearExpiry = 5 * time.Minute
)

// Prove implements apply.Indexes: the digest of the index rows that the table's rows should have against that of
// the rows that the index has, for each partition of the index.
func (x *Indexes) Prove(ctx context.Context, job apply.IndexJob) (apply.IndexOutcome, error) {
	var out apply.IndexOutcome
	spec, err := indexSpec(job.Geo)
	if err != nil {
		return out, err
	}
	table, err := x.engine.clusters.open(ctx, job.Table)
	if err != nil {
		return out, err
	}
	index, err := x.engine.clusters.open(ctx, job.Index)
	if err != nil {
		return out, err
	}
	pacer, stop, err := x.engine.clusters.pacedReading(ctx, job.Table, job.Index, pacedLimits(job.Limits, job.Unpaced))
	if err != nil {
		return out, err
	}
	defer stop()
	p := newIndexProof(spec, index.PartitionCount(), x.now(), pacer, job.Report)
	p.progress.RowsEstimate = 2 * x.engine.estimates(ctx, job.Table).total
	p.progress.PartitionCount = int(table.PartitionCount() + index.PartitionCount())
	if err := p.read(ctx, scan.Table(table), p.expect); err != nil {
		return out, fmt.Errorf("read %s: %w", job.Table, err)
	}
	if err := p.read(ctx, scan.Table(index), p.hold); err != nil {
		return out, fmt.Errorf("read %s: %w", job.Index, err)
	}
	return p.outcome(x.now()), nil
}

// indexProof adds up both sides. Its fields behind mu change while partitions are read.
type indexProof struct {
	spec  geo.Spec
	pacer *pace.Pacer
	begun time.Time

	mu             sync.Mutex
	rows, unplaced uint64
	expected, held []scan.Digests // by partition of the index
	progress       event.MoveProgress
	reported       time.Time
	report         func(event.MoveProgress)
}

func newIndexProof(spec geo.Spec, partitions int32, now time.Time, pacer *pace.Pacer, report func(event.MoveProgress)) *indexProof {
	p := &indexProof{spec: spec, pacer: pacer, begun: now, report: report, progress: event.MoveProgress{Kind: "verify"},
		expected: make([]scan.Digests, partitions), held: make([]scan.Digests, partitions)}
	for i := range partitions {
		p.expected[i] = scan.NewDigests(now.Add(nearExpiry - time.Hour)) // so that the second band begins there
		p.held[i] = p.expected[i]
	}
	return p
}

// expect takes in rows of the table.
func (p *indexProof) expect(_ int32, rows []scan.Row) error {
	type entry struct {
		partition int32
		expire    uint32
		print     pegkey.Fingerprint
	}
	entries := make([]entry, 0, len(rows))
	var key []byte
	var err error
	for i := range rows {
		if key, err = p.spec.Key(key[:0], rows[i].Key, rows[i].Value); errors.Is(err, geo.ErrNoPosition) {
			continue
		}
		if err != nil {
			return err
		}
		entries = append(entries, entry{pegkey.Partition(pegkey.HashRaw(key), int32(len(p.expected))), rows[i].Expire,
			pegkey.FingerprintOf(key, rows[i].Value, rows[i].Expire)})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range entries {
		p.expected[e.partition].AddFingerprint(e.expire, e.print)
	}
	p.rows += uint64(len(rows))
	p.unplaced += uint64(len(rows) - len(entries))
	return nil
}

// hold takes in rows of one partition of the index, which one goroutine reads.
func (p *indexProof) hold(partition int32, rows []scan.Row) error {
	for i := range rows {
		p.held[partition].Add(&rows[i])
	}
	return nil
}

// read gives every row of a table to take.
func (p *indexProof) read(ctx context.Context, src scan.Source, take func(int32, []scan.Row) error) error {
	sizer := scan.NewSizer(provenPage, 0)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(provenAtOnce)
	for partition := range src.PartitionCount() {
		g.Go(func() error {
			if err := p.partition(ctx, scan.NewReader(src, sizer, scan.Spec{Partition: partition, GiveUpAfter: repairLimit}), partition, take); err != nil {
				return fmt.Errorf("partition %d: %w", partition, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *indexProof) partition(ctx context.Context, r *scan.Reader, partition int32, take func(int32, []scan.Row) error) error {
	defer r.Close()
	for {
		page, err := r.Next(ctx)
		if err != nil {
			return err
		}
		rows := len(page.Rows)
		err = take(partition, page.Rows)
		page.Release()
		if err != nil {
			return err
		}
		p.told(rows, page.Bytes, page.Last)
		if page.Last {
			return nil
		}
		if err := p.pacer.Draw(ctx, int64(rows), page.Bytes); err != nil {
			return err
		}
	}
}

// told counts a page, and reports about once a second.
func (p *indexProof) told(rows int, bytes int64, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.Rows += uint64(rows)
	p.progress.Bytes += uint64(bytes)
	if last {
		p.progress.PartitionsDone++
	}
	now := time.Now()
	if now.Sub(p.reported) < time.Second && !(last && p.progress.PartitionsDone == p.progress.PartitionCount) {
		return
	}
	p.reported = now
	p.report(p.progress)
}

// outcome holds both sides against each other.
func (p *indexProof) outcome(now time.Time) apply.IndexOutcome {
	out := apply.IndexOutcome{Rows: p.rows, Unplaced: p.unplaced}
	for i := range p.expected {
		want, got := &p.expected[i], &p.held[i]
		out.Held += got.Rows()
		out.Fleeting += want.Uncompared(now)
		if !scan.Changed(*want, *got, now) {
			continue
		}
		out.Differing = append(out.Differing, int32(i))
		w, g := want.Rows(), got.Rows()
		out.Differences += max(w-min(w, g), g-min(w, g), 1)
	}
	return out
}
