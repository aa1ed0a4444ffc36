package backup

import (
	"context"
	"path"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// BulkLoad is the input of a bulk load: where it lies and for which table. Server code: src/meta/meta_bulk_load_service.cpp
// and src/replica/bulk_load/replica_bulk_loader.cpp of 2.5.0.
type BulkLoad struct {
	// Root is remote_root_path, Cluster is cluster_name, Table is app_name of the request that starts the load.
	Root, Cluster, Table string
	// AppID and PartitionCount must be those of the target table, or the meta server refuses.
	AppID, PartitionCount int32
}

// bulkInfo has the fields of bulk_load_info in the order in which servers know them.
type bulkInfo struct {
	AppID          int32  `json:"app_id"`
	Table          string `json:"app_name"`
	PartitionCount int32  `json:"partition_count"`
}

type bulkMetadata struct {
	Files []File `json:"files"`
	Total int64  `json:"file_total_size"`
}

// Dir is the folder of the table.
func (b BulkLoad) Dir() string { return blobstore.Join(b.Root, b.Cluster, b.Table) }

// PartitionDir is the folder of the files of a partition, and of their list.
func (b BulkLoad) PartitionDir(i int) string { return path.Join(b.Dir(), strconv.Itoa(i)) }

func (b BulkLoad) info() string          { return path.Join(b.Dir(), nameBulkInfo) }
func (b BulkLoad) metadata(i int) string { return path.Join(b.PartitionDir(i), nameBulkMetadata) }

func (b BulkLoad) check() error {
	switch {
	case !tableName(b.Table):
		return invalid(b.Dir(), "%q is no name of a table", b.Table)
	case b.Cluster == "" || !simpleName(b.Cluster):
		return invalid(b.Dir(), "%q is no name of a cluster", b.Cluster)
	case b.AppID <= 0:
		return invalid(b.Dir(), "%d is no id of a table; create the target first", b.AppID)
	case b.PartitionCount <= 0 || b.PartitionCount > maxPartitions:
		return invalid(b.Dir(), "%d is no partition count", b.PartitionCount)
	}
	return nil
}

// Begin makes the folders, and removes the info of an earlier preparation before anything else: what is being written
// cannot be loaded. Unless resume is set everything else of an earlier preparation is removed too; the partitions that it
// finished would otherwise count as finished by this one.
func (b BulkLoad) Begin(ctx context.Context, s blobstore.Store, resume bool) error {
	if err := b.check(); err != nil {
		return err
	}
	if err := s.Remove(ctx, b.info()); err != nil && !notFound(err) {
		return err
	}
	if !resume {
		if err := s.RemoveAll(ctx, b.Dir()); err != nil {
			return err
		}
	}
	for i := range int(b.PartitionCount) {
		if err := s.MkdirAll(ctx, b.PartitionDir(i)); err != nil {
			return err
		}
	}
	return nil
}

// WritePartition writes the list of a partition's files, which must be in its folder. It refuses what would fail the
// whole load: no file, no bytes, a file that is not there or has another size. One that is written is done: see Partition.
func (b BulkLoad) WritePartition(ctx context.Context, s blobstore.Store, i int, files []File) error {
	if err := b.check(); err != nil {
		return err
	}
	if i < 0 || i >= int(b.PartitionCount) {
		return invalid(b.PartitionDir(i), "the table has %d partitions", b.PartitionCount)
	}
	m := bulkMetadata{Files: files}
	for _, f := range files {
		m.Total += f.Size
	}
	if err := checkBulkFiles(m, false); err != nil {
		return invalid(b.metadata(i), "%w", err)
	}
	if err := filesAreThere(ctx, s, b.PartitionDir(i), files); err != nil {
		return err
	}
	return writeJSON(ctx, s, b.metadata(i), m)
}

// Partition reads the list of a partition's files, and looks whether they are there. done is false when there is no list
// yet: then the partition was not finished.
func (b BulkLoad) Partition(ctx context.Context, s blobstore.Store, i int) (files []File, done bool, err error) {
	name := b.metadata(i)
	data, err := blobstore.ReadFile(ctx, s, name, maxMetadata)
	if notFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	m, err := decodeBulkMetadata(data)
	if err != nil {
		return nil, false, damaged(name, "%w", err)
	}
	return m.Files, true, filesAreThere(ctx, s, b.PartitionDir(i), m.Files)
}

// Finish looks at every partition once more and writes the info, last. From then on the input can be loaded.
func (b BulkLoad) Finish(ctx context.Context, s blobstore.Store) error {
	if err := b.check(); err != nil {
		return err
	}
	for i := range int(b.PartitionCount) {
		_, done, err := b.Partition(ctx, s, i)
		if err != nil {
			return err
		}
		if !done {
			return unfinished(b.metadata(i), "the partition is not written")
		}
	}
	return writeJSON(ctx, s, b.info(), bulkInfo{b.AppID, b.Table, b.PartitionCount})
}

// Ready says whether the input is complete and for this table; the error tells what is wrong.
func (b BulkLoad) Ready(ctx context.Context, s blobstore.Store) error {
	data, err := blobstore.ReadFile(ctx, s, b.info(), maxJSON)
	if err != nil {
		return err
	}
	i, err := decodeBulkInfo(data)
	if err != nil {
		return damaged(b.info(), "%w", err)
	}
	// The name is not compared by the servers either: a table may be renamed.
	if i.AppID != b.AppID || i.PartitionCount != b.PartitionCount {
		return mismatch(b.info(), "it is for table %s with id %d and %d partitions", i.Table, i.AppID, i.PartitionCount)
	}
	for p := range int(b.PartitionCount) {
		_, done, err := b.Partition(ctx, s, p)
		if err != nil {
			return err
		}
		if !done {
			return unfinished(b.metadata(p), "the partition is not written")
		}
	}
	return nil
}

// Prepared tells for which table the input that lies there was finished; false when its info is not there, as while it is
// being prepared.
func (b BulkLoad) Prepared(ctx context.Context, s blobstore.Store) (appID, partitions int32, finished bool, err error) {
	data, err := blobstore.ReadFile(ctx, s, b.info(), maxJSON)
	if notFound(err) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	i, err := decodeBulkInfo(data)
	if err != nil {
		return 0, 0, false, damaged(b.info(), "%w", err)
	}
	return i.AppID, i.PartitionCount, true, nil
}

// Remove deletes the input and the folders above it that became empty, Root included. The info goes first, so that what
// is left of a removal that was interrupted cannot be loaded.
func (b BulkLoad) Remove(ctx context.Context, s blobstore.Store) error {
	if b.Table == "" || b.Cluster == "" {
		return invalid(b.Dir(), "no table or no cluster is named")
	}
	if err := s.Remove(ctx, b.info()); err != nil && !notFound(err) {
		return err
	}
	if err := s.RemoveAll(ctx, b.Dir()); err != nil {
		return err
	}
	for _, dir := range []string{blobstore.Join(b.Root, b.Cluster), blobstore.Join(b.Root)} {
		if dir == "." {
			return nil
		}
		err := s.Remove(ctx, dir)
		if code := blobstore.CodeOf(err); err != nil && code != blobstore.CodeNotFound && code != blobstore.CodeNotEmpty {
			return err
		}
	}
	return nil
}

func decodeBulkInfo(data []byte) (bulkInfo, error) {
	var i bulkInfo
	err := decodeObject(data, map[string]any{"app_id": &i.AppID, "app_name": &i.Table, "partition_count": &i.PartitionCount})
	return i, err
}

func decodeBulkMetadata(data []byte) (bulkMetadata, error) {
	var m bulkMetadata
	err := decodeObject(data, map[string]any{"files": &m.Files, "file_total_size": &m.Total})
	if err == nil {
		err = checkBulkFiles(m, true)
	}
	return m, err
}

func checkBulkFiles(m bulkMetadata, sumless bool) error {
	if m.Total <= 0 {
		return errNoBytes
	}
	return checkFiles(m.Files, m.Total, nameBulkMetadata, sumless)
}

func writeJSON(ctx context.Context, s blobstore.Store, name string, v any) error {
	data, err := encodeJSON(v)
	if err != nil {
		return invalid(name, "%w", err)
	}
	_, err = blobstore.WriteFile(ctx, s, name, data)
	return err
}
