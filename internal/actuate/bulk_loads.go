package actuate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// BulkLoads implements apply.BulkLoads.
type BulkLoads struct{ clusters *Clusters }

var _ apply.BulkLoads = (*BulkLoads)(nil)

// NewBulkLoads loads files into tables.
func NewBulkLoads(c *Clusters) *BulkLoads { return &BulkLoads{clusters: c} }

// StartBulkLoad implements apply.BulkLoads.
func (b *BulkLoads) StartBulkLoad(ctx context.Context, a plan.BulkLoad) error {
	c, err := b.clusters.cluster(a.Target.Cluster)
	if err != nil {
		return err
	}
	return unknown(refusedFiles(c.StartBulkLoad(ctx, pegasus.BulkLoadSpec{Table: a.Target.Table, Cluster: a.Staging.Cluster,
		Provider: a.Staging.Provider.Name, Root: a.Staging.Root, IngestBehind: a.IngestBehind})))
}

// BulkLoad implements apply.BulkLoads.
func (b *BulkLoads) BulkLoad(ctx context.Context, t plan.TableRef) (apply.LoadStatus, error) {
	c, err := b.clusters.cluster(t.Cluster)
	if err != nil {
		return apply.LoadStatus{}, err
	}
	p, err := c.BulkLoadProgress(ctx, t.Table)
	if errors.Is(err, idl.ErrAppNotExist) || errors.Is(err, idl.ErrAppDropped) {
		return apply.LoadStatus{}, fmt.Errorf("%s: %w: %w", t, apply.ErrNoTable, err)
	}
	if err != nil {
		return apply.LoadStatus{}, err
	}
	out := apply.LoadStatus{Status: p.Status.String(), Loading: p.Loading}
	if !p.Failure.OK() {
		out.Err, out.Hint = string(p.Failure), p.Hint
	}
	for i := range p.Partitions {
		out.Partitions = append(out.Partitions, loadPartition(int32(i), &p.Partitions[i]))
	}
	return out, nil
}

// loadPartition sums up replicas. One that has not reported has loaded nothing; once the servers clean
// up, their progress falls back to 0, and the partition's status says what was reached.
func loadPartition(index int32, p *pegasus.BulkLoadPartition) apply.LoadPartition {
	out := apply.LoadPartition{Partition: index, Status: p.Status.String(), Ingested: p.Status == idl.BulkLoadSucceed}
	lowest, ingested := int32(100), len(p.Replicas) > 0
	for _, r := range p.Replicas {
		one := apply.LoadReplica{Addr: r.Node, Download: int32(r.Percent), CleanedUp: r.CleanedUp, Paused: r.Paused}
		if !r.Download.OK() {
			one.Error = string(r.Download)
		}
		if r.Ingestion != idl.IngestionInvalid {
			one.Ingest = r.Ingestion.String()
		}
		lowest = min(lowest, one.Download)
		ingested = ingested && r.Ingestion == idl.IngestionSucceed
		out.Replicas = append(out.Replicas, one)
	}
	out.Ingested = out.Ingested || ingested
	switch {
	case out.Ingested, p.Status == idl.BulkLoadDownloaded, p.Status == idl.BulkLoadIngesting:
		out.Download = 100
	case len(p.Replicas) > 0:
		out.Download = lowest
	}
	return out
}

// ControlBulkLoad implements apply.BulkLoads.
func (b *BulkLoads) ControlBulkLoad(ctx context.Context, t plan.TableRef, control apply.LoadControl) error {
	c, err := b.clusters.cluster(t.Cluster)
	if err != nil {
		return err
	}
	do, ok := map[apply.LoadControl]func(context.Context, string) error{
		apply.PauseLoad: c.PauseBulkLoad, apply.ResumeLoad: c.ResumeBulkLoad,
		apply.CancelLoad: c.CancelBulkLoad, apply.ForceCancelLoad: c.ForceCancelBulkLoad,
	}[control]
	if !ok {
		return fmt.Errorf("%w: %q is no control of a bulk load", apply.ErrRefused, control)
	}
	return unknown(refusedFiles(do(ctx, t.Table)))
}

// ClearBulkLoad implements apply.BulkLoads.
func (b *BulkLoads) ClearBulkLoad(ctx context.Context, t plan.TableRef) error {
	c, err := b.clusters.cluster(t.Cluster)
	if err != nil {
		return err
	}
	return refusedFiles(c.ClearBulkLoad(ctx, t.Table))
}

// LoadsUnderway implements apply.BulkLoads.
func (b *BulkLoads) LoadsUnderway(ctx context.Context, cluster string) ([]string, error) {
	c, err := b.clusters.cluster(cluster)
	if err != nil {
		return nil, err
	}
	list, err := c.ListTables(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, info := range list {
		if info.BulkLoading && info.Status != statusDropped {
			out = append(out, info.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}
