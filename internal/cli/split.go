package cli

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/splitter"
	"github.com/pegmigrate/pegmigrate/internal/sst"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// nameSplit is the step that events of a split name.
const nameSplit = "split"

// splitOptions are the flags of split.
type splitOptions struct {
	backup, out string
	job         splitter.Job
	trust, json bool
}

func (e Env) splitCommand() *ucli.Command {
	return &ucli.Command{
		Name:  nameSplit,
		Usage: "turn a cold backup into the input of a bulk load, for any partition count",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "backup", Usage: "`FOLDER` of the table in the backup: …/<backup_id>/<app_name>_<app_id>, here or hdfs://"},
			&ucli.StringFlag{Name: "out", Usage: "`FOLDER` that exists, here or hdfs://; remote_root_path of the bulk load below the root of the provider"},
			&ucli.StringFlag{Name: "target-cluster", Usage: "`NAME` of the target cluster, cluster_name of the bulk load"},
			&ucli.StringFlag{Name: "target-table", Usage: "`NAME` of the target table, which exists"},
			&ucli.IntFlag{Name: "target-app-id", Usage: "`ID` of the target table"},
			&ucli.IntFlag{Name: "partitions", Usage: "partition `COUNT` of the target table, a power of two"},
			&ucli.StringFlag{Name: "compression", Value: "lz4", Usage: "none, snappy, lz4 or zstd"},
			&ucli.StringFlag{Name: "file-size", Value: "64MiB", Usage: "`SIZE` at which a file ends"},
			&ucli.BoolFlag{Name: "drop-expired", Usage: "leave rows out that have expired"},
			&ucli.BoolFlag{Name: "drop-misplaced", Usage: "leave rows out that lie in a partition which their hash does not select; no client reads them"},
			&ucli.StringFlag{Name: "hash-key", Usage: "only rows whose hash key matches `KIND:PATTERN`; KIND is anywhere, prefix, postfix or exact, \\xHH a byte"},
			&ucli.StringFlag{Name: "sort-key", Usage: "only rows whose sort key matches `KIND:PATTERN`"},
			&ucli.StringFlag{Name: "value", Usage: "only rows whose value matches `KIND:PATTERN`"},
			&ucli.IntFlag{Name: "parallel", Usage: "work on `N` units at once (default: the cores)"},
			&ucli.BoolFlag{Name: "trust-backup", Usage: "do not compare the MD5 of every file of the backup before; the checksums inside the files are checked anyway"},
			&ucli.BoolFlag{Name: "restart", Usage: "remove what an earlier split wrote there instead of going on with it"},
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
		},
		Action: func(c *ucli.Context) error {
			o, err := splitOptionsOf(c)
			if err != nil {
				return err
			}
			return e.split(c.Context, o)
		},
	}
}

func splitOptionsOf(c *ucli.Context) (splitOptions, error) {
	o := splitOptions{backup: c.String("backup"), out: c.String("out"), trust: c.Bool("trust-backup"), json: c.Bool("json")}
	if err := need(c, "backup", "out", "target-cluster", "target-table", "target-app-id", "partitions"); err != nil {
		return o, err
	}
	if c.NArg() > 0 {
		return o, failf(codeArguments, "everything is given by flags", "split takes no arguments, got %q", c.Args().First())
	}
	id, count := c.Int("target-app-id"), c.Int("partitions")
	if id <= 0 || id > 1<<31-1 || count <= 0 || count > 1<<20 || count&(count-1) != 0 {
		return o, failf(codeFlag, "ids are positive, and servers find the partition of a row with a mask",
			"-target-app-id %d, -partitions %d: the count must be a power of two", id, count)
	}
	size, err := schema.ParseSize(c.String("file-size"))
	if err != nil || size < splitter.MinFileSize {
		return o, failf(codeFlag, "like 64MiB", "-file-size %q is no size of a file", c.String("file-size"))
	}
	compression, err := sst.ParseCompression(c.String("compression"))
	if err != nil {
		return o, failf(codeFlag, "use none, snappy, lz4 or zstd", "-compression %q is not known", c.String("compression"))
	}
	o.job = splitter.Job{
		Target:   backup.BulkLoad{Cluster: c.String("target-cluster"), Table: c.String("target-table"), AppID: int32(id), PartitionCount: int32(count)},
		FileSize: size, Compression: compression, DropExpired: c.Bool("drop-expired"), DropMisplaced: c.Bool("drop-misplaced"),
		Parallel: c.Int("parallel"), Restart: c.Bool("restart"),
	}
	for name, into := range map[string]*rowfilter.Match{
		"hash-key": &o.job.Filter.HashKey, "sort-key": &o.job.Filter.SortKey, "value": &o.job.Filter.Value,
	} {
		if *into, err = rowfilter.Parse(c.String(name)); err != nil {
			return o, failf(codeFlag, "for example prefix:user_", "-%s %v", name, err)
		}
	}
	return o, nil
}

