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
