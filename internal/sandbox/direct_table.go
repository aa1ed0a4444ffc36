package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TableSpec describes a table to be created.
type TableSpec struct {
	Name string
	// Partitions, at least 1, and Replicas, at most the living servers; 0 means 4
	// partitions, or 3 replicas (fewer when there are fewer servers).
	Partitions, Replicas int32
	// Envs are create-time envs. default_ttl or manual_compact.once.* among them
	// crash every replica server, as in reality.
	Envs map[string]string
}

// CreateTable creates a table as RPC_CM_CREATE_APP does and returns its id at once;
// it serves later, see WaitHealthy. The error is an idl.ErrorCode.
func (c *Cluster) CreateTable(spec TableSpec) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errClosed
	}
	req := &idl.CreateAppRequest{AppName: spec.Name, Options: idl.CreateAppOptions{
		PartitionCount: orDefault(spec.Partitions, 4),
		ReplicaCount:   orDefault(spec.Replicas, int32(min(3, c.aliveCount()))),
		AppType:        "pegasus", IsStateful: true, Envs: spec.Envs,
	}}
	resp := &idl.CreateAppResponse{Err: idl.ErrOK}
	createApp(c, req, resp)
	if !resp.Err.OK() {
		return 0, fmt.Errorf("sandbox: create table %q: %w", spec.Name, resp.Err)
	}
	if t := c.tableByID(resp.AppID); t != nil {
		c.settleTable(t)
	}
	return resp.AppID, nil
}

// pollEvery is how often waits look again, in the machine's time.
const pollEvery = 2 * time.Millisecond

// WaitHealthy waits until every partition of a table has all its replicas.
func (c *Cluster) WaitHealthy(ctx context.Context, name string) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		c.mu.Lock()
		t, closed := c.findTable(name), c.closed
		healthy := t != nil && t.healthy()
		c.mu.Unlock()
		switch {
		case healthy:
			return nil
		case closed:
			return errClosed
		case t == nil:
			return fmt.Errorf("sandbox: wait for table %q: %w", name, idl.ErrAppNotExist)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("sandbox: table %q did not become healthy: %w", name, ctx.Err())
		}
	}
}

// HasTable tells whether a table of this name serves.
func (c *Cluster) HasTable(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.findTable(name)
	return t != nil && t.serving()
}

// TableEnvs are the envs that the meta has for a table.
func (c *Cluster) TableEnvs(name string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(name)
	if err != nil {
		return nil, err
	}
	return maps.Clone(t.envs), nil
}

// SetEnvs sets envs as RPC_CM_UPDATE_APP_ENV does, checks included.
func (c *Cluster) SetEnvs(name string, envs map[string]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	req := &idl.UpdateAppEnvRequest{AppName: name, Op: idl.EnvOpSet}
	for k, v := range envs {
		req.Keys, req.Values = append(req.Keys, k), append(req.Values, v)
	}
	resp := &idl.UpdateAppEnvResponse{Err: idl.ErrOK}
	updateAppEnv(c, req, resp)
	if !resp.Err.OK() {
		return fmt.Errorf("sandbox: set envs of table %q: %w: %s", name, resp.Err, resp.HintMessage)
	}
	return nil
}

// DeleteEnvs deletes envs; absent ones are no error.
func (c *Cluster) DeleteEnvs(name string, keys ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(name)
	if err != nil {
		return err
	}
	next := maps.Clone(t.envs)
	for _, key := range keys {
		delete(next, key)
	}
	t.setEnvs(next)
	return nil
}

// SyncEnvs runs config sync and group check on all servers now, so that the envs of
// all tables reach every replica.
func (c *Cluster) SyncEnvs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		c.configSync(n)
	}
	for _, n := range c.nodes {
		c.groupCheck(n)
	}
}

// DropTable drops a table with the default reserve time.
func (c *Cluster) DropTable(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(name)
	if err != nil {
		return err
	}
	c.dropTable(t, holdDropped)
	return nil
}

// mustFind is a serving table, or an error that says which one is missing.
func (c *Cluster) mustFind(name string) (*table, error) {
	t, code := c.available(name)
	if t == nil {
		return nil, fmt.Errorf("sandbox: table %q: %w", name, code)
	}
	return t, nil
}

// partitionOf is one partition of a serving table.
func (c *Cluster) partitionOf(name string, index int) (*partitionState, error) {
	t, err := c.mustFind(name)
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(t.partitions) {
		return nil, fmt.Errorf("sandbox: table %q has no partition %d, it has %d", name, index, len(t.partitions))
	}
	return t.partitions[index], nil
}

// errNoPrimary: a partition has nowhere to move its primary to.
var errNoPrimary = errors.New("it has no primary or no living secondary now")
