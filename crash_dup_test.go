package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// dupSample is how many rounds of each kind the ordinary test has; -crash-all has them all.
const dupSample = 7

// visit is one round: where apply dies, and what is done then.
type visit struct {
	death
	command string // apply or rollback
	// dies says that the command is killed as well, and where.
	dies *death
	// overdue says that a fence which nobody was alive to lift stays up until the budget is over: what
	// comes then lifts it before anything else.
	overdue bool
}

// String describes it for messages.
func (v visit) String() string {
	s := v.death.String() + ", then " + v.command
	if v.overdue {
		s += " after the budget"
	}
	if v.dies != nil {
		s += ", which dies at " + v.dies.String()
	}
	return s
}

// TestCrashDuplication kills apply at one point after the other of an online migration while clients
// write and read through proxies. After each death the table is writable where the route leads and
// nowhere else, thanks to the watchdog; where the watchdog died too, the state says that there is a
// fence, and doctor finds it without the state. Then apply goes on, or rollback puts everything back,
// and nothing that was acknowledged is lost.
func TestCrashDuplication(t *testing.T) {
	if testing.Short() {
		t.Skip("the crash loop takes minutes; it runs without -short")
	}
	t.Run("proxies", func(t *testing.T) { crashMigrations(t, false) })
	t.Run("direct", func(t *testing.T) { crashMigrations(t, true) })
}

// crashMigrations is the loop over migrations with or without a metaproxy block.
func crashMigrations(t *testing.T, direct bool) {
	dir := t.TempDir()
	first, err := newLane(t.Context(), dir, 0, direct)
	if err != nil {
		t.Fatal(err)
	}
	steps, target := undisturbed(t, first)
	first.close()
	all, points := visits(steps)
	all = pickRounds(all, dupSample)
	t.Logf("%d crash points: %v", points, steps)
	t.Logf("%d rounds", len(all))
	var sum tally
	crashLoop(t, all, func(id int) (*crashLane[visit], error) {
		l, err := newLane(t.Context(), dir, id, direct)
		if err != nil {
			return nil, err
		}
		return &crashLane[visit]{visit: func(v visit) error { return l.visit(v, target, &sum) }, close: l.close}, nil
	})
	t.Log(sum.String())
	if sum.longestSilence > dupBudget+dupSlack {
		t.Errorf("writes were rejected for %v of a budget of %v", sum.longestSilence, dupBudget)
	}
}

// undisturbed migrates once without a death: how many points there are, and which envs the target gets.
func undisturbed(t *testing.T, l *lane) ([]stepPoints, map[string]string) {
	t.Helper()
	r, err := l.begin()
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	steps, err := r.countSteps()
	if err != nil {
		t.Fatal(err)
	}
	target, err := l.b.TableEnvs(r.table)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.check(migrated, target); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"duplication.master_cluster", "duplication.master_metas", "replica.deny_client_request"} {
		if _, there := target[key]; there {
			t.Errorf("the target has %s at the end", key)
		}
	}
	return steps, target
}

// windowSteps are those between the fence and the moment when clients are led away.
func inWindow(step string) bool {
	switch step {
	case "fence-source", "quiesce-source", "drain", "recheck", "switch":
		return true
	}
	return false
}

// visits lists the rounds, and says how many points there are. Within the window each point is visited
// with a watchdog that lives, with one that dies too, and with one that dies at its work; those of the
// fence also with what was sent still on its way. What is done
// after the death goes round, so that neighbours, which are much alike, meet all of it.
func visits(steps []stepPoints) (out []visit, points int) {
	for _, s := range steps {
		points += s.Points
		for at := 1; at <= s.Points; at++ {
			d := death{step: s.Step, at: at}
			n := len(out)
			switch n % 5 {
			case 3:
				d.late = time.Duration(1+n%7) * time.Millisecond
			}
			out = append(out, goOn(d, n, steps))
			if !inWindow(s.Step) {
				continue
			}
			for _, watchdog := range []int{1, 2 + at%9} {
				d.watchdog = watchdog
				out = append(out, goOn(d, at+watchdog, steps))
			}
			if s.Step == "fence-source" {
				d.watchdog, d.late, d.slow = 0, 2*time.Millisecond, true
				out = append(out, goOn(d, at, steps))
			}
		}
	}
	return out, points
}

