package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	// The ordinary test plays the same rounds each time; new ground is for make chaos.
	chaosSeed = flag.Uint64("chaos-seed", 5000, "seed of the first chaos round; 0 draws one")
	chaosFor  = flag.Duration("chaos-for", 60*time.Second, "how long new chaos rounds are begun")
	chaosOnce = flag.Bool("chaos-once", false, "one chaos round: that of -chaos-seed")
)

// chaosAtOnce is how many rounds run side by side; most of their time is waiting.
const chaosAtOnce = 3

// TestChaos migrates random tables between clusters that fail at random, kills and interrupts the
// tool at random moments, and compares what is left with the sandbox's own eyes. Each round is drawn
// from a seed, which a failure prints.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("chaos takes more than a minute; it runs without -short")
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64() >> 24
	}
	t.Logf("chaos begins with seed %d", seed)
	if *chaosOnce {
		playRound(t, seed)
		return
	}
	end := time.After(*chaosFor)
	slots := make(chan struct{}, chaosAtOnce)
	var rounds sync.WaitGroup
	defer rounds.Wait()
	for n := uint64(0); ; n++ {
		select {
		case <-end:
			rounds.Wait()
			t.Logf("%d chaos rounds", n)
			return
		case slots <- struct{}{}:
		}
		rounds.Go(func() {
			defer func() { <-slots }()
			playRound(t, seed+n)
		})
	}
}

// playRound plays the round of one seed. A failure does not end the test, so that others go on.
func playRound(t *testing.T, seed uint64) {
	s := draw(seed)
	begun := time.Now()
	r, err := newRound(t, s)
	if err != nil {
		t.Errorf("round %d: %v\n%s", seed, err, s)
		return
	}
	defer r.close()
	if err := r.play(); err != nil {
		t.Errorf("round %d failed: %v\n%s\n%s\nagain: go test -race -run '^TestChaos$' . -chaos-once -chaos-seed %d",
			seed, err, s, r.log.String(), seed)
		return
	}
	if testing.Verbose() {
		t.Logf("round %d: %d runs in %v: %s", seed, r.runs, time.Since(begun).Round(time.Millisecond), s.brief())
	}
}

// play runs the tool until it has come to the end that was drawn, and looks at it.
func (r *round) play() error {
	if err := r.disturb(); err != nil {
		return err
	}
	finished := false
	for _, a := range r.s.acts {
		out, err := r.run(a)
		if err != nil {
			return err
		}
		if finished = out.code == 0; finished {
			break
		}
		if a.loseState {
			r.loseState()
		}
	}
	if !finished && r.s.ending != endApply {
		undone, err := r.rollBack()
		if err != nil {
			return err
		}
		// Rows that were copied into an existing table stay there, and resume_empty then refuses it.
		if undone && (r.s.ending == endRollback || r.s.existing == "resume_empty") {
			if err := r.calm(); err != nil {
				return err
			}
			return r.check(r.untouched)
		}
	}
	if !finished {
		if err := r.insist("apply"); err != nil {
			return err
		}
	}
	if err := r.calm(); err != nil {
		return err
	}
	return r.check(r.migrated)
}

// patience is how many runs may fail while faults go on, and again after they have ended.
const patience = 4

// insist runs a command until it ends well: a few times under faults, then without.
func (r *round) insist(command string) error {
	for i := range 2 * patience {
		if i == patience {
			if err := r.calm(); err != nil {
				return err
			}
		}
		out, err := r.run(act{command: command})
		if err != nil || out.code == 0 {
			return err
		}
	}
	return fmt.Errorf("%s did not end well in %d runs, the last %d without any fault", command, 2*patience, patience)
}

// rollBack undoes the migration; false when there is nothing to undo any more, or not yet.
func (r *round) rollBack() (bool, error) {
	for i := range 2 * patience {
		if i == patience {
			if err := r.calm(); err != nil {
				return false, err
			}
		}
		a := act{command: "rollback"}
		if r.adopt { // without state there is nothing to roll back
			a = act{command: "apply", interrupt: 2 * time.Second}
		}
		out, err := r.run(a)
		switch {
		case err != nil:
			return false, err
		case a.command == "apply" && out.code == 0:
			return false, nil
		case a.command == "apply":
		case out.code == 0:
			return true, nil
		case strings.Contains(out.text, "PM3015"), strings.Contains(out.text, "PM1931"):
			return false, nil // past the point of no return, or never begun
		}
	}
	return false, fmt.Errorf("rollback did not end well in %d runs, the last %d without any fault", 2*patience, patience)
}

// check stops what goes on and looks.
func (r *round) check(invariants func() error) error {
	r.stopWriters()
	if err := invariants(); err != nil {
		return fmt.Errorf("%w\nthe last run said:\n%s", err, r.last.text)
	}
	return nil
}

// loseState is what happens to a state folder on a machine that is gone. It matters only for a
// migration that has begun: one that has not left its marker has nothing to be found by.
func (r *round) loseState() {
	if !r.marked() {
		return
	}
	fmt.Fprintln(&r.log, "-- the state folder is lost")
	if err := os.RemoveAll(r.dir + "/.pegmigrate"); err != nil {
		fmt.Fprintln(&r.log, err)
	}
	r.adopt = true
}

// limited is how long one run may take; a run that takes longer hangs.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 150*time.Second)
}
