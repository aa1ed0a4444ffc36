package sandbox

import "github.com/tidwall/btree"

// checkpoint is the rows of a partition as of a decree, as another cluster copies them.
type checkpoint struct {
	decree int64
	rows   *btree.BTreeG[row]
	bytes  int
}

// takeCheckpoint writes everything up to the last decree to the disk. A partition
// without rows of clients has none afterwards either: servers up to 2.5 find nothing to
// copy there (on_query_last_checkpoint answers ERR_PATH_NOT_FOUND). From 2.6 on there is an
// empty one. p.mu must be held.
func (p *partition) takeCheckpoint() { p.keepCheckpoint(p.flush()) }

// flush is what a checkpoint that begins now will contain.
func (p *partition) flush() *checkpoint {
	cp := &checkpoint{decree: p.decree}
	if !p.lacksCheckpoint() {
		cp.rows, cp.bytes = p.store.snapshot(), p.store.bytes
	}
	return cp
}

// keepCheckpoint makes a checkpoint that was begun before the last one, unless there is
// a newer one.
func (p *partition) keepCheckpoint(cp *checkpoint) {
	if cp.decree < p.durable {
		return
	}
	if p.durable = cp.decree; cp.rows != nil {
		p.checkpoint = cp
	}
}

// hasRows tells whether there is any row of a client, expired ones included.
func (p *partition) hasRows() bool {
	if p.store.len() > 1 {
		return true
	}
	found := false
	p.store.tree.Scan(func(r row) bool {
		found = len(r.key()) > 0
		return !found
	})
	return found
}

// covers tells whether there is a checkpoint that has everything up to a decree.
func (p *partition) covers(decree int64) bool {
	if p.shipsLast {
		return p.checkpoint != nil && decree <= p.checkpoint.decree
	}
	return decree <= p.durable
}

// lacksCheckpoint tells whether a checkpoint would have nothing that can be copied.
func (p *partition) lacksCheckpoint() bool { return !p.shipsLast && !p.hasRows() }

// copyCheckpoint is a copy of the last checkpoint, nil for none.
func (p *partition) copyCheckpoint() *checkpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.checkpoint == nil {
		return nil
	}
	// The copy of the tree shares all nodes; whoever changes it first copies what it
	// changes. Taking it touches the original, hence the lock.
	return &checkpoint{decree: p.checkpoint.decree, rows: p.checkpoint.rows.Copy(), bytes: p.checkpoint.bytes}
}

// adoptCheckpoint opens a new partition with rows that were copied from elsewhere. They
// are taken as they are: no default TTL, no expiry.
func (p *partition) adoptCheckpoint(cp *checkpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store.tree, p.store.bytes = cp.rows, cp.bytes
	p.decree = cp.decree
	p.takeCheckpoint()
}