// goOn decides what is done after a death, in no order that the picking of a sample could share.
func goOn(d death, n int, steps []stepPoints) visit {
	n = spread(n)
	v := visit{death: d, command: "apply", overdue: d.watchdog > 0 && n%8 == 0}
	if n%3 == 1 {
		v.command = "rollback"
	}
	if n%4 == 3 {
		s := steps[(n*7)%len(steps)]
		v.dies = &death{step: s.Step, at: 1 + n%max(s.Points, 1), watchdog: n / 4 % 3}
		if v.command == "rollback" { // which has no order of steps
			v.dies = &death{step: anyStep, at: 1 + n*13%300}
		}
	}
	return v
}

// visit is one round.
func (l *lane) visit(v visit, target map[string]string, sum *tally) error {
	r, err := l.begin()
	if err != nil {
		return err
	}
	defer r.end()
	begun := time.Now()
	died, err := r.crash(v.death)
	if err != nil {
		return err
	}
	fenced, err := r.afterDeath(v.death, false)
	if err != nil {
		return fmt.Errorf("%w\n%s%s", err, died.out, r.watchdogLog())
	}
	talk := died.out
	if fenced && v.overdue {
		select {
		case <-time.After(dupBudget):
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
	if v.dies != nil {
		second, err := r.pegmigrate(r.dir, v.dies.environ(), v.command, "-auto-approve")
		talk += second.out
		if err == nil {
			_, err = r.afterDeath(*v.dies, fenced)
		}
		if err != nil {
			return fmt.Errorf("%w\n%s%s", err, talk, r.watchdogLog())
		}
	}
	end := migrated
	if v.command == "rollback" {
		end = rolledBack
	}
	out, err := r.again(v.command)
	if errors.Is(err, errNothingToUndo) {
		// Nothing was begun, or the clients were led away, or a rollback had ended.
		if !strings.Contains(out, "is rolled back already") {
			end = migrated
			out, err = r.again("apply")
		} else {
			err = nil
		}
	}
	talk += out
	if err == nil {
		err = r.check(end, target)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s%s", err, talk, r.watchdogLog())
	}
	sum.add(v, died, fenced, end, r, time.Since(begun))
	return nil
}

// tally counts what the rounds came to.
type tally struct {
	mu sync.Mutex
	// rounds that ended well; with a first death, with a second one too; with a fence that nobody was alive
	// to lift; rolled back; commands that gave up because the machine is slow.
	rounds, killed, twice, fenced, back, slow int

	longestOrphan, longest time.Duration
	// longestSilence is of the rounds in which every watchdog lives and no fence waits for a person.
	longestSilence time.Duration
	silent         visit
}

func (s *tally) add(v visit, died ran, fenced bool, end dupEnd, r *dupRound, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds++
	s.slow += r.slow
	if died.killed {
		s.killed++
		s.longestOrphan = max(s.longestOrphan, died.orphaned)
	}
	if fenced {
		s.fenced++
	}
	if end == rolledBack {
		s.back++
	}
	if v.dies != nil {
		s.twice++
	}
	alive := v.watchdog == 0 && (v.dies == nil || v.dies.watchdog == 0)
	if silence := r.longestSilence(); alive && !r.l.direct && silence > s.longestSilence {
		s.longestSilence, s.silent = silence, v
	}
	s.longest = max(s.longest, took)
}

// String is the summary.
func (s *tally) String() string {
	return fmt.Sprintf("%d rounds ended well: apply was killed in %d, the next command too in %d, %d left a fence that nobody was alive to lift, "+
		"%d were rolled back, %d commands gave up because the machine is slow; a watchdog was at work for %v at most, the longest time without an acknowledged write, where watchdogs live, was %v (%v), the longest round %v",
		s.rounds, s.killed, s.twice, s.fenced, s.back, s.slow, s.longestOrphan, s.longestSilence, s.silent, s.longest)
}
