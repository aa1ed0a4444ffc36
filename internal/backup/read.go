package backup

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// Limits of what is read into memory.
const (
	maxSmall    = 4 << 10  // current_checkpoint
	maxJSON     = 4 << 20  // app_metadata and backup_info, which a policy with many tables makes long
	maxMetadata = 64 << 20 // lists of files, about 90 bytes each
)

// readers is how many requests to a store are under way at once: enough to hide the way to a name node, few enough to
// be no load on it.
const readers = 8

// Partition is the checkpoint of one partition.
type Partition struct {
	Index int
	// Dir of its files, below the root of the store.
	Dir string
	// Decree is the last mutation in it.
	Decree int64
	// Taken is when the checkpoint was made, by the clock of the replica server. Partitions are not taken together.
	Taken time.Time
	Files []File
	// Size of all files in bytes.
	Size int64
}

// Backup is a finished backup of one table.
type Backup struct {
	Dir Dir
	App App
	// Info is nil when there is none and that was allowed.
	Info *Info
	// Partitions, one per index.
	Partitions []Partition
}

// Size of all files in bytes.
func (b *Backup) Size() int64 {
	var n int64
	for _, p := range b.Partitions {
		n += p.Size
	}
	return n
}

// FileCount is the number of all files.
func (b *Backup) FileCount() int {
	n := 0
	for _, p := range b.Partitions {
		n += len(p.Files)
	}
	return n
}

// Options of Read.
type Options struct {
	// WithoutInfo allows that backup_info is missing, as in a copy of one table's folder. Then only the files that are
	// written last in each partition say that the backup was finished.
	WithoutInfo bool
}

