package sandbox

import (
	"fmt"
	"path/filepath"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// startBackupApp checks in the order of meta_service::on_start_backup_app and
// backup_service::start_backup_app. That there is no such table at all is found out first
// and told without a hint, except by 2.4.
func startBackupApp(c *Cluster, req *idl.StartBackupAppRequest, resp *idl.StartBackupAppResponse) {
	t := c.tableByID(req.AppID)
	switch {
	case t == nil && c.release >= release25:
		resp.Err = idl.ErrInvalidParameters
		return
	case c.cfg.BackupDisabled:
		resp.Err = idl.ErrServiceNotActive
		return
	case t == nil || !t.serving():
		resp.Err = idl.ErrInvalidState
		resp.HintMessage = fmt.Sprintf("Backup failed: invalid app id %d.", req.AppID)
		return
	}
	fs := c.blockService(req.BackupProviderType)
	if fs == nil {
		resp.Err = idl.ErrInvalidParameters
		resp.HintMessage = fmt.Sprintf("Backup failed: invalid backup_provider_type %s.", req.BackupProviderType)
		return
	}
	b := &coldBackup{id: c.now().UnixMilli(), appID: req.AppID, app: t.info.AppName, provider: req.BackupProviderType, fs: fs}
	if req.BackupPath != nil {
		b.path = *req.BackupPath
	}
	if fs.hdfs && b.path != "" && filepath.Clean(fs.root) != "/" {
		resp.Err = idl.ErrInvalidParameters
		resp.HintMessage = fmt.Sprintf("Backup failed: default backup path has already configured for provider %s.", b.provider)
		return
	}
	for _, other := range c.backups {
		if other.appID == req.AppID && other.running() {
			resp.Err = idl.ErrInvalidState
			resp.HintMessage = fmt.Sprintf("Backup failed: app %d is actively being backed up.", req.AppID)
			return
		}
	}
	if resp.Err = c.startBackup(b, t); !resp.Err.OK() {
		resp.HintMessage = fmt.Sprintf("Backup failed: could not backup metadata for app %d.", req.AppID)
		return
	}
	resp.BackupID = &b.id
	resp.HintMessage = fmt.Sprintf("Backup succeed: metadata of app %d has been successfully backed up "+
		"and backup request has been sent to replica servers.", req.AppID)
}

// queryBackupStatus lists the backups of a table that the leading meta remembers.
func queryBackupStatus(c *Cluster, req *idl.QueryBackupStatusRequest, resp *idl.QueryBackupStatusResponse) {
	switch {
	case c.tableByID(req.AppID) == nil && c.release >= release25:
		resp.Err = idl.ErrInvalidParameters
		return
	case c.cfg.BackupDisabled:
		resp.Err = idl.ErrServiceNotActive
		return
	}
	for _, b := range c.backups {
		if b.appID == req.AppID && (req.BackupID == nil || *req.BackupID == b.id) {
			resp.BackupItems = append(resp.BackupItems, idl.BackupItem{
				BackupID: b.id, AppName: b.app, BackupProviderType: b.provider, BackupPath: b.path,
				StartTimeMs: b.id, EndTimeMs: b.end, IsBackupFailed: b.failed,
			})
		}
	}
	if len(resp.BackupItems) == 0 {
		resp.Err = idl.ErrInvalidParameters
		resp.HintMessage = "Backup not found, please check app_id or backup_id."
		return
	}
	resp.HintMessage = fmt.Sprintf("There are %d available backups for app %d.", len(resp.BackupItems), req.AppID)
}
