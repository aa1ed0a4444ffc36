package pegasus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// ErrBulkLoadBusy is wrapped when the cluster, or the table, is loading already: a cluster does one bulk
// load at a time unless [meta_server] enable_concurrent_bulk_load says otherwise.
var ErrBulkLoadBusy = errors.New("a bulk load is under way")

// ErrNoBulkLoad is wrapped when the table is not being loaded, so that there is nothing to control.
var ErrNoBulkLoad = errors.New("the table is not being bulk loaded")

// BulkLoadSpec says what is loaded into which table. The server looks in Root/Cluster/Table of the
// provider.
type BulkLoadSpec struct {
	Table string
	// Cluster is a folder of the input, not necessarily the name of the cluster.
	Cluster string
	// Provider is the suffix of the [block_service.<suffix>] section.
	Provider string
	// Root is remote_root_path.
	Root string
	// IngestBehind puts the files below everything that the table has: it must have been created with
	// rocksdb.allow_ingest_behind = true. An env that was set later passes the meta's check and fails at
	// the ingestion.
	IngestBehind bool
}

// StartBulkLoad starts a bulk load. The meta's function level becomes steady, and stays so. It is sent
// once. Errors: ErrOutcomeUnknown, ErrBulkLoadBusy, *MetaError (ERR_INCONSISTENT_STATE: the input is of
// another table id or partition count, or ingest_behind is not allowed; ERR_OBJECT_NOT_FOUND: no
// bulk_load_info there; ERR_INVALID_PARAMETERS: no such provider; ERR_CORRUPTION, ERR_FS_INTERNAL).
func (c *Cluster) StartBulkLoad(ctx context.Context, spec BulkLoadSpec) error {
	req := &idl.StartBulkLoadRequest{AppName: spec.Table, ClusterName: spec.Cluster, FileProviderType: spec.Provider,
		RemoteRootPath: spec.Root, IngestBehind: spec.IngestBehind}
	resp, addr, err := askMetaLong(ctx, c, idl.NameStartBulkLoad, req, true, storeTimeout,
		func(r *idl.StartBulkLoadResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameStartBulkLoad, addr, resp.Err, resp.HintMsg)
	}
	var refused *MetaError
	if errors.As(err, &refused) && refused.Code == idl.ErrBusy {
		err = fmt.Errorf("%w: %w", ErrBulkLoadBusy, err)
	}
	if err != nil {
		return fmt.Errorf("bulk load table %s: %w", spec.Table, err)
	}
	return nil
}

// PauseBulkLoad stops the downloads of a bulk load. Servers take it while the table downloads only;
// otherwise they answer ERR_INVALID_STATE, a *MetaError. Errors: ErrOutcomeUnknown, ErrNoBulkLoad.
func (c *Cluster) PauseBulkLoad(ctx context.Context, table string) error {
	return c.controlBulkLoad(ctx, table, "pause", idl.BulkLoadPause)
}

// ResumeBulkLoad goes on with one that is paused. Errors as PauseBulkLoad.
func (c *Cluster) ResumeBulkLoad(ctx context.Context, table string) error {
	return c.controlBulkLoad(ctx, table, "resume", idl.BulkLoadRestart)
}

// CancelBulkLoad ends a bulk load that downloads or is paused. Errors as PauseBulkLoad.
func (c *Cluster) CancelBulkLoad(ctx context.Context, table string) error {
	return c.controlBulkLoad(ctx, table, "cancel", idl.BulkLoadCancel)
}

// ForceCancelBulkLoad ends a bulk load in any state. What was ingested stays: partitions may be left
// half loaded. Errors as PauseBulkLoad.
func (c *Cluster) ForceCancelBulkLoad(ctx context.Context, table string) error {
	return c.controlBulkLoad(ctx, table, "cancel by force", idl.BulkLoadForceCancel)
}

// controlBulkLoad sends the request once: a second one would be answered as if the first had failed.
func (c *Cluster) controlBulkLoad(ctx context.Context, table, verb string, do idl.BulkLoadControl) error {
	resp, addr, err := askMeta(ctx, c, idl.NameControlBulkLoad, &idl.ControlBulkLoadRequest{AppName: table, Type: do}, true,
		func(r *idl.ControlBulkLoadResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameControlBulkLoad, addr, resp.Err, text(resp.HintMsg))
	}
	if errors.Is(err, idl.ErrInactiveState) {
		err = fmt.Errorf("%w: %w", ErrNoBulkLoad, err)
	}
	if err != nil {
		return fmt.Errorf("%s the bulk load of table %s: %w", verb, table, err)
	}
	return nil
}

