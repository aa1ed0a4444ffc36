package apply_test

import (
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// What happens in the fake world without anybody asking: duplications go through their states,
// writes are shipped, idle primaries commit empty writes, clients read and write. It is caught up
// with, in ticks, whenever somebody looks.

const tick = 100 * time.Millisecond

// fakeLife is the part of the world that moves by itself.
type fakeLife struct {
	// now is until when everything has happened.
	now time.Time
	// stopped is until when looks at decrees get no answer.
	stopped time.Time
	// shipsLast is how 2.6 ships: the last mutation goes out without a later one behind it.
	shipsLast bool
	// provable bounds the rows that a canary proves.
	provable int
	// groupCheck is when an idle primary commits an empty write.
	groupCheck time.Duration
	// shipRate is how many mutations each partition ships per second; 0 stalls.
	shipRate float64
	// nodes is the number of replica servers of each cluster.
	nodes int32
	// shipFailures counts what the target refused.
	shipFailures int
	// balances is how often the balancer of a lively cluster moves a primary; 0 for never.
	balances time.Duration
	balanced time.Time
	moved    int
	// lateAdds are ADD_DUPLICATION requests that are still on their way.
	lateAdds []lateAdd
	// addsNothing makes ADD_DUPLICATION answer OK and do nothing.
	addsNothing bool
	// addError is what the next ADD_DUPLICATION answers beside the id of what it added.
	addError error

	records   map[string]*apply.RouteRecord // by path
	proxies   []*fakeProxy
	zkDown    bool
	zkDenies  bool // the ACL keeps us from writing
	lateSwaps []lateSwap
	// swapLater makes the next Swap take effect that much later, with its answer lost.
	swapLater time.Duration

	clients []*fakeClient
	// openLimit is how many open keys a live comparison keeps.
	openLimit int
}

type lateAdd struct {
	at time.Time
	a  plan.AddDuplication
}

func newLife() fakeLife {
	return fakeLife{now: time.Now(), groupCheck: 10 * time.Second, shipRate: 500, nodes: 3,
		records: map[string]*apply.RouteRecord{}, openLimit: 100, provable: 5}
}

// advance catches up with the clock; the lock is held.
func (w *fakeWorld) advance() {
	now := time.Now()
	for w.now.Before(now) && w.busy() {
		w.now = w.now.Add(min(tick, now.Sub(w.now)))
		w.arrivals()
		w.balance()
		for _, c := range w.clients {
			w.serve(c)
		}
		for _, label := range slices.Sorted(maps.Keys(w.clusters)) {
			for _, name := range slices.Sorted(maps.Keys(w.clusters[label].tables)) {
				w.live(w.clusters[label].tables[name])
			}
		}
	}
	w.now = now
	w.load()
	w.backups()
	w.restoring()
}

// busy says whether anything happens by itself.
func (w *fakeWorld) busy() bool {
	if len(w.clients)+len(w.lateAdds)+len(w.lateSwaps) > 0 || w.balances > 0 {
		return true
	}
	for _, c := range w.clusters {
		for _, t := range c.tables {
			if len(t.dups) > 0 {
				return true
			}
		}
	}
	return false
}

// arrivals lets requests take effect whose callers gave up on them.
func (w *fakeWorld) arrivals() {
	var adds []lateAdd
	for _, l := range w.lateAdds {
		if w.now.Before(l.at) {
			adds = append(adds, l)
		} else if t, err := w.find(l.a.Source); err == nil {
			w.startDuplication(t, l.a)
		}
	}
	w.lateAdds = adds
	var swaps []lateSwap
	for _, l := range w.lateSwaps {
		if w.now.Before(l.at) {
			swaps = append(swaps, l)
		} else {
			_, _ = w.swap(l.path, l.version, l.to) // it may have lost by now
		}
	}
	w.lateSwaps = swaps
}

// balance moves a primary of each lively cluster now and then.
func (w *fakeWorld) balance() {
	if w.balances == 0 || w.now.Sub(w.balanced) < w.balances {
		return
	}
	w.balanced = w.now
	for _, label := range slices.Sorted(maps.Keys(w.clusters)) {
		c := w.clusters[label]
		for name, t := range c.tables {
			if c.level == "lively" && len(t.parts) > 0 {
				w.moved++
				w.move(plan.TableRef{Cluster: label, Table: name}, w.moved%len(t.parts), time.Second)
			}
		}
	}
}

// live is one tick of one table.
func (w *fakeWorld) live(t *fakeTable) {
	if len(t.dups) == 0 {
		return
	}
	for _, p := range t.parts {
		p.drain(t, w.now)
	}
	for i, p := range t.parts {
		if w.groupCheck == 0 {
			break
		}
		if p.checked.IsZero() { // each partition in its own rhythm
			p.checked = w.now.Add(-w.groupCheck * time.Duration(i) / time.Duration(len(t.parts)))
		}
		if w.now.Sub(p.checked) < w.groupCheck {
			continue
		}
		// A group check commits an empty write when nothing was written since the one before it.
		p.checked = w.now
		if w.now.Sub(p.written) >= w.groupCheck {
			p.mutate(w.now, fakeMutation{Kind: emptyWrite})
		}
	}
	kept := t.dups[:0]
	for _, d := range t.dups {
		w.walk(t, d)
		w.ship(t, d)
		if d.status != "removed" {
			kept = append(kept, d)
			continue
		}
		for _, p := range t.parts {
			delete(p.ships, d.id)
		}
	}
	t.dups = kept
}
