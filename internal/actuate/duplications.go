package actuate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Duplications implements apply.Duplications.
type Duplications struct {
	clusters *Clusters

	mu       sync.Mutex
	rejected map[plan.TableRef]map[string]rejectedOn
	lost     map[plan.TableRef]map[string]lostOn
}

var _ apply.Duplications = (*Duplications)(nil)

// NewDuplications reads and changes the duplications of clusters.
func NewDuplications(c *Clusters) *Duplications {
	return &Duplications{clusters: c, rejected: map[plan.TableRef]map[string]rejectedOn{}, lost: map[plan.TableRef]map[string]lostOn{}}
}

// Duplications implements apply.Duplications.
func (d *Duplications) Duplications(ctx context.Context, ref plan.TableRef) ([]apply.Duplication, error) {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return nil, err
	}
	list, err := c.Duplications(ctx, ref.Table)
	if errors.Is(err, idl.ErrAppNotExist) {
		return nil, fmt.Errorf("%s: %w: %w", ref, apply.ErrNoTable, err)
	}
	if err != nil {
		return nil, err
	}
	var out []apply.Duplication
	for _, e := range list {
		if e.Status == idl.DupRemoved.String() {
			continue // 2.5 lists one until its node in ZooKeeper is gone
		}
		out = append(out, apply.Duplication{ID: e.ID, Remote: e.Remote, Status: e.Status, FailMode: e.FailMode, CreatedAt: e.CreatedAt})
	}
	return out, nil
}

// AddDuplication implements apply.Duplications. A meta that says that one exists already is an unknown
// outcome too: whose it is, an earlier request's whose answer was lost or a stranger's, only the list
// of duplications tells. The fail mode is set by a second request, because the first one has no field
// for it; when that fails the duplication is there, in mode slow, and the error says so.
func (d *Duplications) AddDuplication(ctx context.Context, a plan.AddDuplication) (int32, error) {
	c, err := d.clusters.cluster(a.Source.Cluster)
	if err != nil {
		return 0, err
	}
	mode, err := failMode(a.FailMode)
	if err != nil {
		return 0, err
	}
	if err := d.canName(ctx, c, a); err != nil {
		return 0, err
	}
	added, err := c.AddDuplication(ctx, pegasus.DuplicationSpec{Table: a.Source.Table, Remote: a.Remote, LogOnly: a.LogOnly,
		RemoteTable: a.RemoteTable, RemoteReplicas: a.Replicas})
	if err != nil {
		return 0, notAdded(err)
	}
	if a.RemoteTable != "" && added.RemoteTable != a.RemoteTable || a.Replicas != 0 && added.RemoteReplicas != a.Replicas {
		return added.ID, fmt.Errorf("%w: duplication %d was added and its follower will be table %q with %d replicas, not %q with %d: "+
			"the meta server does not take these; remove it", apply.ErrRefused, added.ID, added.RemoteTable, added.RemoteReplicas, a.RemoteTable, a.Replicas)
	}
	if mode == idl.DupFailSlow {
		return added.ID, nil
	}
	if err := c.SetDuplicationFailMode(ctx, a.Source.Table, added.ID, mode); err != nil {
		return added.ID, fmt.Errorf("duplication %d was added; its fail mode is slow: %w", added.ID, err)
	}
	return added.ID, nil
}

// canName refuses what servers up to 2.5 would ignore without a word.
func (d *Duplications) canName(ctx context.Context, c *pegasus.Cluster, a plan.AddDuplication) error {
	if a.RemoteTable == "" && a.Replicas == 0 {
		return nil
	}
	can, err := c.HasListDuplication(ctx)
	if err == nil && !can {
		err = fmt.Errorf("%w: servers before 2.6 give a follower the name and the replica count of its source", apply.ErrRefused)
	}
	return err
}

func failMode(word string) (idl.DuplicationFailMode, error) {
	switch word {
	case "", "slow":
		return idl.DupFailSlow, nil
	case "skip":
		return idl.DupFailSkip, nil
	case "fast":
		return idl.DupFailFast, nil
	}
	return 0, fmt.Errorf("%w: %q is no fail mode", apply.ErrRefused, word)
}

