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
}

type fakeCluster struct {
	nextID  int32
	tables  map[string]*fakeTable
	dropped []int32
	late    []lateTable
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
	healthy    time.Time
	parts      []*fakePart
	rows       map[string]fakeRow
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
}

// knownEnvs are envs that a primary goes by from a moment on.
type knownEnvs struct {
	from time.Time
	envs map[string]string
}

func newWorld() *fakeWorld {
	return &fakeWorld{batchTime: 700 * time.Millisecond, verifyTime: 3100 * time.Millisecond,
		clusters: map[string]*fakeCluster{
			"east": {nextID: 12, tables: map[string]*fakeTable{}},
			"west": {nextID: 5, tables: map[string]*fakeTable{}},
		}}
}

func (w *fakeWorld) world() apply.World {
	return apply.World{Tables: fakeTables{w}, Fences: fakeFences{w}, Engine: fakeEngine{w}}
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
	t := w.create(plan.CreateTable{Table: ref, Partitions: partitions, Replicas: 3, Envs: envs})
	t.healthy = time.Now()
	return t
}

func (w *fakeWorld) create(spec plan.CreateTable) *fakeTable {
	c := w.clusters[spec.Table.Cluster]
	t := &fakeTable{id: c.nextID, partitions: spec.Partitions, replicas: spec.Replicas, envs: map[string]string{},
		healthy: time.Now().Add(createTime), rows: map[string]fakeRow{}}
	maps.Copy(t.envs, spec.Envs)
	for i := range spec.Partitions {
		t.parts = append(t.parts, &fakePart{primary: int(i) % 3, ballot: 3, known: []knownEnvs{{envs: maps.Clone(t.envs)}}})
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
	t, _ := w.find(ref)
	return t
}

// spread tells every partition the table's present envs, each at its own moment of the interval.
func (t *fakeTable) spread() {
	for i, p := range t.parts {
		delay := syncInterval * time.Duration(i+1) / time.Duration(len(t.parts)+1)
		p.known = append(p.known, knownEnvs{time.Now().Add(delay), maps.Clone(t.envs)})
	}
}

// movePrimary gives a partition another primary, which learns the present envs a while later.
func (w *fakeWorld) movePrimary(ref plan.TableRef, partition int, learns time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, _ := w.find(ref)
	p := t.parts[partition]
	p.primary = (p.primary + 1) % 3
	p.ballot++
	p.known = []knownEnvs{p.known[0], {time.Now().Add(learns), maps.Clone(t.envs)}}
}

// settings are the envs that a primary goes by now.
func (p *fakePart) settings() map[string]string {
	var out map[string]string
	for _, k := range p.known {
		if !k.from.After(time.Now()) {
			out = k.envs
		}
	}
	return out
}

// ttl is the default_ttl in force: deleting the env leaves the old value.
func (p *fakePart) ttl() string {
	ttl := "0"
	for _, k := range p.known {
		if v, ok := k.envs[plan.EnvDefaultTTL]; ok && !k.from.After(time.Now()) {
			ttl = v
		}
	}
	return ttl
}

// denies says whether the primary rejects writes.
func (p *fakePart) denies() bool {
	switch p.settings()[plan.EnvDeny] {
	case "reconfig*write", "reconfig*all", "timeout*write", "timeout*all":
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
	w.mu.Lock()
	defer w.mu.Unlock()
	t, err := w.find(ref)
	if err != nil {
		return err
	}
	return t.put(key, fakeRow{value, expire})
}

func (t *fakeTable) put(key string, row fakeRow) error {
	p := t.parts[t.partOf(key)]
	if p.denies() {
		return errDenied
	}
	if ttl := p.ttl(); row.Expire == 0 && ttl != "0" {
		row.Expire = 999_999_999
	}
	p.prepared++
	p.written = time.Now()
	t.rows[key] = row
	return nil
}

// remove is a client's delete.
func (w *fakeWorld) remove(ref plan.TableRef, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, err := w.find(ref)
	if err != nil {
		return err
	}
	p := t.parts[t.partOf(key)]
	if p.denies() {
		return errDenied
	}
	p.prepared++
	p.written = time.Now()
	delete(t.rows, key)
	return nil
}
