package splitter

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// run is one call of Run.
type run struct {
	job     *Job
	rules   rules
	records records
	mine    jobRecord
	stamp   string
	meter   *meter

	mu     sync.Mutex
	result Result
}

// Run does a job. It returns nil only when the input of the bulk load is complete and its bulk_load_info written. After
// an error nothing at the target can be loaded, and the same job goes on where this one ended; errors are those of this
// package, *blobstore.Error, *backup.Error and *sst.Error. A canceled context ends it with the context's error, soon.
func Run(ctx context.Context, job Job) (Result, error) {
	job.setDefaults()
	if err := job.check(); err != nil {
		return Result{}, err
	}
	r := &run{job: &job, records: records{store: job.Store, dir: job.Target.Dir()}, meter: &meter{start: time.Now()}}
	r.meter.now.Partitions = int(job.Target.PartitionCount)
	r.result.Partitions = r.meter.now.Partitions
	todo, err := r.begin(ctx)
	if err == nil && todo != nil {
		stop := r.meter.reports(job.Report)
		err = r.all(ctx, todo)
		stop()
	}
	if err != nil {
		return Result{}, ended(ctx, err)
	}
	r.result.Now, r.result.Elapsed = job.Now, time.Since(r.meter.start)
	return r.result, nil
}

// begin takes over what an earlier run finished and gives what is left to do; nil when there is nothing left at all and
// nothing was touched: somebody may be loading it.
func (r *run) begin(ctx context.Context) (todo []part, err error) {
	var found bool
	if r.mine, found, err = r.records.decide(ctx, r.job); err != nil {
		return nil, err
	}
	r.rules = r.job.rules()
	if r.stamp, err = r.mine.stamp(); err != nil {
		return nil, err
	}
	if found {
		todo, err = r.keep(ctx)
		if err != nil || len(todo) == 0 && r.job.Target.Ready(ctx, r.job.Store) == nil {
			return nil, err
		}
	}
	if err := r.records.claim(ctx, r.job, r.mine); err != nil {
		return nil, err
	}
	if !found {
		todo = r.plan(func(int) bool { return false })
	}
	return append([]part{}, todo...), nil
}

// ended makes one error of the many ways in which a store tells that the caller gave up.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

func (j *Job) setDefaults() {
	j.FileSize = cmp.Or(j.FileSize, DefaultFileSize)
	if j.Parallel <= 0 {
		j.Parallel = runtime.GOMAXPROCS(0)
	}
	if j.Now.IsZero() {
		j.Now = time.Now()
	}
}

func (j *Job) check() error {
	n := j.Target.PartitionCount
	invalid := func(hint, format string, args ...any) error { return failed(CodeInvalid, "", hint, format, args...) }
	switch {
	case j.Store == nil:
		return invalid("", "there is no store to write to")
	case len(j.Source.Partitions) == 0:
		return invalid("", "the source has no partitions")
	case n <= 0 || bits.OnesCount32(uint32(n)) != 1:
		return invalid("servers find the partition of a row with a mask", "the target has %d partitions, which is no power of two", n)
	case j.FileSize < MinFileSize:
		return invalid("a bulk load takes files of tens of MiB", "a file size of %d bytes", j.FileSize)
	}
	for i, p := range j.Source.Partitions {
		if p.Index != i || p.Open == nil {
			return invalid("", "partition %d of the source is not there", i)
		}
	}
	return nil
}

// keep counts what an earlier run finished, and gives what is left to do.
func (r *run) keep(ctx context.Context) ([]part, error) {
	done := make([]bool, r.job.Target.PartitionCount)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8) // as many requests to a store as package backup has under way
	for i := range done {
		g.Go(func() error {
			rec, whole, err := r.records.finished(gctx, r.job.Target, i, r.stamp)
			if err == nil && whole {
				done[i] = true
				r.add(rec, true)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return r.plan(func(t int) bool { return done[t] }), nil
}

// plan deals out what is not done.
func (r *run) plan(done func(target int) bool) []part {
	todo := parts(len(r.job.Source.Partitions), int(r.job.Target.PartitionCount), r.job.Parallel, done)
	for _, p := range todo {
		for _, i := range p.sources {
			r.meter.now.Size += r.job.Source.Partitions[i].Bytes
		}
	}
	return todo
}

// all does what is left and, when everything is there, lets it be loaded.
func (r *run) all(ctx context.Context, todo []part) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.job.Parallel)
	for _, p := range todo {
		g.Go(func() error {
			if gctx.Err() != nil { // another one has failed while this one waited for its turn
				return context.Cause(gctx)
			}
			return r.do(gctx, p)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := r.records.held(ctx, r.mine); err != nil {
		return err
	}
	return r.job.Target.Finish(ctx, r.job.Store)
}

// done marks a target partition as finished, if the place is still ours.
func (r *run) done(ctx context.Context, rec partitionRecord) error {
	if err := r.records.held(ctx, r.mine); err != nil {
		return err
	}
	if err := r.records.write(ctx, r.records.partition(rec.Partition), rec); err != nil {
		return err
	}
	if err := r.job.Target.WritePartition(ctx, r.job.Store, rec.Partition, rec.Files); err != nil {
		return err
	}
	r.add(rec, false)
	return nil
}

func (r *run) add(rec partitionRecord, earlier bool) {
	r.meter.done(rec, earlier)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Counts.add(rec.Counts)
	r.result.Skipped += rec.Skipped
	r.result.Files += len(rec.Files)
	r.result.Bytes += bytesOf(rec.Files)
	if rec.Placeholder {
		r.result.Placeholders++
	}
	if earlier {
		r.result.Kept++
	}
}
