package sandbox

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// errClosed is the answer to everything that is asked of a closed cluster.
var errClosed = errors.New("sandbox: the cluster is closed")

// metaServer is one meta server. What metas know lives in Cluster, as if all of
// them shared a perfect ZooKeeper.
type metaServer struct {
	srv *server
	// opening: the process listens and has not registered its handlers yet.
	opening atomic.Bool
}

// killMeta ends a meta server; if it led, another one takes over after
// Timing.Election.
func (c *Cluster) killMeta(m *metaServer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killMetaLocked(m)
}

func (c *Cluster) killMetaLocked(m *metaServer) {
	if !m.srv.up() {
		return
	}
	m.srv.stop()
	if c.leader == m {
		c.leader, c.active = nil, false
		c.forgetLeader()
		c.afterLocked(c.timing.Election, c.elect)
	}
}

// elect makes the first living meta the leader, if there is none.
func (c *Cluster) elect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader != nil {
		return
	}
	for _, m := range c.metas {
		if !m.srv.up() {
			continue
		}
		c.leader, c.active = m, false
		c.afterLocked(c.timing.LeaderStart, func() { c.activate(m) })
		return
	}
}

// activate ends the time in which a new leader reads its state.
func (c *Cluster) activate(m *metaServer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == m {
		c.restoreDuplications()
		c.active = true
		c.continueBulkLoads()
	}
}

// startMeta runs a dead meta again. It knows no RPC for Timing.MetaOpen
// (meta_service::start registers its handlers late), then it serves as a follower, or as leader after an election
// when there is none.
func (c *Cluster) startMeta(m *metaServer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	if m.srv.up() {
		return nil
	}
	if err := m.srv.start(); err != nil {
		return err
	}
	m.opening.Store(true)
	process := m.srv.epoch.Load()
	c.afterLocked(c.timing.MetaOpen, func() {
		if m.srv.epoch.Load() == process {
			m.opening.Store(false)
		}
	})
	if c.leader == nil {
		c.afterLocked(c.timing.MetaOpen+c.timing.Election, c.elect)
	}
	return nil
}

// metaAt is the meta with an index.
func (c *Cluster) metaAt(i int) (*metaServer, error) {
	if i < 0 || i >= len(c.metas) {
		return nil, fmt.Errorf("sandbox: no meta server %d, there are %d", i, len(c.metas))
	}
	return c.metas[i], nil
}

// forgetLeader is what goes with the memory of a meta that led. Its successor works at the
// level that its configuration starts with (meta_function_level_on_start).
func (c *Cluster) forgetLeader() {
	c.level = idl.MetaLively
	c.forgetBackups()
	c.forgetRestores()
	c.forgetBulkLoads()
}
