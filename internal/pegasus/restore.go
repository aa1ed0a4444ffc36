package pegasus

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// What became of a table that a restore made. RestoreStatus says it without asking the meta about the
// restore.
var (
	// ErrRestoreDropped is wrapped when the table is dropped or being dropped: servers do that by
	// themselves when a partition's data is missing or damaged.
	ErrRestoreDropped = errors.New("the restored table was dropped")
	// ErrRestoreForgotten is wrapped when the cluster lists no table with the id.
	ErrRestoreForgotten = errors.New("the cluster knows no table with the id of the restore")
)

// RestoreSpec says which backup becomes which table. The server looks in
// [Path/]Root[/Policy]/BackupID/Table_AppID.
type RestoreSpec struct {
	// Root is the cold_backup_root of the cluster that made the backup; the request calls it
	// cluster_name.
	Root string
	// Policy is "" for a one-time backup, and for every backup made by 2.2 or later.
	Policy string
	// Path is the backup path, "" for none.
	Path string
	// BackupID, Table and AppID are of the backup, and must be what its app_metadata says: a meta that
	// reads something else ends itself (src/meta/server_state_restore.cpp, an assertion).
	BackupID int64
	Table    string
	AppID    int32
	// NewTable is the name of the table to make; it must not be in use.
	NewTable string
	// Provider is the suffix of the [block_service.<suffix>] section of this cluster.
	Provider string
	// SkipBadPartition makes partitions whose data is missing or damaged empty instead of dropping the
	// table.
	SkipBadPartition bool
}

// StartRestore makes a table of a backup and returns its id at once; the replicas fetch the data then.
// Partition and replica count are those of the backup. It is sent once. Errors: ErrOutcomeUnknown,
// *MetaError (ERR_INVALID_PARAMETERS: no such provider, or the name is in use; ERR_OBJECT_NOT_FOUND:
// no app_metadata there; ERR_CORRUPTION; ERR_FS_INTERNAL).
func (c *Cluster) StartRestore(ctx context.Context, spec RestoreSpec) (appID int32, err error) {
	if spec.Table == "" || spec.AppID <= 0 || spec.BackupID <= 0 || spec.NewTable == "" || spec.Root == "" {
		return 0, fmt.Errorf("restore table %s: the backup is not named in full: %+v", spec.NewTable, spec)
	}
	req := &idl.StartRestoreRequest{
		ClusterName: spec.Root, PolicyName: spec.Policy, TimeStamp: spec.BackupID, AppName: spec.Table, AppID: spec.AppID,
		NewAppName: spec.NewTable, BackupProviderName: spec.Provider, SkipBadPartition: spec.SkipBadPartition,
	}
	if spec.Path != "" {
		req.RestorePath = &spec.Path
	}
	resp, addr, err := askMetaLong(ctx, c, idl.NameStartRestore, req, true, storeTimeout,
		func(r *idl.CreateAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameStartRestore, addr, resp.Err, "")
	}
	if err == nil && resp.AppID <= 0 {
		err = fmt.Errorf("cluster %q: %s took the request and named no table: %w", c.cfg.Name, addr, ErrOutcomeUnknown)
	}
	if err != nil {
		return 0, fmt.Errorf("restore backup %d as table %s: %w", spec.BackupID, spec.NewTable, err)
	}
	return resp.AppID, nil
}

// restoreDone is the progress of a partition that has all its data
// (src/common/backup_common.h, PROGRESS_FINISHED).
const restoreDone = 1000

// RestorePartition is how far one partition of a restore is.
type RestorePartition struct {
	// Permille is what the replica fetched; it is 1000 as soon as the partition has a primary or a
	// secondary, and falls back to 0 when a meta starts to lead.
	Permille int
	// Code is OK, or what the replica met last; ERR_IGNORE_BAD_DATA is a partition that was made empty
	// (RestoreSpec.SkipBadPartition).
	Code idl.ErrorCode
}

// Done tells whether the partition has what the restore can give it.
func (p RestorePartition) Done() bool { return p.Permille >= restoreDone }

// RestoreStatus asks how far the restore of a table is, by partition. The meta is asked only when it
// has just listed the id as a table that is not dropped, because one that is asked about an id that it
// has forgotten may end itself (server_state_restore.cpp, on_query_restore_status). Errors:
// ErrRestoreDropped, ErrRestoreForgotten, *MetaError.
func (c *Cluster) RestoreStatus(ctx context.Context, appID int32) ([]RestorePartition, error) {
	out, err := c.restoreStatus(ctx, appID)
	if err != nil {
		return nil, fmt.Errorf("restore of table %d: %w", appID, err)
	}
	return out, nil
}

func (c *Cluster) restoreStatus(ctx context.Context, appID int32) ([]RestorePartition, error) {
	if err := c.restoreListed(ctx, appID); err != nil {
		return nil, err
	}
	resp, addr, err := askMeta(ctx, c, idl.NameQueryRestoreStatus, &idl.QueryRestoreStatusRequest{RestoreAppID: appID}, false,
		func(r *idl.QueryRestoreStatusResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameQueryRestoreStatus, addr, resp.Err, "")
	}
	switch {
	case errors.Is(err, idl.ErrAppDropped):
		return nil, fmt.Errorf("%w: %w", ErrRestoreDropped, err)
	case err != nil:
		return nil, err
	case len(resp.RestoreStatus) != len(resp.RestoreProgress):
		return nil, fmt.Errorf("%s tells the status of %d partitions and the progress of %d", addr, len(resp.RestoreStatus), len(resp.RestoreProgress))
	}
	out := make([]RestorePartition, len(resp.RestoreStatus))
	for i, code := range resp.RestoreStatus {
		out[i] = RestorePartition{Permille: int(resp.RestoreProgress[i]), Code: code}
	}
	return out, nil
}

// restoreListed wants the id among the tables that are not dropped.
func (c *Cluster) restoreListed(ctx context.Context, appID int32) error {
	tables, err := c.ListTables(ctx)
	if err != nil {
		return err
	}
	for i := range tables {
		t := &tables[i]
		if t.ID != appID {
			continue
		}
		switch t.Status {
		case "AVAILABLE", "CREATING":
			return nil
		}
		return fmt.Errorf("cluster %q: %w (it is %s)", c.cfg.Name, ErrRestoreDropped, t.Status)
	}
	return fmt.Errorf("cluster %q: %w", c.cfg.Name, ErrRestoreForgotten)
}

// ProbeProvider asks the leading meta for the restore of a backup that cannot exist. It looks for the
// block service first, so that ERR_OBJECT_NOT_FOUND proves that it has one of that name, and
// ERR_INVALID_PARAMETERS that it does not (server_state_restore.cpp, sync_app_from_backup_media). The
// code is the answer's; nothing is changed.
func (c *Cluster) ProbeProvider(ctx context.Context, provider string) (idl.ErrorCode, error) {
	nobody := noSuchTable()
	resp, addr, err := askMetaLong(ctx, c, idl.NameStartRestore, &idl.StartRestoreRequest{
		ClusterName: nobody, TimeStamp: 1, AppName: nobody, AppID: 1, NewAppName: nobody, BackupProviderName: provider,
	}, false, storeTimeout, func(r *idl.CreateAppResponse) idl.ErrorCode { return r.Err })
	if err == nil && resp.Err.OK() {
		err = fmt.Errorf("cluster %q: %s took the restore of a backup that cannot exist", c.cfg.Name, addr)
	}
	if err != nil {
		return "", fmt.Errorf("ask for block service %q: %w", provider, err)
	}
	return resp.Err, nil
}
