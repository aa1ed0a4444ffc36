package sandbox

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// faultSet are the faults that were injected and not cleared.
type faultSet struct {
	mu     sync.Mutex
	last   int
	active []*activeFault // in the order of their numbers
	random *rand.Rand
}

// activeFault is a fault with what it has done so far.
type activeFault struct {
	Fault
	id    int
	appID int32 // of Fault.Table, 0 for all
	hit   int
	next  int // of an unset Server or Partition
}

// Inject starts a fault and returns a number for Clear. A fault of a server or
// partition without Fault.Every has happened when Inject returns, and gets none: 0.
func (c *Cluster) Inject(f Fault) (int, error) {
	if err := f.validate(); err != nil {
		return 0, err
	}
	a := &activeFault{Fault: f}
	if f.Table != "" {
		c.mu.Lock()
		t, err := c.mustFind(f.Table)
		c.mu.Unlock()
		if err != nil {
			return 0, err
		}
		a.appID = t.info.AppID
	}
	if !f.lasts() {
		return 0, c.happen(a)
	}
	id := c.faults.add(a, c.cfg.Seed)
	switch {
	case f.onCalls():
		c.resetHook()
	case f.Kind == FaultCapacity:
		c.resetCapacity()
	case f.Every > 0:
		c.repeat(id, a)
	}
	return id, nil
}

// Clear ends a fault; 0 ends all and starts every dead server again.
func (c *Cluster) Clear(id int) error {
	c.faults.mu.Lock()
	if id == 0 {
		c.faults.active = nil
	} else {
		c.faults.remove(id)
	}
	c.faults.mu.Unlock()
	c.resetHook()
	c.resetCapacity()
	if id != 0 {
		return nil
	}
	for _, n := range c.nodes {
		if err := c.startNode(n); err != nil {
			return err
		}
	}
	for _, m := range c.metas {
		if err := c.startMeta(m); err != nil {
			return err
		}
	}
	return nil
}

// Faults are the faults that go on, by number.
func (c *Cluster) Faults() map[int]Fault {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	list := make(map[int]Fault, len(c.faults.active))
	for _, a := range c.faults.active {
		list[a.id] = a.Fault
	}
	return list
}

// add keeps a fault under a new number.
func (s *faultSet) add(a *activeFault, seed uint64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.random == nil {
		s.random = rand.New(rand.NewPCG(seed, 0x6661756c7473))
	}
	s.last++
	a.id = s.last
	s.active = append(s.active, a)
	return a.id
}

// remove forgets a fault; mu must be held.
func (s *faultSet) remove(id int) {
	s.active = slices.DeleteFunc(s.active, func(a *activeFault) bool { return a.id == id })
}

// has tells whether a fault still goes on.
func (s *faultSet) has(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.active, func(a *activeFault) bool { return a.id == id })
}

// stalled tells whether the duplication of a partition is held up.
func (s *faultSet) stalled(gpid idl.Gpid) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.active, func(a *activeFault) bool {
		return a.Kind == FaultStallDuplication && a.concerns(gpid)
	})
}

// judge is the Hook that the injected faults make together: the first that hits
// decides.
func (s *faultSet) judge(call Call) Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.active {
		if !a.onCalls() || !a.concerns(call.Gpid) || !a.hits(call) || s.random.Float64() >= orDefault(a.Share, 1) {
			continue
		}
		if a.hit++; a.Times > 0 && a.hit >= a.Times {
			s.remove(a.id)
		}
		return a.verdict()
	}
	return Pass()
}

// take is the first fault of a kind that hits the files of a partition; its Times are counted.
func (s *faultSet) take(kind FaultKind, gpid idl.Gpid) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.active {
		if a.Kind != kind || !a.concerns(gpid) || a.Partition != nil && int(gpid.Partition) != *a.Partition ||
			s.random.Float64() >= orDefault(a.Share, 1) {
			continue
		}
		if a.hit++; a.Times > 0 && a.hit >= a.Times {
			s.remove(a.id)
		}
		return a.Fault, true
	}
	return Fault{}, false
}

// concerns tells whether a fault is meant for a partition.
func (a *activeFault) concerns(gpid idl.Gpid) bool {
	if a.appID == 0 {
		return true
	}
	return gpid.AppID == a.appID && (a.Partition == nil || int(gpid.Partition) == *a.Partition)
}

// resetHook makes requests ask the configured hook and the injected faults, or
// nothing when there is neither, so that undisturbed clusters pay nothing.
func (c *Cluster) resetHook() {
	c.faults.mu.Lock()
	onCalls := false
	for _, a := range c.faults.active {
		onCalls = onCalls || a.onCalls()
	}
	c.faults.mu.Unlock()
	var h Hook
	switch configured := c.cfg.Hook; {
	case onCalls && configured != nil:
		h = func(call Call) Verdict {
			if v := configured(call); v != (Verdict{}) {
				return v
			}
			return c.faults.judge(call)
		}
	case onCalls:
		h = c.faults.judge
	case configured != nil:
		h = configured
	default:
		c.hooks.Store(nil)
		return
	}
	c.hooks.Store(&h)
}