// Read takes in a backup: every metadata file, and whether each file that they list is there with its size. A backup that
// is unfinished, or whose parts do not fit together, is an error.
func Read(ctx context.Context, s blobstore.Store, d Dir, o Options) (*Backup, error) {
	b := &Backup{Dir: d}
	var err error
	if b.App, err = readApp(ctx, s, d); err != nil {
		return nil, err
	}
	if b.Info, err = readInfo(ctx, s, d, o); err != nil {
		return nil, err
	}
	if err := noOtherPartitions(ctx, s, d, int(b.App.PartitionCount)); err != nil {
		return nil, err
	}
	b.Partitions = make([]Partition, b.App.PartitionCount)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range b.Partitions {
		g.Go(func() (err error) {
			b.Partitions[i], err = readPartition(gctx, s, d, i)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return b, nil
}

func readApp(ctx context.Context, s blobstore.Store, d Dir) (App, error) {
	name := d.appMetadata()
	data, err := blobstore.ReadFile(ctx, s, name, maxJSON)
	if err != nil {
		return App{}, err
	}
	app, err := decodeApp(data)
	if err != nil {
		return App{}, damaged(name, "%w", err)
	}
	if app.Name != d.Table || app.ID != d.AppID {
		return App{}, mismatch(name, "it is about table %s with id %d", app.Name, app.ID)
	}
	return app, nil
}

func readInfo(ctx context.Context, s blobstore.Store, d Dir, o Options) (*Info, error) {
	name := d.info()
	data, err := blobstore.ReadFile(ctx, s, name, maxJSON)
	switch {
	case notFound(err) && o.WithoutInfo:
		return nil, nil //nolint:nilnil // the absence that was allowed
	case notFound(err):
		return nil, &Error{Code: CodeUnfinished, Path: name, Hint: hintUnfinished, Err: err}
	case err != nil:
		return nil, err
	}
	info, err := decodeInfo(data)
	if err != nil {
		return nil, damaged(name, "%w", err)
	}
	if info.ID != d.ID || info.Tables[d.AppID] != d.Table {
		return nil, mismatch(name, "it is about backup %d of tables %v", info.ID, info.Tables)
	}
	if info.Deleting {
		return nil, unfinished(name, "the meta server is deleting this backup")
	}
	return &info, nil
}

// noOtherPartitions refuses folders of partitions above the count: rows in them would be lost without a word.
func noOtherPartitions(ctx context.Context, s blobstore.Store, d Dir, count int) error {
	entries, err := s.List(ctx, d.String())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name); err == nil && e.Dir && n >= count {
			return mismatch(path.Join(d.String(), e.Name), "a partition that the table of %d partitions does not have", count)
		}
	}
	return nil
}

func readPartition(ctx context.Context, s blobstore.Store, d Dir, i int) (Partition, error) {
	name := d.current(i)
	data, err := blobstore.ReadFile(ctx, s, name, maxSmall)
	if err != nil {
		if notFound(err) {
			err = &Error{Code: CodeUnfinished, Path: name, Hint: hintUnfinished, Err: err}
		}
		return Partition{}, err
	}
	folder, err := decodeCurrent(data)
	if err != nil {
		return Partition{}, damaged(name, "%w", err)
	}
	p := Partition{Index: i, Dir: d.under(i, folder)}
	name = path.Join(p.Dir, nameMetadata)
	if data, err = blobstore.ReadFile(ctx, s, name, maxMetadata); err != nil {
		return Partition{}, missingIsDamage(err, name)
	}
	c, err := decodeCheckpoint(data)
	if err != nil {
		return Partition{}, damaged(name, "%w", err)
	}
	p.Decree, p.Taken, p.Files, p.Size = c.decree, time.UnixMilli(c.taken), c.files, c.total
	return p, filesAreThere(ctx, s, p.Dir, p.Files)
}

// missingIsDamage: current_checkpoint comes last, so what it leads to was there once.
func missingIsDamage(err error, name string) error {
	if !notFound(err) {
		return err
	}
	return &Error{Code: CodeDamaged, Path: name, Hint: hintDamaged, Err: err}
}

// filesAreThere compares a listing with what metadata says: names, sizes, and sums where the store keeps them.
func filesAreThere(ctx context.Context, s blobstore.Store, dir string, files []File) error {
	entries, err := s.List(ctx, dir)
	if err != nil {
		return missingIsDamage(err, dir)
	}
	there := make(map[string]blobstore.Entry, len(entries))
	for _, e := range entries {
		there[e.Name] = e
	}
	for _, f := range files {
		name := path.Join(dir, f.Name)
		e, ok := there[f.Name]
		switch {
		case !ok || e.Dir:
			return damaged(name, "the file is missing")
		case e.Size != f.Size:
			return damaged(name, "it has %d bytes, and its metadata says %d", e.Size, f.Size)
		case e.MD5 != "" && !strings.EqualFold(e.MD5, f.MD5) && f.MD5 != "":
			return damaged(name, "the store says MD5 %s, and its metadata %s", e.MD5, f.MD5)
		}
	}
	return nil
}

// Find lists the backups of a table under a root (backup path, cold_backup_root and, for old releases, policy), newest
// first. It looks at folders only; Read tells which are finished. A root that is not there holds none. An appID of 0
// takes every id that the table had.
func Find(ctx context.Context, s blobstore.Store, root, table string, appID int32) ([]Dir, error) {
	ids, err := s.List(ctx, blobstore.Join(root))
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []Dir
	for _, e := range ids {
		id, ok := parseID(e.Name)
		if !ok || !e.Dir {
			continue
		}
		tables, err := s.List(ctx, blobstore.Join(root, e.Name))
		if notFound(err) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("backup %d: %w", id, err)
		}
		for _, t := range tables {
			name, n, ok := parseTableDir(t.Name)
			if ok && t.Dir && name == table && (appID == 0 || n == appID) {
				found = append(found, Dir{Root: strings.Trim(root, "/"), ID: id, Table: name, AppID: n})
			}
		}
	}
	slices.SortFunc(found, func(a, b Dir) int { return cmp.Or(cmp.Compare(b.ID, a.ID), cmp.Compare(b.AppID, a.AppID)) })
	return found, nil
}
