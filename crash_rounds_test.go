package main

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
)

var (
	crashAll   = flag.Bool("crash-all", false, "visit every crash point, not a sample (make crash, crash-files, crash-catchup, crash-duplication)")
	crashRound = flag.String("crash-round", "", "only the rounds of a crash loop whose text, as a failure prints it, begins so")
	crashEvery = flag.Int("crash-every", 1, "with -crash-all, only every so many-th round of a crash loop")
	crashFrom  = flag.Int("crash-from", 0, "with -crash-all, without the first so many rounds of a crash loop")
	crashLanes = flag.Int("crash-lanes", 3, "how many rounds of a crash loop run at a time, each on clusters of its own")
)

// crashPart is how many rounds the same clusters serve: with every table that they keep, they are busier with
// their counters and timers.
const crashPart = 20

// crashProgress is after how many rounds that ended well -v says so.
const crashProgress = 50

// crashLane is a pair of clusters on which rounds run one after the other.
type crashLane[V any] struct {
	// visit runs a round.
	visit func(V) error
	close func()
}

// pickRounds picks so many rounds evenly, unless the flags ask for others.
func pickRounds[V fmt.Stringer](all []V, sample int) (out []V) {
	if !*crashAll && *crashRound == "" {
		n := min(sample, len(all))
		for i := range n {
			out = append(out, all[i*len(all)/n])
		}
		return out
	}
	for i, v := range all {
		if strings.HasPrefix(v.String(), *crashRound) && i >= *crashFrom && i%max(*crashEvery, 1) == 0 {
			out = append(out, v)
		}
	}
	return out
}

// crashLoop visits all rounds in lanes. After one that failed a lane goes on with fresh clusters, as what that round
// left behind is not the next one's, or ends when only a sample is visited.
func crashLoop[V fmt.Stringer](t *testing.T, rounds []V, newLane func(id int) (*crashLane[V], error)) {
	t.Helper()
	queue := make(chan V, len(rounds))
	for _, v := range rounds {
		queue <- v
	}
	close(queue)
	var mu sync.Mutex
	well := 0
	ended := func() {
		mu.Lock()
		defer mu.Unlock()
		if well++; well%crashProgress == 0 {
			t.Logf("%d rounds ended well, %d are waiting", well, len(queue))
		}
	}
	var wg sync.WaitGroup
	for i := range *crashLanes {
		wg.Go(func() {
			if err := inLane(t, i+1, queue, newLane, ended); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d rounds ended well", well, len(rounds))
	if well == 0 {
		t.Error("there was no round that ended well: they say nothing")
	}
}

// inLane takes rounds from the queue.
func inLane[V fmt.Stringer](t *testing.T, id int, queue <-chan V, newLane func(id int) (*crashLane[V], error), ended func()) error {
	var l *crashLane[V]
	leave := func() {
		if l != nil {
			l.close()
			l = nil
		}
	}
	defer func() { leave() }()
	served := 0
	for v := range queue {
		if l == nil {
			var err error
			if l, err = newLane(id); err != nil {
				return err
			}
			id, served = id+*crashLanes, 0
		}
		err := l.visit(v)
		if err == nil {
			ended()
			if served++; served == crashPart {
				leave()
			}
			continue
		}
		t.Errorf("%v: %v", v, err)
		if !*crashAll && *crashRound == "" {
			return nil
		}
		leave()
	}
	return nil
}

// killPoint is a round that is named by a point of the whole run.
type killPoint struct {
	at      int
	command string // what is done then: apply or rollback
}

// String describes it for messages.
func (k killPoint) String() string { return fmt.Sprintf("point %d, then %s", k.at, k.command) }

// killPoints lists a round for each point; about every so many-th rolls back, in no order that the picking of a
// sample could share.
func killPoints(points, rollback int) (out []killPoint) {
	for at := 1; at <= points; at++ {
		k := killPoint{at: at, command: "apply"}
		if spread(at)%rollback == 1 {
			k.command = "rollback"
		}
		out = append(out, k)
	}
	return out
}

// spread makes a number whose remainders have nothing to do with those of n.
func spread(n int) int { return int(uint32(n) * 2654435761 >> 16) }
