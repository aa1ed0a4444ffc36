package sandbox

import (
	"errors"
	"fmt"
)

// repeat lets a fault happen every interval until it is cleared or has happened
// often enough.
func (c *Cluster) repeat(id int, a *activeFault) {
	c.after(a.Every, func() {
		if !c.faults.has(id) {
			return
		}
		// What cannot happen now, such as moving a primary that is on its way, may
		// happen next time.
		_ = c.happen(a)
		if a.hit++; a.Times > 0 && a.hit >= a.Times {
			c.faults.mu.Lock()
			c.faults.remove(id)
			c.faults.mu.Unlock()
			return
		}
		c.repeat(id, a)
	})
}

// happen lets a fault of a server or partition happen once.
func (c *Cluster) happen(a *activeFault) error {
	switch a.Kind {
	case FaultKillReplica:
		return c.KillReplica(a.pick(a.Server, len(c.nodes)))
	case FaultRestartReplica:
		return c.RestartReplica(a.pick(a.Server, len(c.nodes)))
	case FaultBounceReplica:
		i := a.pick(a.Server, len(c.nodes))
		if err := c.KillReplica(i); err != nil {
			return err
		}
		c.after(max(a.Delay, c.timing.NodeGrace), func() {
			_ = c.RestartReplica(i) // fails only when its port was taken meanwhile
		})
		return nil
	case FaultKillMeta:
		return c.KillMeta(a.pick(a.Server, len(c.metas)))
	case FaultRestartMeta:
		return c.RestartMeta(a.pick(a.Server, len(c.metas)))
	case FaultLoseLeader:
		c.LoseMetaLeader()
		return nil
	case FaultCutAll:
		c.CutConnections()
		return nil
	case FaultCompact:
		return c.compactSome(a.Table)
	case FaultMovePrimary:
		return c.moveSome(a)
	case FaultForgetClusterID, FaultForgetClusterMetas:
		return c.forgetCluster(a.Fault)
	default:
		return fmt.Errorf("sandbox: fault %s cannot happen by itself", a.Kind)
	}
}

// forgetCluster takes a line about another cluster out of configurations.
func (c *Cluster) forgetCluster(f Fault) error {
	servers := c.ReplicaServers()
	if f.Metas {
		servers = c.MetaServers()
	}
	if f.Server != nil {
		if *f.Server < 0 || *f.Server >= len(servers) {
			return fmt.Errorf("sandbox: no server %d, there are %d", *f.Server, len(servers))
		}
		servers = servers[*f.Server : *f.Server+1]
	}
	if f.Kind == FaultForgetClusterID {
		return c.SetClusterID(f.Remote, 0, servers...)
	}
	return c.SetClusterMetas(f.Remote, nil, servers...)
}

// pick is index, or for nil the next of n each time.
func (a *activeFault) pick(index *int, n int) int {
	if index != nil {
		return *index
	}
	a.next++
	return (a.next - 1) % n
}

// moveSome moves the primaries that the fault names: of one table or of all.
func (c *Cluster) moveSome(a *activeFault) error {
	names := []string{a.Table}
	if a.Table == "" {
		names = c.TableNames()
	}
	var errs []error
	turn := a.next
	a.next++
	for _, name := range names {
		parts, err := c.partitionData(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		index := turn % len(parts)
		if a.Partition != nil {
			index = *a.Partition
		}
		errs = append(errs, c.MovePrimary(name, index))
	}
	return errors.Join(errs...)
}

// compactSome compacts one table, or all for "".
func (c *Cluster) compactSome(table string) error {
	names := []string{table}
	if table == "" {
		names = c.TableNames()
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, c.Compact(name))
	}
	return errors.Join(errs...)
}

// TableNames are the names of all serving tables, in the order of their ids.
func (c *Cluster) TableNames() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, t := range c.tables {
		if t.serving() {
			names = append(names, t.info.AppName)
		}
	}
	return names
}
