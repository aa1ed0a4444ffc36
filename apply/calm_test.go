package apply_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// TestQueuedWritesAreShippedBeforeTheSwitch: a primary that stands still has accepted writes that get
// their decrees only when it goes on, long after it was seen to reject others.
func TestQueuedWritesAreShippedBeforeTheSwitch(t *testing.T) {
	const accepted = 5
	for name, c := range map[string]struct {
		// stops is how long looks at decrees get no answer, late when the queue is prepared after that.
		stops, late time.Duration
		writes      int
	}{
		"a disk that hangs":          {0, 5 * time.Second, accepted},
		"a disk that hangs for long": {0, 9 * time.Second, accepted},
		"a disk that hangs a bit":    {0, 1800 * time.Millisecond, 1},
		"a disk that hangs, one":     {0, 5 * time.Second, 1},
		"a server that was stopped":  {6 * time.Second, 200 * time.Millisecond, accepted},
		"stopped, with one write":    {6 * time.Second, 200 * time.Millisecond, 1},
	} {
		for _, ships := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, 2.6 %v", name, ships), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					s := newDup(t, false)
					s.waits.Poll = 500 * time.Millisecond
					s.world.shipsLast = ships
					if ships && c.late > 3*time.Second {
						t.Skip("of 2.6 it is not known what is an empty write")
					}
					seen := false
					s.world.hook = func(_ context.Context, call call) error {
						switch {
						case call.after || len(s.world.denied) == 0:
						case call.name == "Decrees" && !seen:
							seen = s.queue(c.writes, c.stops, c.stops+c.late)
						case call.name == "Swap":
							s.arrived(c.writes)
						}
						return nil
					}
					s.again(t.Context())
					if !seen {
						t.Error("nothing was queued")
					}
				})
			})
		}
	}
}

// queue has the partition that is fenced last accept writes that it prepares later; false while it takes
// writes anyway.
func (s *dupScene) queue(n int, stops, late time.Duration) bool {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	p := s.world.clusters["east"].tables["orders"].parts[3]
	if !p.denies() {
		return false
	}
	s.world.stopped = time.Now().Add(stops)
	p.drains = time.Now().Add(late)
	for i := range n {
		p.queue = append(p.queue, fakeMutation{Kind: putRow, Key: fmt.Sprintf("queued%d", i), Row: fakeRow{"late", 4_000_000}})
	}
	return true
}

// arrived checks that what was queued is on the target.
func (s *dupScene) arrived(n int) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	dst := s.world.clusters["west"].tables["orders"]
	for i := range n {
		if key := fmt.Sprintf("queued%d", i); dst.rows[key].Value != "late" {
			s.t.Errorf("the route is switched, and %s, which %s acknowledged, is not on the target", key, source())
		}
	}
}
