package sandbox

// Alive is how many replica servers the leading meta takes for alive: it notices a death some time later.
func (c *Cluster) Alive() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aliveCount()
}
