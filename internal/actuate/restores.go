package actuate

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Restores implements apply.Restores.
type Restores struct{ clusters *Clusters }

var _ apply.Restores = (*Restores)(nil)

// NewRestores makes tables from backups.
func NewRestores(c *Clusters) *Restores { return &Restores{clusters: c} }

// StartRestore implements apply.Restores.
func (r *Restores) StartRestore(ctx context.Context, a plan.Restore, backupID int64) (int32, error) {
	c, err := r.clusters.cluster(a.Target.Cluster)
	if err != nil {
		return 0, err
	}
	ref := a.Backup
	ref.ID = backupID
	path, root, policy := provider.Dir(ref).Restore(false)
	r.clusters.forget(a.Target)
	id, err := c.StartRestore(ctx, pegasus.RestoreSpec{
		Root: root, Policy: policy, Path: path, BackupID: backupID, Table: ref.Table, AppID: ref.AppID,
		NewTable: a.Target.Table, Provider: a.Provider.Name, SkipBadPartition: a.SkipBadPartition,
	})
	return id, unknown(refusedFiles(err))
}

// RestoreProgress implements apply.Restores.
func (r *Restores) RestoreProgress(ctx context.Context, t plan.TableRef, id int32) ([]apply.RestorePartition, error) {
	c, err := r.clusters.cluster(t.Cluster)
	if err != nil {
		return nil, err
	}
	parts, err := c.RestoreStatus(ctx, id)
	if errors.Is(err, pegasus.ErrRestoreDropped) || errors.Is(err, pegasus.ErrRestoreForgotten) {
		return nil, fmt.Errorf("%s: %w: %w", t, apply.ErrNoTable, err)
	}
	if err != nil {
		return nil, err
	}
	out := make([]apply.RestorePartition, len(parts))
	for i, p := range parts {
		out[i] = apply.RestorePartition{Partition: int32(i), Progress: int32(p.Permille), Status: string(p.Code)}
	}
	return out, nil
}

// LiveNodes implements apply.Restores.
func (r *Restores) LiveNodes(ctx context.Context, cluster string) (int, error) {
	c, err := r.clusters.cluster(cluster)
	if err != nil {
		return 0, err
	}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, node := range nodes {
		if node.Alive {
			n++
		}
	}
	return n, nil
}
