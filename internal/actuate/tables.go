package actuate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Tables implements apply.Tables.
type Tables struct{ clusters *Clusters }

var _ apply.Tables = (*Tables)(nil)

// NewTables reads and changes the tables of clusters.
func NewTables(c *Clusters) *Tables { return &Tables{clusters: c} }

// statusDropped is how a table is listed that can still be recalled.
const statusDropped = "DROPPED"

// Table implements apply.Tables.
func (t *Tables) Table(ctx context.Context, ref plan.TableRef) (apply.TableState, error) {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return apply.TableState{}, err
	}
	list, err := c.ListTables(ctx)
	if err != nil {
		return apply.TableState{}, err
	}
	info, ok := newest(list, ref.Table)
	if !ok {
		return apply.TableState{}, fmt.Errorf("%s: %w", ref, apply.ErrNoTable)
	}
	return apply.TableState{ID: info.ID, Status: info.Status, Partitions: info.Partitions,
		Replicas: info.Replicas, Envs: info.Envs, CreatedAt: info.CreatedAt}, nil
}

// newest is the table that has a name now. While a table is being dropped its name may already be
// another's (src/meta/server_state.cpp, do_app_drop), and ids only grow.
func newest(list []pegasus.TableInfo, name string) (found pegasus.TableInfo, ok bool) {
	for _, info := range list {
		if info.Name == name && info.Status != statusDropped && (!ok || info.ID > found.ID) {
			found, ok = info, true
		}
	}
	return found, ok
}

// HighestID implements apply.Tables.
func (t *Tables) HighestID(ctx context.Context, cluster string) (int32, error) {
	c, err := t.clusters.cluster(cluster)
	if err != nil {
		return 0, err
	}
	list, err := c.ListTables(ctx)
	if err != nil {
		return 0, err
	}
	var highest int32
	for _, info := range list {
		highest = max(highest, info.ID)
	}
	return highest, nil
}

// CreateTable implements apply.Tables.
func (t *Tables) CreateTable(ctx context.Context, spec plan.CreateTable) (int32, error) {
	c, err := t.clusters.cluster(spec.Table.Cluster)
	if err != nil {
		return 0, err
	}
	id, err := c.CreateTable(ctx, pegasus.CreateSpec{Name: spec.Table.Table, Partitions: spec.Partitions,
		Replicas: spec.Replicas, Envs: spec.Envs})
	return id, unknown(err)
}

// DropTable implements apply.Tables.
func (t *Tables) DropTable(ctx context.Context, ref plan.TableRef, reserve time.Duration) error {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return err
	}
	t.clusters.forget(ref)
	return unknown(c.DropTable(ctx, ref.Table, reserve))
}

// unknown translates a lost answer to apply's word for it.
func unknown(err error) error {
	if errors.Is(err, pegasus.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return err
}

// refused marks what a meta will answer again to the same change of envs: an env or a value that it
// does not take, a table that it does not have (both ERR_INVALID_PARAMETERS in 2.5), a user that may
// not (src/meta/server_state.cpp, set_app_envs).
func refused(err error) error {
	code, _ := pegasus.CodeOf(err)
	switch code {
	case idl.ErrInvalidParameters, idl.ErrACLDeny:
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	return err
}

// SetEnvs implements apply.Tables.
func (t *Tables) SetEnvs(ctx context.Context, ref plan.TableRef, envs map[string]string) error {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return err
	}
	return refused(c.SetEnvs(ctx, ref.Table, envs))
}

// DeleteEnvs implements apply.Tables.
func (t *Tables) DeleteEnvs(ctx context.Context, ref plan.TableRef, keys []string) error {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return err
	}
	return refused(c.DeleteEnvs(ctx, ref.Table, keys...))
}

// Health implements apply.Tables.
func (t *Tables) Health(ctx context.Context, ref plan.TableRef) (apply.Health, error) {
	c, err := t.clusters.cluster(ref.Cluster)
	if err != nil {
		return apply.Health{}, err
	}
	config, err := c.PartitionConfigs(ctx, ref.Table)
	if err != nil {
		return apply.Health{}, err
	}
	h := apply.Health{Partitions: len(config.Partitions)}
	for _, p := range config.Partitions {
		switch {
		case p.Primary == "":
			h.NoPrimary++
		case len(p.Secondaries)+1 >= int(p.MaxReplicas):
			h.Full++
		}
	}
	return h, nil
}
