package sandbox

// BulkLoadStatus is what the meta knows of a table's bulk load, BLS_DOWNLOADING and the like; BLS_INVALID
// when it knows none. running says that the table counts as being loaded: its servers clean up that long.
func (c *Cluster) BulkLoadStatus(table string) (status string, running bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(table)
	if err != nil {
		return "", false, err
	}
	l := c.bulkLoads[t.info.AppID]
	if l == nil {
		return "BLS_INVALID", false, nil
	}
	return l.status.String(), isTrue(t.info.IsBulkLoading), nil
}

// Level is the meta function level, as the servers' shell prints it: lively, steady, ...
func (c *Cluster) Level() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return levelName(c.effectiveLevel())
}

// Requests is how many requests of an RPC the replica servers have executed since they started,
// e.g. of idl.NamePut.
func (c *Cluster) Requests(rpc string) (n uint64) {
	for _, node := range c.nodes {
		op := node.srv.table[rpc].op
		node.each(func(r *replica) {
			r.part.mu.Lock()
			defer r.part.mu.Unlock()
			n += r.ops[op]
		})
	}
	return n
}

// Refused is how many requests of clients the replica servers have answered with an error since
// they started.
func (c *Cluster) Refused() (reads, writes uint64) {
	for _, node := range c.nodes {
		p := &node.srv.perf
		reads += p.readBusy.Load() + p.readFail.Load()
		writes += p.writeBusy.Load() + p.writeFail.Load()
	}
	return reads, writes
}
