package splitter

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// work is one part on its way.
type work struct {
	run     *run
	part    part
	outputs []*output
	cursors []*cursor
	counts  []Counts // by output
	scratch []byte
	// told is what the meter knows already.
	told Counts
}

// do reads the sources of a part, writes its targets and marks each of them as done.
func (r *run) do(ctx context.Context, p part) (err error) {
	w := &work{run: r, part: p, counts: make([]Counts, len(p.write))}
	defer func() {
		for _, o := range w.outputs {
			o.abort()
		}
		err = errors.Join(err, w.close())
	}()
	for _, t := range p.write {
		o := &output{
			store: r.job.Store, dir: r.job.Target.PartitionDir(t), limit: r.job.FileSize,
			format: sst.WriterOptions{Compression: r.job.Compression},
		}
		if err := o.empty(ctx); err != nil {
			return err
		}
		w.outputs = append(w.outputs, o)
	}
	if err := w.open(ctx); err != nil {
		return err
	}
	if err := w.rows(ctx); err != nil {
		return err
	}
	return w.finish(ctx)
}

// readAhead is the memory in bytes for reading ahead, of all workers together; a reader takes at least 32 KiB per sorted run.
const readAhead = 64 << 20

// open opens the sources of the part.
func (w *work) open(ctx context.Context) error {
	slots := w.part.slots()
	o := OpenOptions{Memory: int64(readAhead / (w.run.job.Parallel * len(w.part.sources))), Read: w.run.meter.read}
	for _, i := range w.part.sources {
		rows, version, err := w.run.job.Source.Partitions[i].Open(ctx, o)
		if err != nil {
			return fmt.Errorf("source partition %d: %w", i, err)
		}
		c := &cursor{
			rules: &w.run.rules, index: i, version: version, rows: rows,
			group: uint64(w.part.group), slots: slots, counts: w.counts,
		}
		w.cursors = append(w.cursors, c)
		switch {
		case version < 0:
			return failed(CodeInvalid, c.where(), hintRow, "its files do not tell the data version")
		case version > DataVersion:
			return failed(CodeInvalid, c.where(), hintRow, "its data version is %d, and only 0 and 1 are known", version)
		}
	}
	return nil
}

func (w *work) close() error {
	var errs []error
	for _, c := range w.cursors {
		if err := c.rows.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.where(), err))
		}
	}
	return errors.Join(errs...)
}

// rows moves every row.
func (w *work) rows(ctx context.Context) error {
	var m merge
	for _, c := range w.cursors {
		ok, err := c.next(ctx, w.tell)
		if err != nil {
			return w.in(c, err)
		}
		if ok {
			m.push(c)
		}
	}
	for len(m) > 0 {
		c := m[0]
		var value []byte
		value, w.scratch = c.rewritten(w.scratch)
		if err := w.outputs[c.place].add(ctx, c.key, value); err != nil {
			return err
		}
		w.counts[c.place].Out++
		ok, err := c.next(ctx, w.tell)
		switch {
		case err != nil:
			return w.in(c, err)
		case ok && len(m) > 1:
			m.down()
		case !ok:
			m.pop()
		}
	}
	return nil
}

// in says which partition an error of reading came from.
func (w *work) in(c *cursor, err error) error {
	if CodeOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w", c.where(), err)
}

// tell brings the meter up to date.
func (w *work) tell() {
	now := w.sum()
	w.run.meter.count(now, w.told)
	w.told = now
}

// sum is what was counted so far, of the rows that this part answers for.
func (w *work) sum() Counts {
	var all Counts
	for _, c := range w.counts {
		all.add(c)
	}
	if w.part.first() {
		for _, c := range w.cursors {
			all.add(c.astray)
		}
	}
	return all
}

// finish holds the counts against each other and marks the targets as done.
func (w *work) finish(ctx context.Context) error {
	var seen, known, skipped int64
	for _, c := range w.cursors {
		seen += c.seen
		known += c.elsewhere + c.astray.In
		skipped += c.rows.Skipped()
	}
	for _, c := range w.counts {
		known += c.In
	}
	if seen != known {
		return failed(CodeUnequal, w.run.job.Target.Dir(), hintUnequal, "%d rows were read, and %d are accounted for", seen, known)
	}
	w.tell()
	for i, o := range w.outputs {
		target := w.part.write[i]
		rec := partitionRecord{Partition: target, Stamp: w.run.stamp, Counts: w.counts[i]}
		if target == w.part.targets[0] {
			rec.Skipped = skipped
			for _, c := range w.cursors {
				rec.Counts.add(c.astray)
			}
		}
		if err := w.finishOutput(ctx, o, &rec); err != nil {
			return err
		}
		if err := w.run.done(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// finishOutput ends the last file, after a placeholder where there is no row.
func (w *work) finishOutput(ctx context.Context, o *output, rec *partitionRecord) error {
	want := rec.Out
	if want == 0 {
		key, value, err := placeholder(rec.Partition, int(w.run.job.Target.PartitionCount))
		if err != nil {
			return err
		}
		if err := o.add(ctx, key, value); err != nil {
			return err
		}
		rec.Placeholder, want = true, 1
	}
	if o.file != nil {
		if err := o.end(); err != nil {
			return err
		}
	}
	rec.Files = o.files
	if o.rows != want || !rec.adds() {
		return failed(CodeUnequal, o.dir, hintUnequal, "%d rows are in its files, and %+v were counted", o.rows, rec.Counts)
	}
	return nil
}

// bytesOf is how large files are together.
func bytesOf(files []backup.File) int64 {
	var n int64
	for _, f := range files {
		n += f.Size
	}
	return n
}