// ClearBulkLoad makes the meta forget the result of the last bulk load of a table; doing it twice is
// doing it once. ERR_INVALID_STATE, a *MetaError, while it is under way.
func (c *Cluster) ClearBulkLoad(ctx context.Context, table string) error {
	resp, addr, err := askMeta(ctx, c, idl.NameClearBulkLoad, &idl.ClearBulkLoadRequest{AppName: table}, false,
		func(r *idl.ClearBulkLoadResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameClearBulkLoad, addr, resp.Err, resp.HintMsg)
	}
	if err != nil {
		return fmt.Errorf("clear the bulk load of table %s: %w", table, err)
	}
	return nil
}

// BulkLoadProgress is how far a bulk load is, or the outcome of the last one.
type BulkLoadProgress struct {
	// Loading stays true while a load that has ended is being cleaned up.
	Loading bool
	// Status is that of the table; BulkLoadInvalid when there is none to tell about.
	Status idl.BulkLoadStatus
	// Failure is why a load failed, once it is cleaned up; OK otherwise.
	Failure    idl.ErrorCode
	Hint       string
	Partitions []BulkLoadPartition
}

// BulkLoadPartition is how far one partition is.
type BulkLoadPartition struct {
	Status idl.BulkLoadStatus
	// Replicas have reported so far, by address.
	Replicas []BulkLoadReplica
}

// BulkLoadReplica is what one replica has reported.
type BulkLoadReplica struct {
	Node string
	// Percent is what it has downloaded.
	Percent int
	// Download is OK, or what the download met.
	Download  idl.ErrorCode
	Ingestion idl.IngestionStatus
	// CleanedUp says that it removed the downloaded files after the end, Paused that it stopped.
	CleanedUp, Paused bool
}

// BulkLoadProgress asks for the bulk load of a table, replica by replica. A load that failed is no
// error: see Failure. *MetaError with ERR_APP_NOT_EXIST or ERR_APP_DROPPED.
func (c *Cluster) BulkLoadProgress(ctx context.Context, table string) (BulkLoadProgress, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryBulkLoad, &idl.QueryBulkLoadRequest{AppName: table}, false,
		func(r *idl.QueryBulkLoadResponse) idl.ErrorCode { return r.Err })
	var p BulkLoadProgress
	if err == nil {
		p, err = bulkLoadProgress(c, addr, resp)
	}
	if err != nil {
		return BulkLoadProgress{}, fmt.Errorf("bulk load of table %s: %w", table, err)
	}
	return p, nil
}

// bulkLoadProgress translates the answer. A load that failed, and whose clean-up is over, is told by a
// code together with its status (meta_bulk_load_service.cpp, on_query_bulk_load_status).
func bulkLoadProgress(c *Cluster, addr string, resp *idl.QueryBulkLoadResponse) (BulkLoadProgress, error) {
	p := BulkLoadProgress{Status: resp.AppStatus, Failure: idl.ErrOK, Hint: text(resp.HintMsg)}
	if !resp.Err.OK() {
		if resp.AppStatus != idl.BulkLoadFailed {
			return p, refusal(c, idl.NameQueryBulkLoad, addr, resp.Err, p.Hint)
		}
		p.Failure = resp.Err
	}
	switch resp.AppStatus {
	case idl.BulkLoadInvalid, idl.BulkLoadSucceed, idl.BulkLoadFailed, idl.BulkLoadCanceled:
	default:
		p.Loading = true
	}
	if resp.IsBulkLoading != nil {
		p.Loading = *resp.IsBulkLoading
	}
	p.Partitions = make([]BulkLoadPartition, len(resp.PartitionsStatus))
	for i, s := range resp.PartitionsStatus {
		p.Partitions[i].Status = s
		if i >= len(resp.BulkLoadStates) {
			continue
		}
		states := resp.BulkLoadStates[i]
		for _, at := range slices.Sorted(maps.Keys(states)) {
			p.Partitions[i].Replicas = append(p.Partitions[i].Replicas, bulkLoadReplica(at.String(), states[at]))
		}
	}
	return p, nil
}

func bulkLoadReplica(node string, s idl.PartitionBulkLoadState) BulkLoadReplica {
	r := BulkLoadReplica{Node: node, Download: idl.ErrOK}
	if s.DownloadProgress != nil {
		r.Percent = int(*s.DownloadProgress)
	}
	if s.DownloadStatus != nil {
		r.Download = *s.DownloadStatus
	}
	if s.IngestStatus != nil {
		r.Ingestion = *s.IngestStatus
	}
	r.CleanedUp = s.IsCleanedUp != nil && *s.IsCleanedUp
	r.Paused = s.IsPaused != nil && *s.IsPaused
	return r
}
