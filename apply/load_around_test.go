package apply_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// A target that was there before gets exactly the scenario back that it had, in force on every replica.
func TestUsageOfAnExistingTarget(t *testing.T) {
	for prior, inForce := range map[string]string{"": "normal", "prefer_write": "prefer_write", "normal": "normal"} {
		inBubble(t, func(t *testing.T) {
			s := newBulk(t)
			envs := map[string]string{}
			if prior != "" {
				envs[plan.EnvUsageScenario] = prior
			}
			dst := s.world.make(target(), 8, envs)
			s.plan.Target.Exists, s.plan.Target.ID = true, dst.id
			s.plan.Steps = append(s.plan.Steps[:1:1], s.plan.Steps[3:]...)
			s.must(s.apply(t.Context()))
			if got, had := dst.envs[plan.EnvUsageScenario]; got != prior || had != (prior != "") {
				t.Errorf("scenario %q, it was %q", got, prior)
			}
			if got := s.world.inForce(t.Context(), target()); !maps.Equal(got, map[string]int{inForce: 3}) {
				t.Errorf("in force: %v", got)
			}
		})
	}
}

// A server that does not take the scenario is named; a stored value is no proof.
func TestUsageThatDoesNotComeIntoForce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.world.unusable = true
		s.says(s.refusal(s.apply(t.Context()), apply.CodeUsage), "not in force on 1 of 3 servers", "node2 goes by \"prefer_write\"")
		s.world.unusable = false
		s.must(s.apply(t.Context()))
		s.loaded()
	})
}

// The level that somebody set while files were loaded is left alone; any other is given back exactly.
func TestLevelAfterALoad(t *testing.T) {
	for _, before := range []string{"lively", "steady", "blind"} {
		inBubble(t, func(t *testing.T) {
			s := newBulk(t)
			s.world.clusters["west"].level = before
			s.must(s.apply(t.Context()))
			if got := s.world.clusters["west"].level; got != before {
				t.Errorf("level %s, it was %s", got, before)
			}
		})
	}
}

// Files that are not this run's are neither overwritten nor removed.
func TestForeignStaging(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.world.dirs[place(loadStaging())] = &fakeStaging{id: 77}
		s.says(s.refusal(s.apply(t.Context()), apply.CodeSplit), "/blocks/staging/cluster-west/orders holds files already", "id 77")
		s.must(s.rollback(t.Context()))
		if s.world.dirs[place(loadStaging())] == nil {
			t.Error("somebody else's files were removed")
		}
	})
}

// A split that was interrupted goes on where it was.
func TestInterruptedSplitGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.until("split", func() bool { return s.world.splitUnits == 3 })
		s.must(s.apply(t.Context()))
		s.loaded()
		if s.world.splitUnits != 8 {
			t.Errorf("%d units were written", s.world.splitUnits)
		}
	})
}

// The meta server tells 100 % of a compaction that was over before: what counts is what replicas say.
func TestCompactionIsProven(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.until("SetEnvs", s.usageSet)
		s.world.table(target()).compact.finished = "1999-01-01 00:00:00"
		begun := time.Now()
		s.must(s.apply(t.Context()))
		if took := time.Since(begun); took < compactTime {
			t.Errorf("it was over after %s", took)
		}
	})
	inBubble(t, func(t *testing.T) {
		s := newBulk(t)
		s.until("Compacted", func() bool { return true })
		s.world.table(target()).envs["manual_compact.disabled"] = "true"
		s.says(s.refusal(s.apply(t.Context()), apply.CodeCompact), "manual_compact.disabled = true", "set_app_envs")
	})
}

// Dual writing that is not seen, or seen not to be, ends the run before a backup rests on it.
func TestDualWritingIsProven(t *testing.T) {
	for name, c := range map[string]struct {
		seen apply.DualWriteOutcome
		want string
	}{
		"nobody writes":  {apply.DualWriteOutcome{}, "nobody wrote to east/orders"},
		"one table only": {apply.DualWriteOutcome{Written: 40, Missing: 40, Examples: []string{"u1:a"}}, "west/orders receives no writes"},
		"one writer":     {apply.DualWriteOutcome{Written: 300, Both: 298, Missing: 2, Examples: []string{"u1:a"}}, "such as u1:a"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDual(t)
				s.world.dual = c.seen
				s.says(s.refusal(s.through(t.Context()), apply.CodeDualWrite), c.want, "run the same command again")
				s.world.dual = apply.DualWriteOutcome{Written: 20, Both: 20}
				s.must(s.apply(t.Context()))
				s.loaded()
				s.says(s.story(), "with 95 % confidence less than one write in 6 misses the target")
				if !s.warnedOf("only 20 writes were seen, wanted were 200") {
					t.Error("it was not told that few were seen")
				}
			})
		})
	}
}

// Rows that the load brought back to life are deleted and counted; what clients write meanwhile stays.
func TestResurrectedRows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDual(t)
		s.must(s.through(t.Context()))
		s.loaded()
		if !s.warnedOf("1 row had come back") && !s.warnedOf("1 row") {
			t.Error(s.story())
		}
	})
}

// A row that a client wrote to one table only ends the comparison with what to do about it.
func TestDualWriterThatForgets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDual(t)
		s.until("Debt", func() bool { return true })
		s.world.table(source()).rows["late"] = fakeRow{Value: "x"}
		err := s.apply(t.Context())
		var differ *apply.DifferencesError
		if !errors.As(err, &differ) || differ.Count != 1 {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.says(differ.Hint, "does not write both tables")
		s.world.table(target()).rows["late"] = fakeRow{Value: "x"}
		s.must(s.apply(t.Context()))
		s.loaded()
	})
}
