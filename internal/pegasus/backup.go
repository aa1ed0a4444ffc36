package pegasus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// What a meta says about one-time backups.
var (
	// ErrBackupOff is wrapped when the metas run without backups ([meta_server] cold_backup_disabled,
	// which is true unless a configuration says otherwise).
	ErrBackupOff = errors.New("cold backup is switched off")
	// ErrBackupUnknown is wrapped when the leading meta knows no such backup. Metas keep them in memory
	// only: one that was known and is so no more was lost with its leader, and never ends
	// (src/meta/meta_backup_service.cpp).
	ErrBackupUnknown = errors.New("the meta knows no such backup")
	// ErrBackupRunning is wrapped when the table is being backed up already.
	ErrBackupRunning = errors.New("the table is being backed up")
)

// The hints that tell answers with one code apart (src/meta/meta_backup_service.cpp).
const (
	hintBackupNotFound = "Backup not found"
	hintBackupRunning  = "is actively being backed up"
)

// storeTimeout bounds requests that make the meta read or write the block service before it answers.
const storeTimeout = time.Minute

// BackupSpec declares a one-time backup.
type BackupSpec struct {
	AppID int32
	// Provider is the suffix of the [block_service.<suffix>] section.
	Provider string
	// Path is put in front of cold_backup_root, "" for none; providers of type hdfs_service with a root
	// of their own refuse one.
	Path string
}

// BackupItem is one backup as the leading meta remembers it.
type BackupItem struct {
	// ID is the moment of its start in unix milliseconds.
	ID              int64
	Table, Provider string
	Path            string
	// Ended is zero while it runs, and stays so when it fails.
	Started, Ended time.Time
	Failed         bool
}

// Running tells whether it has neither ended nor failed.
func (b *BackupItem) Running() bool { return b.Ended.IsZero() && !b.Failed }

// StartBackup starts a backup of a table and returns its id. It is sent once: a second one would be
// another backup. Errors: ErrOutcomeUnknown when the answer was lost (Backups tells, as long as the
// meta leads), ErrBackupOff, ErrBackupRunning, *MetaError with the server's hint (no such provider, a
// path that the provider does not allow, ERR_INVALID_STATE for a table that is not available).
func (c *Cluster) StartBackup(ctx context.Context, spec BackupSpec) (id int64, err error) {
	req := &idl.StartBackupAppRequest{BackupProviderType: spec.Provider, AppID: spec.AppID}
	if spec.Path != "" {
		req.BackupPath = &spec.Path
	}
	resp, addr, err := askMetaLong(ctx, c, idl.NameStartBackupApp, req, true, storeTimeout,
		func(r *idl.StartBackupAppResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameStartBackupApp, addr, resp.Err, resp.HintMessage)
		if errors.Is(err, idl.ErrInvalidState) && strings.Contains(resp.HintMessage, hintBackupRunning) {
			err = fmt.Errorf("%w: %w", ErrBackupRunning, err)
		}
	}
	if err == nil && (resp.BackupID == nil || *resp.BackupID <= 0) {
		err = fmt.Errorf("cluster %q: %s took the request and named no backup id: %w", c.cfg.Name, addr, ErrOutcomeUnknown)
	}
	if err != nil {
		return 0, fmt.Errorf("back up table %d to %s: %w", spec.AppID, spec.Provider, backupOff(err))
	}
	return *resp.BackupID, nil
}

// backupOff marks the refusal of a meta that runs without backups.
func backupOff(err error) error {
	if errors.Is(err, idl.ErrServiceNotActive) {
		return fmt.Errorf("%w: %w", ErrBackupOff, err)
	}
	return err
}

// Backups lists the one-time backups of a table that the leading meta remembers, newest first; none is
// no error. Servers have no percentage.
func (c *Cluster) Backups(ctx context.Context, appID int32) ([]BackupItem, error) {
	items, err := c.backups(ctx, &idl.QueryBackupStatusRequest{AppID: appID})
	if errors.Is(err, ErrBackupUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("backups of table %d: %w", appID, err)
	}
	return items, nil
}

// BackupStatus asks for one backup. ErrBackupUnknown for one that the leading meta does not know (any
// more).
func (c *Cluster) BackupStatus(ctx context.Context, appID int32, id int64) (BackupItem, error) {
	items, err := c.backups(ctx, &idl.QueryBackupStatusRequest{AppID: appID, BackupID: &id})
	if err == nil {
		for _, b := range items {
			if b.ID == id {
				return b, nil
			}
		}
		err = fmt.Errorf("cluster %q: %w", c.cfg.Name, ErrBackupUnknown)
	}
	return BackupItem{}, fmt.Errorf("backup %d of table %d: %w", id, appID, err)
}

func (c *Cluster) backups(ctx context.Context, req *idl.QueryBackupStatusRequest) ([]BackupItem, error) {
	resp, addr, err := askMeta(ctx, c, idl.NameQueryBackupStatus, req, false,
		func(r *idl.QueryBackupStatusResponse) idl.ErrorCode { return r.Err })
	if err == nil {
		err = refusal(c, idl.NameQueryBackupStatus, addr, resp.Err, resp.HintMessage)
		if errors.Is(err, idl.ErrInvalidParameters) && strings.HasPrefix(resp.HintMessage, hintBackupNotFound) {
			err = fmt.Errorf("%w: %w", ErrBackupUnknown, err)
		}
	}
	if err != nil {
		return nil, backupOff(err)
	}
	out := make([]BackupItem, 0, len(resp.BackupItems))
	for _, b := range resp.BackupItems {
		out = append(out, BackupItem{ID: b.BackupID, Table: b.AppName, Provider: b.BackupProviderType, Path: b.BackupPath,
			Started: unixMilli(b.StartTimeMs), Ended: unixMilli(b.EndTimeMs), Failed: b.IsBackupFailed})
	}
	slices.SortFunc(out, func(a, b BackupItem) int { return b.Started.Compare(a.Started) })
	return out, nil
}

// unixMilli is a moment, zero for none.
func unixMilli(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