// notAdded translates why there is no answer with an id.
func notAdded(err error) error {
	if errors.Is(err, pegasus.ErrDuplicationExists) {
		return fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return unknown(refusedDuplication(err))
}

// refusedDuplication marks what a meta will answer again: beside what refused knows, that the table is
// gone and that duplication is switched off.
func refusedDuplication(err error) error {
	code, _ := pegasus.CodeOf(err)
	switch code {
	case idl.ErrAppNotExist, idl.ErrServiceNotActive:
		return fmt.Errorf("%w: %w", apply.ErrRefused, err)
	}
	return refused(err)
}

// HoldDuplication implements apply.Duplications.
func (d *Duplications) HoldDuplication(ctx context.Context, ref plan.TableRef, id int32, hold bool) error {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return err
	}
	status := idl.DupLog
	if hold {
		status = idl.DupPause
	}
	return refusedDuplication(c.SetDuplicationStatus(ctx, ref.Table, id, status))
}

// RemoveDuplication implements apply.Duplications. A table that is gone has no duplications.
func (d *Duplications) RemoveDuplication(ctx context.Context, ref plan.TableRef, id int32) error {
	c, err := d.clusters.cluster(ref.Cluster)
	if err != nil {
		return err
	}
	err = c.RemoveDuplication(ctx, ref.Table, id)
	switch code, _ := pegasus.CodeOf(err); code {
	case idl.ErrObjectNotFound, idl.ErrAppNotExist:
		return nil
	}
	return refusedDuplication(err)
}

// The interval at which an idle primary writes an empty mutation, which carries the commit of the last
// one into the log (src/replica/replica_check.cpp).
const (
	flagGroupCheck     = "group_check_interval_ms"
	sectionReplication = "replication"
	// defaultGroupCheck is what servers do that have no such key in their configuration; the shipped
	// config.ini says 100 s.
	defaultGroupCheck = 10 * time.Second
)

// GroupCheck implements apply.Duplications. Servers of 2.6 and later ship the last mutation at once
// (apache/incubator-pegasus #2048, #2050), so that only older ones among the living count. A living one
// that does not answer is an error: it may be the slowest.
func (d *Duplications) GroupCheck(ctx context.Context, cluster string) (time.Duration, error) {
	c, err := d.clusters.cluster(cluster)
	if err != nil {
		return 0, err
	}
	nodes, err := livingNodes(ctx, c)
	if err != nil {
		return 0, err
	}
	intervals, errs := make([]time.Duration, len(nodes)), make([]error, len(nodes))
	eachNode(nodes, func(i int) { intervals[i], errs[i] = groupCheckOf(ctx, c, nodes[i]) })
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, v := range intervals {
		longest = max(longest, v)
	}
	return longest, nil
}

func groupCheckOf(ctx context.Context, c *pegasus.Cluster, node string) (time.Duration, error) {
	version, err := c.ServerVersion(ctx, node)
	if err != nil {
		return 0, err
	}
	if pegasus.AtLeast(version, 2, 6) {
		return 0, nil
	}
	value, err := c.Setting(ctx, node, sectionReplication, flagGroupCheck)
	if errors.Is(err, pegasus.ErrNoSuchFlag) {
		return defaultGroupCheck, nil
	}
	if err != nil {
		return 0, err
	}
	v, err := pegasus.Milliseconds(value)
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", flagGroupCheck, node, err)
	}
	return v, nil
}

// livingNodes are the replica servers that the meta sees alive; none is an error.
func livingNodes(ctx context.Context, c *pegasus.Cluster) ([]string, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range nodes {
		if n.Alive {
			out = append(out, n.Addr)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cluster %q has no living replica server", c.Name())
	}
	return out, nil
}

// eachNode runs fn for the index of every node, a bounded number at once, and waits for all. fn must
// end by itself.
func eachNode(nodes []string, fn func(i int)) {
	slots := make(chan struct{}, nodesAtOnce)
	var wg sync.WaitGroup
	for i := range nodes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			fn(i)
		})
	}
	wg.Wait()
}
