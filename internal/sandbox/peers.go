package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// peerConfig is what one server's configuration file says about other clusters. It is
// a server's own: files that were not updated everywhere are the usual mistake.
type peerConfig struct {
	// ids is [duplication-group], metas [pegasus.clusters]. The maps are replaced,
	// never changed.
	ids   map[string]int
	metas map[string][]string
}

// peerBook guards a peerConfig, which tests change while servers read it.
type peerBook struct {
	mu  sync.Mutex
	cfg peerConfig
}

func (b *peerBook) get() peerConfig {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cfg
}

func (b *peerBook) edit(f func(*peerConfig)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := peerConfig{ids: maps.Clone(b.cfg.ids), metas: maps.Clone(b.cfg.metas)}
	f(&next)
	b.cfg = next
}

// hasID tells whether a cluster id is in [duplication-group].
func (p peerConfig) hasID(id int) bool {
	for _, known := range p.ids {
		if known == id {
			return true
		}
	}
	return false
}

// firstPeers is the configuration that a cluster starts with: ids as Config says, or
// by the order of names, and the addresses of Config.ClusterMetas.
func (c *Cluster) firstPeers() peerConfig {
	ids := maps.Clone(c.cfg.ClusterIDs)
	if ids == nil {
		ids = idsByName(append(slices.Clone(c.cfg.RemoteClusters), c.cfg.Name))
	}
	metas := map[string][]string{c.cfg.Name: c.MetaServers()}
	maps.Copy(metas, c.cfg.ClusterMetas)
	return peerConfig{ids: ids, metas: metas}
}

// idsByName numbers names from 1 in their order.
func idsByName(names []string) map[string]int {
	ids := map[string]int{}
	for i, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		ids[name] = i + 1
	}
	return ids
}

// Link makes clusters of one process know each other: every server of each gets ids
// for all of them in [duplication-group] and the addresses of the metas of the others
// in [pegasus.clusters], and files can be copied between their servers. What
// Config.ClusterIDs and Config.ClusterMetas said stays. The clusters must have
// different names; link them before anything is duplicated.
func Link(clusters ...*Cluster) error {
	var names []string
	for _, c := range clusters {
		if slices.Contains(names, c.cfg.Name) {
			return fmt.Errorf("sandbox: link: two clusters are named %q", c.cfg.Name)
		}
		names = append(names, c.cfg.Name)
	}
	ids := idsByName(names)
	for _, c := range clusters {
		c.mu.Lock()
		c.peers = slices.Clone(clusters)
		c.mu.Unlock()
		for _, s := range c.servers() {
			s.peers.edit(func(p *peerConfig) {
				if c.cfg.ClusterIDs == nil {
					p.ids = ids
				}
				for _, other := range clusters {
					if _, set := p.metas[other.cfg.Name]; !set {
						p.metas[other.cfg.Name] = other.MetaServers()
					}
				}
			})
		}
	}
	return nil
}

// servers are all servers, metas first.
func (c *Cluster) servers() []*server {
	var list []*server
	for _, m := range c.metas {
		list = append(list, m.srv)
	}
	for _, n := range c.nodes {
		list = append(list, n.srv)
	}
	return list
}

// SetClusterID sets a line of [duplication-group] on some servers, given by address,
// or on all when none is given; id 0 takes the line out. It works at once, as if the
// servers had been started with it.
func (c *Cluster) SetClusterID(name string, id int, servers ...string) error {
	if id < 0 || id > 127 {
		return fmt.Errorf("sandbox: cluster id %d of %q is not between 1 and 127", id, name)
	}
	return c.editPeers(servers, func(p *peerConfig) {
		if id == 0 {
			delete(p.ids, name)
			return
		}
		p.ids[name] = id
	})
}

// SetClusterMetas sets a line of [pegasus.clusters], see SetClusterID; no metas take
// the line out.
func (c *Cluster) SetClusterMetas(name string, metas []string, servers ...string) error {
	return c.editPeers(servers, func(p *peerConfig) {
		if len(metas) == 0 {
			delete(p.metas, name)
			return
		}
		p.metas[name] = slices.Clone(metas)
	})
}

func (c *Cluster) editPeers(addrs []string, f func(*peerConfig)) error {
	var errs []error
	found := 0
	for _, s := range c.servers() {
		if len(addrs) == 0 || slices.Contains(addrs, s.addr) {
			s.peers.edit(f)
			found++
		}
	}
	if len(addrs) > 0 && found != len(addrs) {
		errs = append(errs, fmt.Errorf("sandbox: %d of the servers %v are none of cluster %q", len(addrs)-found, addrs, c.cfg.Name))
	}
	return errors.Join(errs...)
}

// serverAt finds a server of this or a linked cluster by its address, nil for none.
// Only the copying of files uses it; requests go over the network.
func (c *Cluster) serverAt(addr string) *server {
	c.mu.Lock()
	peers := c.peers
	c.mu.Unlock()
	for _, p := range append([]*Cluster{c}, peers...) {
		for _, s := range p.servers() {
			if s.addr == addr {
				return s
			}
		}
	}
	return nil
}
