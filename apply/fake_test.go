package apply_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// The fake world: two clusters in memory. Time is that of a synctest bubble, so that 30 s until an
// env is in force cost nothing. It enforces what real servers enforce: envs reach the partitions
// one by one, a new primary knows only old envs, default_ttl that is deleted stays in force, ids
// only grow, a delete is a write.

const (
	syncInterval = 30 * time.Second // config_sync_interval_ms
	commitTime   = 40 * time.Millisecond
	createTime   = 12 * time.Second // until a new table has all its replicas
)

// call is one request of apply, or one batch of an engine.
type call struct {
	name    string
	table   plan.TableRef
	detail  string
	changes bool // it changes rows or settings
	after   bool // it took effect; the answer is about to leave
}

func (c call) String() string { return c.name + " " + c.table.String() + c.detail }

type fakeWorld struct {
	mu       sync.Mutex
	clusters map[string]*fakeCluster
	// hook sees every call twice. An error before keeps the call from happening, one after it
	// loses the answer. It runs on the goroutine of the call, one at a time.
	hook   func(context.Context, call) error
	hooked sync.Mutex
	// denied counts changes of the source's deny env: true is set, false is taken out.
	denied []bool
	// batchTime and verifyTime are what the engines take.
	batchTime, verifyTime time.Duration
	// catchUpLeft is how many passes behind a fence leave a row different.
	catchUpLeft int
	fakeLife
	fakeLoading
	fakeBacking
}

type fakeCluster struct {
	nextID  int32
	tables  map[string]*fakeTable
	dropped []int32
	late    []lateTable
	level   string // meta function level
	away    bool   // its metas cannot be reached by the other cluster
}

// lateTable appears by itself: a create request that was under way when its caller gave up.
type lateTable struct {
	at   time.Time
	spec plan.CreateTable
}

type fakeRow struct {
	Value  string
	Expire uint32
}

type fakeTable struct {
	id         int32
	partitions int32
	replicas   int32
	envs       map[string]string
	created    time.Time
	primaries  time.Time // when its partitions get primaries
	healthy    time.Time
	parts      []*fakePart
	rows       map[string]fakeRow
	fakeDuplicated
	fakeRestored
	load    *fakeLoad
	compact fakeCompaction
	buried  map[string]bool // keys with a tombstone
}

// fakePart is one partition's primary.
type fakePart struct {
	primary  int
	ballot   int64
	known    []knownEnvs
	prepared int64
	written  time.Time // of the last write
	silent   bool      // it does not answer probes
	commits  time.Time // when what is prepared now will be committed
	log      []fakeMutation
	ships    map[int32]*fakeShip // by duplication
	orphan   bool                // no primary can open it
	checked  time.Time           // of the last group check
	// queue is what was accepted and has no decree yet; it is prepared at drains.
	queue  []fakeMutation
	drains time.Time
}

// knownEnvs are envs that a primary goes by from a moment on.
type knownEnvs struct {
	from time.Time
	envs map[string]string
}

func newWorld() *fakeWorld {
	return &fakeWorld{batchTime: 700 * time.Millisecond, verifyTime: 3100 * time.Millisecond, fakeLife: newLife(), fakeLoading: newLoading(), fakeBacking: newBacking(),
		clusters: map[string]*fakeCluster{
			"east": {nextID: 12, tables: map[string]*fakeTable{}, level: "lively"},
			"west": {nextID: 5, tables: map[string]*fakeTable{}, level: "lively"},
		}}
}

func (w *fakeWorld) world() apply.World {
	return w.loadingWorld(w.backingWorld(apply.World{Tables: fakeTables{w}, Fences: fakeFences{w}, Engine: fakeEngine{w}, CatchUps: fakeCatchUps{w}, Indexes: fakeIndexes{w},
		Duplications: fakeDuplications{w}, Levels: fakeLevels{w}, Routes: fakeRoutes{w},
		Traffic: &fakeTraffic{w: w, before: map[plan.TableRef]fakeCounters{}}, Live: fakeLive{w}}))
}

// around frames a call with the hook. do runs under the lock. A change is done even when its context
// is over, as by a client that looks at it too late: apply must not ask for it.
func (w *fakeWorld) around(ctx context.Context, c call, do func() error) error {
	if ctx.Err() != nil && !c.changes {
		return ctx.Err()
	}
	if err := w.ask(ctx, c); err != nil {
		return err
	}
	w.mu.Lock()
	w.advance()
	err := do()
	w.mu.Unlock()
	c.after = true
	if lost := w.ask(ctx, c); lost != nil {
		return lost
	}
	return err
}

func (w *fakeWorld) ask(ctx context.Context, c call) error {
	if w.hook == nil {
		return nil
	}
	w.hooked.Lock()
	defer w.hooked.Unlock()
	return w.hook(ctx, c)
}

// make creates a table that is healthy and old.
func (w *fakeWorld) make(ref plan.TableRef, partitions int32, envs map[string]string) *fakeTable {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	t := w.create(plan.CreateTable{Table: ref, Partitions: partitions, Replicas: 3, Envs: envs})
	t.healthy, t.primaries = time.Now(), time.Now()
	return t
}

