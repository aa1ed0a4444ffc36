package sandbox

import "sync"

// faultSet are the faults injected at run time.
type faultSet struct{ mu sync.Mutex }

// resetHook makes requests ask the configured hook.
func (c *Cluster) resetHook() {
	if c.cfg.Hook == nil {
		c.hooks.Store(nil)
		return
	}
	c.hooks.Store(&c.cfg.Hook)
}