func (e Env) split(ctx context.Context, o splitOptions) error {
	from, to, err := o.open(ctx)
	if err != nil {
		return e.splitFailure(ctx, err)
	}
	defer from.Close()
	defer to.Close()
	sink, done := e.sink(o.json)
	defer done()
	b, err := o.read(ctx, from, sink)
	if err != nil {
		return e.splitFailure(ctx, err)
	}
	o.job.Source, o.job.Store, o.job.Now = splitter.FromBackup(from, b), to, e.Now()
	o.job.Report = func(p splitter.Progress) { sink.Emit(moveOf(p)) }
	r, err := splitter.Run(ctx, o.job)
	if err != nil {
		return e.splitFailure(ctx, err)
	}
	sink.Emit(event.SplitDone{
		Step: nameSplit, In: r.In, Out: r.Out, Expired: r.Expired, Filtered: r.Filtered, Leftover: r.Leftover, Misplaced: r.Misplaced,
		Skipped: r.Skipped, Placeholders: r.Placeholders, Files: r.Files, Bytes: r.Bytes, Partitions: r.Partitions, Kept: r.Kept,
		Where: to.String() + "/" + o.job.Target.Dir(), Elapsed: r.Elapsed,
	})
	return nil
}

// open opens both stores. The one of the backup begins above the backup id, so that backup_info is in it.
func (o *splitOptions) open(ctx context.Context) (from, to blobstore.Store, err error) {
	in, err := blobstore.ParseLocation(o.backup)
	if err != nil {
		return nil, nil, failf(codeFlag, "a path of this machine, or hdfs://[user@]host:port/path", "-backup %v", err)
	}
	out, err := blobstore.ParseLocation(o.out)
	if err != nil {
		return nil, nil, failf(codeFlag, "a path of this machine, or hdfs://[user@]host:port/path", "-out %v", err)
	}
	if from, o.backup, err = in.Open(ctx, 2, blobstore.HDFSOptions{}); err != nil {
		return nil, nil, err
	}
	if to, _, err = out.Open(ctx, 0, blobstore.HDFSOptions{}); err != nil {
		_ = from.Close() // nothing was done with it
		return nil, nil, err
	}
	return from, to, nil
}

// read takes in the backup and, unless it is trusted, compares every byte of it with what the servers wrote.
func (o *splitOptions) read(ctx context.Context, s blobstore.Store, sink event.Sink) (*backup.Backup, error) {
	dir, err := backup.ParseDir(o.backup)
	if err != nil {
		return nil, err
	}
	b, err := backup.Read(ctx, s, dir, backup.Options{})
	if err != nil || o.trust {
		return b, err
	}
	var read atomic.Int64
	start, size := time.Now(), b.Size()
	tell := func() {
		sink.Emit(event.Waiting{Step: "check-backup", Elapsed: time.Since(start), Reason: fmt.Sprintf("comparing the MD5 of %d files: %s of %s",
			b.FileCount(), plan.Bytes(uint64(read.Load())), plan.Bytes(uint64(size)))})
	}
	stop := every(500*time.Millisecond, tell)
	defer stop()
	return b, backup.Verify(ctx, s, b, backup.VerifyOptions{Parallel: o.job.Parallel, Read: func(n int64) { read.Add(n) }})
}

// every calls f from time to time until stop is called.
func every(pause time.Duration, f func()) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(pause)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				f()
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// moveOf is the progress of a split in the words of a copy: what moves is rows.
func moveOf(p splitter.Progress) event.MoveProgress {
	m := event.MoveProgress{
		Step: nameSplit, Kind: nameSplit, PartitionsDone: p.PartitionsDone, PartitionCount: p.Partitions,
		Rows: uint64(p.In), Bytes: uint64(p.Bytes), Elapsed: p.Elapsed,
	}
	rows := p.In - p.KeptRows
	if s := p.Elapsed.Seconds(); s > 0 {
		m.RowsPerSecond, m.BytesPerSecond = float64(rows)/s, float64(p.Read)/s
	}
	if p.Read > 0 && p.Size > p.Read {
		m.ETA = time.Duration(float64(p.Elapsed) * float64(p.Size-p.Read) / float64(p.Read))
		m.RowsEstimate = uint64(p.KeptRows) + uint64(float64(rows)*float64(p.Size)/float64(p.Read))
	}
	return m
}

// splitFailure says what a failure is and that what there is can be gone on with.
func (e Env) splitFailure(ctx context.Context, err error) error {
	var (
		own  *failure
		ours *splitter.Error
		bak  *backup.Error
		blob *blobstore.Error
		file *sst.Error
	)
	switch {
	case ctx.Err() != nil:
		e.report(&failure{Text: "interrupted; nothing can be loaded yet", Hint: "the same command goes on with what is finished"})
		return &exitError{code: ExitInterrupted, err: ctx.Err()}
	case errors.As(err, &own):
		return own
	case errors.As(err, &ours):
		codes := map[splitter.Code]string{splitter.CodeMisplaced: codeSplitMisplaced, splitter.CodeOtherJob: codeSplitOther, splitter.CodeTakenOver: codeSplitOther}
		f := &failure{Code: codes[ours.Code], Text: err.Error()}
		if f.Code == "" {
			f.Code = codeSplit
		}
		if ours.Code == splitter.CodeMisplaced {
			f.Hint = "-drop-misplaced leaves such rows out and counts them"
		}
		return f
	case errors.As(err, &bak), errors.As(err, &file) && file.Code != sst.CodeIO:
		return &failure{Code: codeSplitSource, Text: err.Error(), Hint: "nothing can be loaded yet"}
	case errors.As(err, &blob): // it says itself what to do
		return &failure{Code: codeSplitStore, Text: err.Error()}
	}
	return &failure{Code: codeSplit, Text: err.Error()}
}
