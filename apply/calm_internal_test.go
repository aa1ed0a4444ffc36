package apply

import (
	"testing"
	"time"
)

// TestCalm goes through looks at one partition: at is when a look is answered, in milliseconds after the
// first, took how long it was under way.
func TestCalm(t *testing.T) {
	const gap = 500 * time.Millisecond
	type sight struct {
		at, took            int
		prepared, committed int64
		ballot              int64
		fails               bool
	}
	for name, tt := range map[string]struct {
		looks  []sight
		decree int64 // 0 for not proven
	}{
		"one look":                           {[]sight{{prepared: 7, committed: 7}}, 0},
		"two looks":                          {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 7, committed: 7}}, 7},
		"too soon":                           {[]sight{{prepared: 7, committed: 7}, {at: 499, prepared: 7, committed: 7}}, 0},
		"three, close together":              {[]sight{{prepared: 7, committed: 7}, {at: 300, prepared: 7, committed: 7}, {at: 600, prepared: 7, committed: 7}}, 7},
		"asked too soon":                     {[]sight{{prepared: 7, committed: 7}, {at: 900, took: 500, prepared: 7, committed: 7}}, 0},
		"something is under way":             {[]sight{{prepared: 9, committed: 7}, {at: 500, prepared: 9, committed: 7}}, 0},
		"it was under way":                   {[]sight{{prepared: 9, committed: 7}, {at: 500, prepared: 9, committed: 9}, {at: 1000, prepared: 9, committed: 9}}, 9},
		"something came out of the queue":    {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 8, committed: 8}, {at: 1000, prepared: 8, committed: 8}}, 8},
		"an empty write later":               {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 7, committed: 7}, {at: 900, prepared: 8, committed: 7}, {at: 1400, prepared: 8, committed: 8}}, 7},
		"more than an empty write":           {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 7, committed: 7}, {at: 1000, prepared: 9, committed: 9}}, 0},
		"kept waiting, then calm":            {[]sight{{prepared: 7, committed: 7}, {at: 6000, took: 5400, prepared: 7, committed: 7}, {at: 6400, prepared: 7, committed: 7}}, 0},
		"kept waiting, then calm for longer": {[]sight{{prepared: 7, committed: 7}, {at: 6000, took: 5400, prepared: 7, committed: 7}, {at: 6500, prepared: 7, committed: 7}}, 7},
		"no answer in between":               {[]sight{{prepared: 7, committed: 7}, {fails: true}, {at: 2000, prepared: 7, committed: 7}}, 0},
		"no answer when it was proven":       {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 7, committed: 7}, {fails: true}}, 7},
		"another primary":                    {[]sight{{prepared: 7, committed: 7}, {at: 500, prepared: 7, committed: 7, ballot: 4}}, 0},
	} {
		c, begun := calm{}, time.Unix(1000, 0)
		for _, l := range tt.looks {
			if l.fails {
				disturb(map[int32]*calm{0: &c})
				continue
			}
			answered := begun.Add(time.Duration(l.at) * time.Millisecond)
			c.look(Decree{Primary: "a", Ballot: 3 + l.ballot, Prepared: l.prepared, Committed: l.committed},
				calmSight{answered.Add(-time.Duration(l.took) * time.Millisecond), answered}, gap, rhythm{empty: 1})
		}
		if got := c.decree; c.proven != (tt.decree > 0) || c.proven && got != tt.decree {
			t.Errorf("%s: %+v, want %d", name, c, tt.decree)
		}
	}
}

// TestCalmAmidEmptyWrites: where they come all the time, two looks that find everything committed prove
// the decree of the later one, unless it grew by more than they explain.
func TestCalmAmidEmptyWrites(t *testing.T) {
	begun := time.Unix(1000, 0)
	for name, tt := range map[string]struct {
		decrees []int64
		decree  int64
	}{
		"as many as there can be": {[]int64{7, 12}, 12},
		"more":                    {[]int64{7, 40}, 0},
		"more, and then calm":     {[]int64{7, 40, 43}, 43},
		"it goes on":              {[]int64{7, 12, 15}, 15},
		"calm, and then more":     {[]int64{7, 12, 50}, 0},
	} {
		c := calm{}
		for i, d := range tt.decrees {
			at := begun.Add(time.Duration(i) * 500 * time.Millisecond)
			c.look(Decree{Primary: "a", Ballot: 3, Prepared: d, Committed: d}, calmSight{at, at}, 500*time.Millisecond,
				rhythm{empty: -1, drift: emptyWrites(at.Sub(c.from), hastyChecks)})
		}
		if c.proven != (tt.decree > 0) || c.proven && c.decree != tt.decree {
			t.Errorf("%s: %+v, want %d", name, c, tt.decree)
		}
	}
}
