package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

const (
	stateDir  = "/conf"
	migration = "orders"
)

// scene is one migration in one bubble: the clusters, the disk and what happened.
type scene struct {
	t     *testing.T
	world *fakeWorld
	disk  *crashfs.FS
	decl  *schema.Migration
	waits apply.Waits
	// fsys wraps the disk for the next run; nil for the disk itself.
	fsys func(atomicfile.FS) atomicfile.FS
	// words keeps what in a plan is for people.
	words bool
	// plan is what is run, nil for what the declaration gives.
	plan *plan.Plan
	// observe adds to the facts of the next plans.
	observe func(*plan.Facts)
	// guard is the watchdog of the next runs, nil for none.
	guard apply.Watchdog
	// sink sees the events of the next runs besides the recorder.
	sink func(event.Event)

	mu     sync.Mutex
	events []event.Event
}

// newScene has a source of 4 partitions with 24 rows, every fifth without expiry, with a
// default_ttl, a prior business.info and one env to carry; the target is absent.
func newScene(t *testing.T, writes schema.SourceWrites) *scene {
	s := &scene{t: t, world: newWorld(), disk: crashfs.New(stateDir), waits: apply.DefaultWaits()}
	s.waits.Poll = 4 * time.Second // fewer looks, fewer points to crash at
	src := s.world.make(source(), 4, map[string]string{
		plan.EnvBusinessInfo: "team pay", "replica.slow_query_threshold": "100", plan.EnvDefaultTTL: "86400"})
	for i := range 24 {
		src.rows[fmt.Sprintf("k%02d", i)] = fakeRow{fmt.Sprintf("v%d", i), uint32(i % 5 * 1_000_000)}
	}
	east := &schema.Cluster{Label: "east", MetaServers: []string{"10.0.0.1:34601"}}
	west := &schema.Cluster{Label: "west", MetaServers: []string{"10.1.0.1:34601"}}
	eight := int32(8)
	s.decl = &schema.Migration{
		Name: migration, Source: schema.Source{Cluster: east, Table: "orders"},
		Target: schema.Target{Cluster: west, Table: "orders", PartitionCount: &eight, IfExists: schema.IfExistsFail},
		Method: &schema.CopyMethod{SourceWrites: writes}, Verify: schema.Verify{Mode: schema.VerifyFull},
		After: schema.After{Source: schema.AfterUnfence}, Fingerprint: "config", IdentityFingerprint: "identity",
	}
	return s
}

// withTarget adds an existing empty target that stamps rows and has a text of its own.
func (s *scene) withTarget() *scene {
	s.world.make(target(), 8, map[string]string{plan.EnvDefaultTTL: "3600", plan.EnvBusinessInfo: "new home"})
	s.decl.Target.IfExists = schema.IfExistsResumeEmpty
	return s
}

// inBubble runs a test with a clock of its own, in which waiting costs nothing.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func (s *scene) Emit(e event.Event) {
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
	if s.sink != nil {
		s.sink(e)
	}
}

// happened gives the events of one type.
func happened[E event.Event](s *scene) []E {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []E
	for _, e := range s.events {
		if e, ok := e.(E); ok {
			out = append(out, e)
		}
	}
	return out
}

