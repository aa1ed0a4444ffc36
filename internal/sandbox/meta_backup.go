package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// restoreDone is the progress of a partition that has been restored, in per mille.
const restoreDone = 1000

// queryBackupStatus finds no backups.
func queryBackupStatus(_ *Cluster, _ *idl.QueryBackupStatusRequest, resp *idl.QueryBackupStatusResponse) {
	resp.Err = idl.ErrInvalidParameters
	resp.HintMessage = "Backup not found, please check app_id or backup_id."
}

// queryRestoreStatus answers for any table, restored or not, that all of it is there
// as far as partitions have a replica.
func queryRestoreStatus(c *Cluster, req *idl.QueryRestoreStatusRequest, resp *idl.QueryRestoreStatusResponse) {
	t := c.tableByID(req.RestoreAppID)
	switch {
	case t == nil:
		resp.Err = idl.ErrAppNotExist
	case t.info.Status == idl.AppDropped:
		resp.Err = idl.ErrAppDropped
	default:
		for _, p := range t.partitions {
			progress := int32(0)
			if p.primary != nil || len(p.secondaries) > 0 {
				progress = restoreDone
			}
			resp.RestoreStatus = append(resp.RestoreStatus, idl.ErrOK)
			resp.RestoreProgress = append(resp.RestoreProgress, progress)
		}
	}
}
