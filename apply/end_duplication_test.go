package apply_test

import (
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
)

// Without a route the clients still ask the source when the duplication is removed: what a primary took
// in that moved since the drain is shipped before.
func TestEndDuplicationWithoutARoute(t *testing.T) {
	for name, after := range map[string]string{"the fence stays": "keep_fenced", "the fence is lifted": "unfence"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newDup(t, true)
				s.unrouted, s.after = true, after
				s.plan = s.steps()
				s.atStep("end-duplication", func() {
					src := s.world.table(source())
					s.world.movePrimary(source(), src.partOf("k07"), 9*time.Second)
					s.must(s.world.write(source(), "k07", "leaked", 7))
				})
				s.again(t.Context())
				dst := s.world.table(target())
				if got := dst.rows["k07"]; got.Value != "leaked" {
					t.Errorf("an accepted write is missing: %+v\n%s", got, s.story())
				}
				s.noDuplication()
				if got := s.world.table(source()).envs[plan.EnvDeny]; (got != "") != (after == "keep_fenced") {
					t.Errorf("%s is %q", plan.EnvDeny, got)
				}
				if s.world.clusters["east"].level != "lively" || dst.envs["duplication.master_cluster"] != "" {
					t.Error("something is left")
				}
			})
		})
	}
}

// Somebody else's duplication to another cluster, added meanwhile, is left alone at the end.
func TestEndDuplicationLeavesOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newDup(t, false)
		s.atStep("end-duplication", func() {
			s.locked(func(src *fakeTable) {
				src.dups = append(src.dups, &fakeDup{id: 7, remote: "cluster-north", status: "DS_LOG", synced: s.world.now.Add(time.Hour),
					follower: &fakeTable{fakeDuplicated: fakeDuplicated{gone: true}}})
			})
		})
		s.must(s.apply(t.Context()))
		if src := s.world.table(source()); len(src.dups) == 0 || src.dups[len(src.dups)-1].id != 7 || src.dups[len(src.dups)-1].removed {
			t.Errorf("%+v", src.dups)
		}
	})
}
