package sandbox

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// DuplicationState is a duplication as it is inside, which no client can see.
type DuplicationState struct {
	ID       int32
	Remote   string
	Status   idl.DuplicationStatus
	FailMode idl.DuplicationFailMode
	// Partitions are by index.
	Partitions []DuplicationPartition
}

// DuplicationPartition is how far one partition is. Decrees are -1 while nothing is
// known.
type DuplicationPartition struct {
	// Stored is the confirmed decree in the meta's storage, from which another primary
	// would go on. Prepared: the meta knows that the checkpoint is ready.
	Stored   int64
	Prepared bool
	// Primary is the address of the primary, "" for none; what follows is what it knows.
	Primary string
	// Assigned: the primary knows of the duplication, in state Status, which may be one
	// sync old. Running: it ships.
	Assigned, Running bool
	Status            idl.DuplicationStatus
	// Committed is its last decree, Shipped the last that arrived on the target,
	// Confirmed the last that it knows as stored.
	Committed, Shipped, Confirmed int64
	// Lost counts mutations that were dropped because the last one of their batch came
	// from another cluster.
	Lost int64
	// Logged is how many mutations the log keeps.
	Logged int
}

// AtRest tells whether everything but the last mutation has been shipped, beyond which a
// primary of 2.5 never comes.
func (p DuplicationPartition) AtRest() bool { return p.Running && p.Shipped >= p.Committed-1 }

// Duplications tells the state of all duplications of a table, by id. Nothing changes.
func (c *Cluster) Duplications(table string) ([]DuplicationState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(table)
	if err != nil {
		return nil, err
	}
	var list []DuplicationState
	for _, d := range t.sortedDups() {
		s := DuplicationState{ID: d.id, Remote: d.remote, Status: d.status, FailMode: d.failMode}
		for i, p := range t.partitions {
			s.Partitions = append(s.Partitions, p.duplicationState(d, d.partitions[i]))
		}
		list = append(list, s)
	}
	return list, nil
}

func (p *partitionState) duplicationState(d *duplication, known dupProgress) DuplicationPartition {
	s := DuplicationPartition{Stored: known.stored, Prepared: known.prepared, Shipped: noDecree, Confirmed: noDecree}
	p.data.mu.Lock()
	defer p.data.mu.Unlock()
	s.Committed = p.data.decree
	if p.data.log != nil {
		s.Logged = len(p.data.log.entries)
	}
	if p.primary == nil {
		return s
	}
	s.Primary = p.primary.srv.addr
	if r := p.primary.replica(p.gpid()); r != nil && r.dups[d.id] != nil {
		on := r.dups[d.id]
		s.Assigned, s.Running, s.Status = true, on.running, on.status
		s.Shipped, s.Confirmed, s.Lost = on.last, on.confirmed, on.lost
	}
	return s
}

// AddDuplication does what RPC_CM_ADD_DUPLICATION does and returns the duplication's id.
// The error is an idl.ErrorCode with the hint.
func (c *Cluster) AddDuplication(table, remote string, checkpoint bool) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == nil {
		return 0, fmt.Errorf("sandbox: add duplication of table %q: %w", table, idl.ErrServiceNotActive)
	}
	req := &idl.AddDuplicationRequest{AppName: table, RemoteClusterName: remote, IsDuplicatingCheckpoint: &checkpoint}
	resp := &idl.AddDuplicationResponse{Err: idl.ErrOK}
	addDuplication(c, req, resp)
	if !resp.Err.OK() {
		hint := ""
		if resp.Hint != nil {
			hint = ": " + *resp.Hint
		}
		return 0, fmt.Errorf("sandbox: add duplication of table %q: %w%s", table, resp.Err, hint)
	}
	return resp.DupID, nil
}

// ModifyDuplication does what RPC_CM_MODIFY_DUPLICATION does with a state.
func (c *Cluster) ModifyDuplication(table string, id int32, to idl.DuplicationStatus) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resp := &idl.ModifyDuplicationResponse{Err: idl.ErrOK}
	modifyDuplication(c, &idl.ModifyDuplicationRequest{AppName: table, DupID: id, Status: &to}, resp)
	if !resp.Err.OK() {
		return fmt.Errorf("sandbox: modify duplication %d of table %q: %w", id, table, resp.Err)
	}
	return nil
}

// SyncDuplications runs the exchange about duplications of every server now.
func (c *Cluster) SyncDuplications() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		c.dupSync(n)
	}
}

// WaitDuplication waits until the duplication of a table to a cluster is in a state and,
// for DS_LOG, every primary ships.
func (c *Cluster) WaitDuplication(ctx context.Context, table, remote string, status idl.DuplicationStatus) error {
	return c.waitDuplication(ctx, table, remote, status.String(), func(d DuplicationState) bool {
		ok := d.Status == status
		for _, p := range d.Partitions {
			ok = ok && (status != idl.DupLog || p.Running)
		}
		return ok
	})
}

// WaitShipped waits until what the partitions of a table have committed by now has
// arrived on a cluster. Without traffic that takes a group check.
func (c *Cluster) WaitShipped(ctx context.Context, table, remote string) error {
	var want []int64
	return c.waitDuplication(ctx, table, remote, "shipped", func(d DuplicationState) bool {
		if want == nil {
			for _, p := range d.Partitions {
				want = append(want, p.Committed)
			}
		}
		for i, p := range d.Partitions {
			if !p.Running || p.Shipped < want[i] {
				return false
			}
		}
		return true
	})
}

func (c *Cluster) waitDuplication(ctx context.Context, table, remote, what string, ok func(DuplicationState) bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		list, err := c.Duplications(table)
		if err != nil {
			return err
		}
		for _, d := range list {
			if d.Remote == remote && ok(d) {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-c.done:
			return errClosed
		case <-ctx.Done():
			return fmt.Errorf("sandbox: duplication of table %q to %q is not %s: %w", table, remote, what, ctx.Err())
		}
	}
}
