package actuate

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Backups implements apply.Backups.
type Backups struct{ clusters *Clusters }

var _ apply.Backups = (*Backups)(nil)

// NewBackups makes and follows cold backups.
func NewBackups(c *Clusters) *Backups { return &Backups{clusters: c} }

// StartBackup implements apply.Backups.
func (b *Backups) StartBackup(ctx context.Context, a plan.Backup) (int64, error) {
	c, err := b.clusters.cluster(a.Source.Cluster)
	if err != nil {
		return 0, err
	}
	id, err := c.StartBackup(ctx, pegasus.BackupSpec{AppID: a.AppID, Provider: a.Provider.Name, Path: a.Path})
	switch {
	case errors.Is(err, pegasus.ErrBackupOff):
		return 0, fmt.Errorf("%w: %w", apply.ErrRefused, err)
	case err != nil:
		return 0, unknown(refusedFiles(err))
	}
	return id, nil
}

// refusedFiles marks the answers that a meta gives again to the same request about files: a provider,
// a path, a table or an input that it does not take, or something else that is under way.
func refusedFiles(err error) error {
	var said *pegasus.MetaError
	if !errors.As(err, &said) {
		return err
	}
	switch said.Code {
	case idl.ErrInvalidParameters, idl.ErrInvalidState, idl.ErrACLDeny, idl.ErrAppNotExist, idl.ErrAppDropped, idl.ErrAppExist,
		idl.ErrObjectNotFound, idl.ErrInconsistentState, idl.ErrCorruption, idl.ErrBusy, idl.ErrInactiveState, idl.ErrOperationDisabled:
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	return err
}

// Backups implements apply.Backups.
func (b *Backups) Backups(ctx context.Context, t plan.TableRef, appID int32) ([]apply.BackupStatus, error) {
	c, err := b.clusters.cluster(t.Cluster)
	if err != nil {
		return nil, err
	}
	items, err := c.Backups(ctx, appID)
	if err != nil {
		return nil, err
	}
	out := make([]apply.BackupStatus, 0, len(items))
	for i := range items {
		out = append(out, backupStatus(&items[i]))
	}
	return out, nil
}

// Backup implements apply.Backups.
func (b *Backups) Backup(ctx context.Context, t plan.TableRef, appID int32, id int64) (apply.BackupStatus, error) {
	c, err := b.clusters.cluster(t.Cluster)
	if err != nil {
		return apply.BackupStatus{}, err
	}
	item, err := c.BackupStatus(ctx, appID, id)
	if errors.Is(err, pegasus.ErrBackupUnknown) {
		return apply.BackupStatus{}, fmt.Errorf("%w: %w", apply.ErrNoBackup, err)
	}
	if err != nil {
		return apply.BackupStatus{}, err
	}
	return backupStatus(&item), nil
}

func backupStatus(b *pegasus.BackupItem) apply.BackupStatus {
	return apply.BackupStatus{ID: b.ID, Provider: b.Provider, Path: b.Path, Started: b.Started, Ended: b.Ended, Failed: b.Failed}
}

// Uploading implements apply.Backups. That servers count a backup as running says nothing: parts that a
// lost meta leader drove no further are counted until their server restarts, and none of them begins to
// upload without a meta that asks it to (replica_backup.cpp).
func (b *Backups) Uploading(ctx context.Context, cluster string) (int64, error) {
	var largest int64
	work, err := onNodes(ctx, b.clusters, cluster, func(ctx context.Context, c *pegasus.Cluster, node string) (pegasus.BackupWork, error) {
		w, err := c.BackupWork(ctx, node)
		if err == nil && !w.Told {
			err = fmt.Errorf("replica server %s does not tell what it uploads", node)
		}
		return w, err
	})
	for _, w := range work {
		largest = max(largest, w.MaxUploaded)
	}
	return largest, err
}

// onNodes asks every living replica server of a cluster, in the order of addresses. The first error
// counts.
func onNodes[T any](ctx context.Context, clusters *Clusters, cluster string, ask func(context.Context, *pegasus.Cluster, string) (T, error)) ([]T, error) {
	c, err := clusters.cluster(cluster)
	if err != nil {
		return nil, err
	}
	living, err := livingNodes(ctx, c)
	if err != nil {
		return nil, err
	}
	return askEach(ctx, living, func(ctx context.Context, node string) (T, error) { return ask(ctx, c, node) })
}

// askEach asks servers, a bounded number at once.
func askEach[T any](ctx context.Context, nodes []string, ask func(context.Context, string) (T, error)) ([]T, error) {
	out := make([]T, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(nodesAtOnce)
	for i, node := range nodes {
		g.Go(func() (err error) {
			out[i], err = ask(ctx, node)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}
