package apply_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// declare gives the scene the declaration, and the look at the clusters, that its steps come from.
func (s *backupScene) declare() *backupScene {
	store := backupProvider()
	p := &schema.Provider{Label: "main", Name: store.Name, Type: schema.HDFSService, Args: "hdfs://nn1:8020 /pegasus", Root: "/pegasus", NameNodes: store.Store.NameNodes}
	s.decl.Target.PartitionCount = nil
	s.decl.Method = &schema.BackupRestoreMethod{BackupUse: schema.BackupUse{Provider: p, TargetProvider: p}, SourceWrites: s.writes}
	s.decl.Limits.SendRate = &schema.SendRate{Start: 10 << 20, Step: 20 << 20, Max: 60 << 20, Every: 8 * time.Second}
	if s.decl.After.Source = schema.AfterNone; s.writes == schema.SourceWritesFenced {
		s.decl.After.Source = schema.AfterUnfence
	}
	s.observe = func(f *plan.Facts) {
		no := false
		have := map[string]plan.ProviderConfig{p.Name: {Type: string(p.Type), Args: p.Args}}
		servers := func(c plan.ClusterFacts) []plan.FileServer {
			out := []plan.FileServer{{Addr: c.MetaServers[0], Meta: true, Providers: have, ProvidersTold: true, BackupDisabled: &no}}
			for _, n := range c.Nodes {
				out = append(out, plan.FileServer{Addr: n.Addr, Providers: have, ProvidersTold: true, ColdBackupRoot: backupRoot, RootTold: true,
					Rates: map[string]int64{plan.FlagHDFSWrite: 200, plan.FlagHDFSRead: 200}})
			}
			return out
		}
		seen := plan.StoreFacts{Provider: store, Free: 10 << 40, Writable: true}
		f.Files = &plan.FilesFacts{SourceServers: servers(f.Source), TargetServers: servers(f.Target), Store: seen, TargetStore: seen, Root: backupRoot, Now: time.Now()}
		for _, b := range s.world.known["east"] {
			st := b.status(time.Now())
			f.Files.Running = append(f.Files.Running, plan.BackupRunning{ID: st.ID, Provider: st.Provider, Path: st.Path, Started: st.Started, Ended: st.Ended, Failed: st.Failed})
		}
	}
	return s
}

// The steps that the tests of this package run are those that are planned.
func TestBackupStepsArePlanned(t *testing.T) {
	for _, writes := range []schema.SourceWrites{schema.SourceWritesStopped, schema.SourceWritesFenced, schema.SourceWritesAccepted} {
		t.Run(string(writes), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newBackup(t, writes).declare()
				type step struct {
					ID           string
					Action, Undo plan.Action
				}
				plain := func(p *plan.Plan) (out []step) {
					for _, st := range p.Steps {
						if f, ok := st.Action.(plan.Fence); ok { // the prediction is for people
							f.Predicted = 0
							st.Action = f
						}
						if u, ok := st.Undo.(plan.Disown); ok {
							u.TargetInfo = ""
							st.Undo = u
						}
						out = append(out, step{st.ID, st.Action, st.Undo})
					}
					return out
				}
				if diff := cmp.Diff(plain(s.plan), plain(s.build())); diff != "" {
					t.Errorf("(-run here +planned)\n%s", diff)
				}
			})
		})
	}
}

// TestBackupAdopt kills apply at every point and loses the state file as well. The rebuilt one leads to the same end,
// or back to the beginning. A finished backup that only the store knows is not provably of this run and may stay.
func TestBackupAdopt(t *testing.T) {
	t.Parallel()
	for _, writes := range []schema.SourceWrites{schema.SourceWritesFenced, schema.SourceWritesAccepted} {
		t.Run(string(writes), func(t *testing.T) {
			everywhere(t, 200, 150, func(t *testing.T, k int) bool {
				s := newBackup(t, writes).declare()
				killed, err := s.killedAt(k, s.apply)
				if !killed {
					s.must(err)
					return false
				}
				s.reboot(k)
				m, err := marker.Parse(s.world.table(source()).envs[marker.Env])
				s.must(err)
				if m == nil {
					return true // nothing was changed, or everything is done
				}
				s.plan = nil
				s.adopt()
				if k%2 == 0 {
					s.must(s.rollback(t.Context()))
					s.dropFinished()
					s.undone()
					return true
				}
				s.must(s.apply(t.Context()))
				s.keepOne()
				s.restored()
				return true
			})
		})
	}
}

// dropFinished takes finished backups away.
func (s *backupScene) dropFinished() {
	for place, b := range s.world.store {
		if b.whole(time.Now()) {
			delete(s.world.store, place)
		}
	}
}

// keepOne takes finished backups away, but for the last.
func (s *backupScene) keepOne() {
	ids := []int64{}
	for _, b := range s.world.store {
		ids = append(ids, b.id)
	}
	slices.Sort(ids)
	for place, b := range s.world.store {
		if b.whole(time.Now()) && b.id != ids[len(ids)-1] {
			delete(s.world.store, place)
		}
	}
}
