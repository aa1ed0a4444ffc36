package actuate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/geo"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Indexes implements apply.Indexes with this process as the only worker.
type Indexes struct {
	engine *Engine
	now    func() time.Time
}

var _ apply.Indexes = (*Indexes)(nil)

// NewIndexes makes geo indexes of tables.
func NewIndexes(c *Clusters, now func() time.Time) *Indexes { return &Indexes{NewEngine(c, now), now} }

// indexSpec is the declared layout of values. A saved plan may be of another version, so it is checked.
func indexSpec(g plan.GeoOptions) (geo.Spec, error) {
	s := geo.Spec{LatitudeIndex: g.LatitudeIndex, LongitudeIndex: g.LongitudeIndex, MinLevel: g.MinLevel}
	return s, s.Check()
}

// Build implements apply.Indexes: a copy of the table whose target gives every row another key.
func (x *Indexes) Build(ctx context.Context, job apply.IndexJob) error {
	spec, err := indexSpec(job.Geo)
	if err != nil {
		return err
	}
	src, err := x.engine.clusters.open(ctx, job.Table)
	if err != nil {
		return err
	}
	dst, err := x.engine.clusters.open(ctx, job.Index)
	if err != nil {
		return err
	}
	resume, err := decodeCursors(job.Cursors)
	if err != nil {
		return err
	}
	pacer, stop, err := x.engine.clusters.paced(ctx, job.Table, job.Index, pacedLimits(job.Limits, job.Unpaced))
	if err != nil {
		return err
	}
	defer stop()
	// One put a row: those of one hash key lie at many places, and those of one cell come from many hash keys.
	opts := copier.Options{MultiSet: copier.MultiSetOff, InFlight: job.Limits.InFlight, MaxWrite: x.engine.maxWrite(ctx, job.Index), Pacer: pacer}
	estimates := x.engine.estimates(ctx, job.Table)
	_, err = copier.Run(ctx, scan.Table(src), &placer{spec: spec, skip: job.Geo.Skip, index: dst}, resume, opts,
		func(cursors []copier.Cursor) error {
			encoded, err := encodeCursors(cursors)
			if err != nil {
				return err
			}
			return job.Save(encoded)
		},
		copier.ReporterFunc(func(p copier.Progress) { job.Report(copyProgress(p, estimates)) }))
	return err
}

// placer is a copier.Target that writes the index rows of rows. A row without a position is acknowledged
// unwritten, or refused.
type placer struct {
	spec  geo.Spec
	skip  bool
	index copier.Target
}

// Send implements copier.Target.
func (p *placer) Send(ctx context.Context, row copier.Row, opts *copier.PutOptions, to copier.Acker, tag uint64) {
	key, err := p.spec.Key(nil, row.Key, row.Value)
	switch {
	case err == nil:
		p.index.Send(ctx, copier.Row{Key: key, Value: row.Value, Expire: row.Expire}, opts, to, tag)
	case p.skip && errors.Is(err, geo.ErrNoPosition):
		to.Acked(tag, nil)
	default:
		to.Acked(tag, &unplacedError{err})
	}
}

// unplacedError is the cause of a row that has no place in an index. It is apply.ErrNoPosition as well.
type unplacedError struct{ err error }

// Error is that of the codec.
func (e *unplacedError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *unplacedError) Unwrap() []error { return []error{e.err, apply.ErrNoPosition} }

// SendMulti implements copier.Target. Index rows of one hash key have no hash key in common.
func (p *placer) SendMulti(ctx context.Context, hashKey []byte, kvs []copier.KV, expire uint32, opts *copier.PutOptions, to copier.Acker, tag uint64) {
	if len(kvs) == 0 {
		to.Acked(tag, nil)
		return
	}
	all := &gathered{to: to, tag: tag}
	all.left.Store(int64(len(kvs)))
	for _, kv := range kvs {
		p.Send(ctx, copier.Row{Key: pegkey.Encode(nil, hashKey, kv.SortKey), Value: kv.Value, Expire: expire}, opts, all, 0)
	}
}

// gathered acknowledges many writes as one, with the first error of them.
type gathered struct {
	left  atomic.Int64
	first atomic.Pointer[error]
	to    copier.Acker
	tag   uint64
}

// Acked implements copier.Acker.
func (g *gathered) Acked(_ uint64, err error) {
	if err != nil {
		g.first.CompareAndSwap(nil, &err)
	}
	if g.left.Add(-1) > 0 {
		return
	}
	if first := g.first.Load(); first != nil {
		g.to.Acked(g.tag, *first)
		return
	}
	g.to.Acked(g.tag, nil)
}