// create makes a table as of w.now; the lock is held.
func (w *fakeWorld) create(spec plan.CreateTable) *fakeTable {
	c := w.clusters[spec.Table.Cluster]
	t := &fakeTable{id: c.nextID, partitions: spec.Partitions, replicas: spec.Replicas, envs: map[string]string{},
		created: w.now, primaries: w.now.Add(createTime), healthy: w.now.Add(createTime), rows: map[string]fakeRow{}}
	maps.Copy(t.envs, spec.Envs)
	for i := range spec.Partitions {
		t.parts = append(t.parts, &fakePart{primary: int(i) % 3, ballot: 3, known: []knownEnvs{{envs: maps.Clone(t.envs)}}, ships: map[int32]*fakeShip{}})
	}
	c.nextID++
	c.tables[spec.Table.Table] = t
	return t
}

// find gives a table; the lock is held.
func (w *fakeWorld) find(ref plan.TableRef) (*fakeTable, error) {
	c := w.clusters[ref.Cluster]
	var later []lateTable
	for _, l := range c.late {
		if time.Now().Before(l.at) {
			later = append(later, l)
		} else {
			w.create(l.spec)
		}
	}
	c.late = later
	if t := c.tables[ref.Table]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%s: %w", ref, apply.ErrNoTable)
}

func (w *fakeWorld) table(ref plan.TableRef) *fakeTable {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	t, _ := w.find(ref)
	return t
}

// spread tells every partition the table's present envs, each at its own moment of the interval.
func (t *fakeTable) spread() {
	for i, p := range t.parts {
		delay := syncInterval * time.Duration(i+1) / time.Duration(len(t.parts)+1)
		for j := range p.known {
			if p.known[j].from.After(time.Now()) { // a sync brings what the meta has by then
				p.known[j].envs = maps.Clone(t.envs)
			}
		}
		p.known = append(p.known, knownEnvs{time.Now().Add(delay), maps.Clone(t.envs)})
	}
}

// movePrimary gives a partition another primary, which learns the present envs a while later.
func (w *fakeWorld) movePrimary(ref plan.TableRef, partition int, learns time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	w.move(ref, partition, learns)
}

// move is movePrimary as of w.now; the lock is held.
func (w *fakeWorld) move(ref plan.TableRef, partition int, learns time.Duration) {
	t, _ := w.find(ref)
	p := t.parts[partition]
	p.primary = (p.primary + 1) % 3
	p.ballot++
	p.known = []knownEnvs{p.known[0], {w.now.Add(learns), maps.Clone(t.envs)}}
	// What the old primary shipped since meta kept it last is shipped again, once the new one has
	// heard of the duplication.
	for _, s := range p.ships {
		s.shipped, s.from = s.confirmed, w.now.Add(dupSync)
		if s.confirmed < 0 { // nothing is stored: it begins with its own last decree
			s.shipped = p.committed(w.now)
		}
	}
}

// settings are the envs that a primary goes by.
func (p *fakePart) settings(at time.Time) map[string]string {
	var out map[string]string
	for _, k := range p.known {
		if !k.from.After(at) {
			out = k.envs
		}
	}
	return out
}

// ttl is the default_ttl in force: deleting the env leaves the old value.
func (p *fakePart) ttl() string { return p.ttlAt(time.Now()) }

func (p *fakePart) ttlAt(at time.Time) string {
	ttl := "0"
	for _, k := range p.known {
		if v, ok := k.envs[plan.EnvDefaultTTL]; ok && !k.from.After(at) {
			ttl = v
		}
	}
	return ttl
}

// denies says whether the primary rejects writes.
func (p *fakePart) denies() bool { return p.deniesAt(time.Now()) }

func (p *fakePart) deniesAt(at time.Time) bool {
	switch p.settings(at)[plan.EnvDeny] {
	case "reconfig*write", "reconfig*all", "timeout*write", "timeout*all":
		return true
	}
	return false
}

// deniesReads says whether the primary rejects reads.
func (p *fakePart) deniesReads(at time.Time) bool {
	switch p.settings(at)[plan.EnvDeny] {
	case "reconfig*read", "reconfig*all", "timeout*read", "timeout*all":
		return true
	}
	return false
}

func (t *fakeTable) partOf(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % uint32(t.partitions))
}

var errDenied = errors.New("ERR_INVALID_STATE")

// write is what a client does; expire 0 is stamped where a default_ttl is in force.
func (w *fakeWorld) write(ref plan.TableRef, key, value string, expire uint32) error {
	return w.change(ref, fakeMutation{Key: key, Row: fakeRow{value, expire}, Kind: putRow})
}

// remove is a client's delete.
func (w *fakeWorld) remove(ref plan.TableRef, key string) error {
	return w.change(ref, fakeMutation{Key: key, Kind: removeRow})
}

func (w *fakeWorld) change(ref plan.TableRef, m fakeMutation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance()
	t, err := w.find(ref)
	if err != nil {
		return err
	}
	return t.take(time.Now(), m)
}

func (t *fakeTable) put(key string, row fakeRow) error {
	return t.take(time.Now(), fakeMutation{Key: key, Row: row, Kind: putRow})
}
