package apply_test

import (
	"maps"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// wanted is the end of every copy that succeeds: the source as it was, the target with its rows and
// envs, and no marker anywhere.
func wanted(s *scene) map[string]shown {
	want := s.show()
	src := want[source().String()]
	dst := want[target().String()]
	envs := maps.Clone(src.Envs)
	id := dst.ID
	if id == 0 {
		id = s.world.clusters["west"].nextID
	} else {
		envs[plan.EnvBusinessInfo] = dst.Envs[plan.EnvBusinessInfo]
	}
	delete(envs, plan.EnvDeny)
	want[target().String()] = shown{id, envs, maps.Clone(src.Rows)}
	return want
}

func TestHappyPath(t *testing.T) {
	tests := map[string]struct {
		writes schema.SourceWrites
		change func(*scene)
	}{
		"fenced":                             {schema.SourceWritesFenced, func(*scene) {}},
		"stopped":                            {schema.SourceWritesStopped, func(*scene) {}},
		"accepted":                           {schema.SourceWritesAccepted, func(*scene) {}},
		"existing target with a default_ttl": {schema.SourceWritesFenced, func(s *scene) { s.withTarget() }},
		"source that denied writes":          {schema.SourceWritesFenced, func(s *scene) { s.world.table(source()).envs[plan.EnvDeny] = "reconfig*write" }},
		"no business.info":                   {schema.SourceWritesFenced, func(s *scene) { delete(s.world.table(source()).envs, plan.EnvBusinessInfo) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newScene(t, tt.writes)
				tt.change(s)
				s.world.table(source()).spread()
				time.Sleep(2 * syncInterval)
				want := wanted(s)
				s.must(s.apply(t.Context()))
				s.same(want)
				if doc := s.document(); doc.Outcome != state.OutcomeDone {
					t.Errorf("outcome %q", doc.Outcome)
				}
				if n := len(happened[event.RunDone](s)); n != 1 {
					t.Errorf("%d RunDone events", n)
				}
				for _, w := range happened[event.Waiting](s) {
					if w.Reason == "" || w.Limit <= 0 {
						t.Errorf("a wait without reason or end: %+v", w)
					}
				}
			})
		})
	}
}
