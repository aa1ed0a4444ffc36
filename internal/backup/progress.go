package backup

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// Progress of a backup as its files show it; the protocol has none.
type Progress struct {
	// Partitions that are written to their end.
	Finished int
	// Bytes that lie in the folders of checkpoints so far. Files that are being uploaded to a local_service do not count:
	// they have no sidecar yet.
	Bytes int64
	// Info says that backup_info is there, and with it the whole backup.
	Info bool
}

// Watch looks how far a backup of a table with so many partitions is. What is not there yet is no error.
func Watch(ctx context.Context, s blobstore.Store, d Dir, partitions int) (Progress, error) {
	type part struct {
		finished bool
		bytes    int64
	}
	parts := make([]part, partitions)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range parts {
		g.Go(func() error {
			entries, err := listWritten(gctx, s, d.partition(i))
			for _, e := range entries {
				if err != nil {
					break
				}
				if e.Dir && strings.HasPrefix(e.Name, checkpointPrefix) {
					var files []blobstore.Entry
					files, err = listWritten(gctx, s, path.Join(d.partition(i), e.Name))
					for _, f := range files {
						parts[i].bytes += f.Size
					}
				}
				parts[i].finished = parts[i].finished || !e.Dir && e.Name == nameCurrent
			}
			return err
		})
	}
	var p Progress
	if err := g.Wait(); err != nil {
		return p, err
	}
	for _, part := range parts {
		p.Bytes += part.bytes
		if part.finished {
			p.Finished++
		}
	}
	_, err := s.Stat(ctx, d.info())
	if err != nil && !notYet(err) {
		return p, err
	}
	p.Info = err == nil
	return p, nil
}

// notYet says that a file is not there, or is just being written: local_service writes a file and its sidecar in place,
// one after the other (local_service.cpp), so that a look in between finds half of it.
func notYet(err error) bool { return notFound(err) || blobstore.CodeOf(err) == blobstore.CodeDamaged }

// listWritten lists a folder that servers write into; while they are at it nothing is told of it.
func listWritten(ctx context.Context, s blobstore.Store, dir string) ([]blobstore.Entry, error) {
	entries, err := s.List(ctx, dir)
	if err != nil && notYet(err) {
		return nil, nil
	}
	return entries, err
}

func listOrNothing(ctx context.Context, s blobstore.Store, dir string) ([]blobstore.Entry, error) {
	entries, err := s.List(ctx, dir)
	if notFound(err) {
		return nil, nil
	}
	return entries, err
}

// Remove removes a backup, finished or not: the folder of the table, and that of the backup when it holds nothing else.
// backup_info goes first, so that what is left of a removal that was interrupted is seen to be unfinished; not when other
// tables share it. What is not there is no error.
func Remove(ctx context.Context, s blobstore.Store, d Dir) error {
	entries, err := listOrNothing(ctx, s, d.BackupDir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if at := path.Join(d.BackupDir(), e.Name); at != d.String() && at != d.info() {
			return s.RemoveAll(ctx, d.String())
		}
	}
	if err := s.Remove(ctx, d.info()); err != nil && !notFound(err) {
		return err
	}
	return s.RemoveAll(ctx, d.BackupDir())
}

// RemoveUnfinished removes what a backup that died left behind: the folder of the backup, or of the table alone when the
// backup holds others too. A backup that is finished is refused. Wait until no replica server uploads any more: one that
// does makes the folder again.
func RemoveUnfinished(ctx context.Context, s blobstore.Store, d Dir) error {
	if _, err := s.Stat(ctx, d.info()); !notFound(err) {
		if err == nil {
			err = invalid(d.info(), "the backup is finished; it is not removed as one that died")
		}
		return err
	}
	entries, err := listOrNothing(ctx, s, d.BackupDir())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path.Join(d.BackupDir(), e.Name) != d.String() {
			return s.RemoveAll(ctx, d.String())
		}
	}
	return s.RemoveAll(ctx, d.BackupDir())
}