// build plans the migration from what the clusters show.
func (s *scene) build() *plan.Plan {
	s.t.Helper()
	p, err := plan.Build(s.decl, s.facts(), plan.Options{ToolVersion: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range p.Checks {
		if c.Severity == plan.Error {
			s.t.Fatalf("the plan has an error: %s %s", c.Code, c.Text)
		}
	}
	return p
}

// slim takes out of a plan what apply does not read: it is most of every state write.
func (s *scene) slim(p *plan.Plan) {
	p.Facts, p.Checks, p.Clients, p.Return = nil, nil, "", ""
	for i := range p.Steps {
		p.Steps[i].Why, p.Steps[i].Impact, p.Steps[i].Estimate = "", "", plan.Estimate{}
	}
}

func (s *scene) facts() plan.Facts {
	f := plan.Facts{Source: clusterFacts("east", "10.0.0"), Target: clusterFacts("west", "10.1.0")}
	f.SourceTable = tableFacts(s.world.table(source()))
	f.TargetTable = tableFacts(s.world.table(target()))
	if s.observe != nil {
		s.observe(&f)
	}
	return f
}

func clusterFacts(label, net string) plan.ClusterFacts {
	c := plan.ClusterFacts{Label: label, Name: "cluster-" + label, MetaServers: []string{net + ".1:34601"}, PrimaryMeta: net + ".1:34601",
		Level: "lively", ConfigSync: syncInterval, GroupCheck: 10 * time.Second, MaxReplicaCount: 5, MaxWriteSize: 1 << 20}
	for _, host := range []string{"5", "6", "7"} {
		c.Nodes = append(c.Nodes, plan.NodeFacts{Addr: net + "." + host + ":34801", Alive: true, Version: "2.5.0", DiskTotal: 4 << 40, DiskAvailable: 3 << 40})
	}
	return c
}

func tableFacts(t *fakeTable) *plan.TableFacts {
	if t == nil {
		return nil
	}
	f := &plan.TableFacts{Name: "orders", ID: t.id, Status: "AVAILABLE", Partitions: t.partitions, Replicas: t.replicas,
		Envs: maps.Clone(t.envs), Health: plan.HealthFacts{Full: int(t.partitions)},
		DataVersions: map[int32]int{1: int(t.partitions) * 3}, Rows: uint64(len(t.rows)), Bytes: 1 << 20, HasRows: len(t.rows) > 0}
	if m, err := marker.Parse(t.envs[marker.Env]); m != nil || err != nil {
		f.Marker = &plan.MarkerFacts{Damaged: err != nil}
		if m != nil {
			*f.Marker = plan.MarkerFacts{Lineage: m.Lineage, Migration: m.Migration, Owner: m.Owner, Since: m.Since, Prior: m.Prior.Value, HadPrior: m.Prior.Had}
		}
	}
	return f
}

// session opens the state, makes the document when there is none, and hands both to do.
func (s *scene) session(do func(*apply.Run) error) (err error) {
	var fsys atomicfile.FS = s.disk
	if s.fsys != nil {
		fsys = s.fsys(fsys)
	}
	store, err := state.Open(fsys, stateDir, migration, state.Holder{Who: "ann", Host: "ops1", PID: 1, Command: "test", Since: time.Now()}, state.WithClock(time.Now))
	if err != nil {
		return err
	}
	defer func() {
		if closing := store.Close(); err == nil && closing != nil {
			err = closing
		}
	}()
	if store.Document() == nil {
		p := s.plan
		if p == nil {
			p = s.build()
		}
		if !s.words {
			s.slim(p)
		}
		doc, err := apply.NewDocument(p, "11111111-2222-4333-8444-555555555555", "test")
		if err != nil {
			return err
		}
		if err := store.Create(doc); err != nil {
			return err
		}
	}
	p := s.plan
	if p == nil {
		if p, err = apply.PlanOf(store.Document()); err != nil {
			return err
		}
	}
	return do(apply.New(apply.Config{Watchdog: s.guard, Plan: p, Store: store, World: s.world.world(), Sink: s, Waits: s.waits,
		Owner: "ann@ops1", Resume: "pegmigrate apply conf", Now: time.Now}))
}

func (s *scene) apply(ctx context.Context) error {
	return s.session(func(r *apply.Run) error { return r.Apply(ctx) })
}

func (s *scene) rollback(ctx context.Context) error {
	return s.session(func(r *apply.Run) error { return r.Rollback(ctx) })
}

// approve opens a gate as the command does.
func (s *scene) approve(gate string) {
	s.change(func(d *state.Document) { d.Approved = append(d.Approved, gate) })
}

// change edits the state document.
func (s *scene) change(f func(*state.Document)) {
	s.t.Helper()
	store, err := state.Open(s.disk, stateDir, migration, state.Holder{Who: "ann"})
	if err == nil {
		err = errors.Join(store.Update(func(d *state.Document) error { f(d); return nil }), store.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) document() *state.Document {
	doc, err := state.ReadOnly(s.disk, stateDir, migration)
	if err != nil && !errors.Is(err, state.ErrNoState) {
		s.t.Fatal(err)
	}
	return doc
}

// shown is what of the clusters must be the same whatever happened on the way.
type shown struct {
	ID   int32
	Envs map[string]string
	Rows map[string]fakeRow
}

// show looks at both tables; a table that is absent has id 0.
func (s *scene) show() map[string]shown {
	out := map[string]shown{}
	for _, ref := range []plan.TableRef{source(), target()} {
		out[ref.String()] = shown{}
		if t := s.world.table(ref); t != nil {
			out[ref.String()] = shown{t.id, maps.Clone(t.envs), maps.Clone(t.rows)}
		}
	}
	return out
}

// must ends the test at an error, with the story so far.
func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.story())
	}
}

// same compares what the clusters show with what they should.
func (s *scene) same(want map[string]shown) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.show()); diff != "" {
		s.t.Fatalf("(-want +got)\n%s\n%s", diff, s.story())
	}
}

// story is for failures: what happened, one event per line.
func (s *scene) story() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, e := range s.events {
		switch e.(type) {
		case event.MoveProgress, event.Waiting:
		default:
			fmt.Fprintf(&b, "  %T %+v\n", e, e)
		}
	}
	return b.String()
}
