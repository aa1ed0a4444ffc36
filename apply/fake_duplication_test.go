package apply_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

const (
	dupSync     = 10 * time.Second // duplication_sync_period_second
	prepareTime = 20 * time.Second // until every partition has its checkpoint
	copyTime    = 25 * time.Second // until a follower's primaries opened theirs
)

// fakeDuplicated is what a table has of duplications.
type fakeDuplicated struct {
	dups []*fakeDup
	gone bool // it was dropped
	// rejected counts writes that were refused as not idempotent.
	rejected float64
	// lost counts mutations that were lost instead of being shipped.
	lost float64
	// crashes kills every replica server that opens the table.
	crashes bool
	counters,
	failures fakeCounters
	history []fakeSecond
}

// fakeDup is one duplication as the source's meta keeps it.
type fakeDup struct {
	id       int32
	remote   string
	status   string
	failMode string
	created  time.Time
	synced   time.Time
	snapshot map[string]fakeRow // the checkpoint, nil before
	follower *fakeTable
	removed  bool // not listed any more; replicas hear of it with the next sync
	logOnly  bool // it ships into a table that is there, from now on
	// holds is when the replicas have heard that it is held; they ship until then.
	holds time.Time
}

// shipping says whether primaries ship by it.
func (d *fakeDup) shipping(at time.Time) bool {
	return d.status == "DS_LOG" || d.status == "DS_PAUSE" && at.Before(d.holds)
}

// fakeShip is how far one partition's primary came.
type fakeShip struct {
	shipped, confirmed int64
	from               time.Time // before it the primary does not know of the duplication
	due                float64
}

type fakeMutation struct {
	decree  int64
	Kind    mutationKind
	Key     string
	Row     fakeRow
	foreign bool // it came by a duplication, which never ships it on
}

type mutationKind int

const (
	emptyWrite mutationKind = iota
	putRow
	removeRow
	probeWrite // the delete of a reserved key, which is shipped like any other
)

// mutate gives a mutation the next decree.
func (p *fakePart) mutate(at time.Time, m fakeMutation) {
	p.prepared++
	m.decree, p.written = p.prepared, at
	p.log = append(p.log, m)
}

// standStill keeps a look at decrees waiting for servers that do nothing.
func (w *fakeWorld) standStill() {
	w.mu.Lock()
	until := w.stopped
	w.mu.Unlock()
	time.Sleep(time.Until(until))
}

// drain prepares what waited in the write queue, whatever fence there is by now.
func (p *fakePart) drain(t *fakeTable, at time.Time) {
	if len(p.queue) == 0 || at.Before(p.drains) {
		return
	}
	for _, m := range p.queue {
		t.rows[m.Key] = m.Row
		p.mutate(at, m)
	}
	p.queue = nil
}

// committed is the last decree that the secondaries have too.
func (p *fakePart) committed(at time.Time) int64 {
	if p.prepared > 0 && at.Sub(p.written) < commitTime || at.Before(p.commits) {
		return p.prepared - 1
	}
	return p.prepared
}

// open says whether a partition has a primary that serves.
func (t *fakeTable) open(p *fakePart, at time.Time) bool {
	return !p.orphan && !t.crashes && !at.Before(t.primaries)
}

// crashing says that the replica servers die again and again of one table.
func (c *fakeCluster) crashing() bool {
	for _, t := range c.tables {
		if t.crashes {
			return true
		}
	}
	return false
}

// take is one write as a primary does it.
func (t *fakeTable) take(at time.Time, m fakeMutation) error {
	p := t.parts[t.partOf(m.Key)]
	if p.deniesAt(at) {
		return errDenied
	}
	if m.Kind == putRow {
		if ttl := p.ttlAt(at); m.Row.Expire == 0 && ttl != "0" {
			m.Row.Expire = 999_999_999
		}
		t.rows[m.Key] = m.Row
	} else {
		delete(t.rows, m.Key)
	}
	p.mutate(at, m)
	return nil
}

// walk brings a duplication on, at its syncs.
func (w *fakeWorld) walk(t *fakeTable, d *fakeDup) {
	if d.status == "DS_INIT" && w.now.Sub(d.created) >= time.Second {
		d.status = "DS_PREPARE"
		if d.logOnly {
			d.status = "DS_LOG"
		}
	}
	if w.now.Sub(d.synced) < dupSync {
		return
	}
	d.synced = w.now
	if d.removed {
		d.status = "removed"
		return
	}
	switch d.status {
	case "DS_PREPARE":
		if w.now.Sub(d.created) >= prepareTime {
			if d.snapshot == nil {
				d.snapshot = maps.Clone(t.rows)
			}
			w.follow(t, d)
		}
	case "DS_APP":
		f := d.follower
		if f.gone {
			return
		}
		for _, p := range f.parts {
			if !f.open(p, w.now) {
				return
			}
		}
		if (f.replicas > 1 || w.shipsLast) && w.now.Sub(f.primaries) >= 8*time.Second || w.shipsLast && f.replicas == 1 {
			d.status = "DS_LOG"
		}
	case "DS_LOG":
		for _, p := range t.parts {
			p.ships[d.id].confirmed = p.ships[d.id].shipped
		}
	}
}

// follow asks the target's meta for the follower. What stands in the way does so for ever.
func (w *fakeWorld) follow(t *fakeTable, d *fakeDup) {
	label := strings.TrimPrefix(d.remote, "cluster-")
	c := w.clusters[label]
	ref := plan.TableRef{Cluster: label, Table: w.nameOf(t)}
	if c.away || c.tables[ref.Table] != nil || t.replicas > w.nodes {
		return
	}
	envs := maps.Clone(t.envs)
	envs["duplication.master_cluster"], envs["duplication.master_metas"] = "cluster-east", "10.0.0.1:34601"
	if w.shipsLast {
		envs["duplication.master_app_name"], envs["duplication.follower_app_status"] = ref.Table, "created"
	}
	f := w.create(plan.CreateTable{Table: ref, Partitions: t.partitions, Replicas: t.replicas, Envs: envs})
	f.primaries, f.healthy = w.now.Add(copyTime), w.now.Add(copyTime+30*time.Second)
	for k := range envs {
		if k == plan.EnvDefaultTTL || strings.HasPrefix(k, "manual_compact.") {
			f.crashes = true
		}
	}
	f.rows = maps.Clone(d.snapshot)
	for i, p := range f.parts { // an empty partition has no checkpoint to open
		p.orphan = !w.shipsLast && len(keysOf(f, int32(i), "")) == 0
	}
	d.follower, d.status = f, "DS_APP"
}

func (w *fakeWorld) nameOf(t *fakeTable) string {
	for _, c := range w.clusters {
		for name, other := range c.tables {
			if other == t {
				return name
			}
		}
	}
	return ""
}

// ship sends what a partition's primary may send: on 2.4 and 2.5 a mutation goes out only when a
// later one has carried its commit into the log.
func (w *fakeWorld) ship(t *fakeTable, d *fakeDup) {
	if !d.shipping(w.now) || d.follower.gone {
		return
	}
	for i, p := range t.parts {
		s := p.ships[d.id]
		if w.now.Before(s.from) || s.confirmed < 0 {
			continue
		}
		last := p.committed(w.now)
		if !w.shipsLast {
			last = min(last, p.prepared-1)
		}
		for s.due += w.shipRate * tick.Seconds(); s.due >= 1 && s.shipped < last; s.due-- {
			m := p.at(s.shipped + 1)
			// A batch that ends with what came from another cluster is dropped as a whole, and counts
			// as shipped (pegasus_mutation_duplicator::duplicate). Every other one ends there.
			if dropped := m.decree%2 == 0 && s.shipped+2 <= p.prepared && p.at(s.shipped+2).foreign; !dropped && !w.arrive(d.follower, i, m) {
				w.shipFailures++
				break
			}
			s.shipped++
		}
		s.due = min(s.due, w.shipRate) // it does not save up
	}
}

// at gives the mutation of a decree; what was written before there was a log is none.
func (p *fakePart) at(decree int64) fakeMutation {
	if len(p.log) > 0 {
		if i := decree - p.log[0].decree; i >= 0 && i < int64(len(p.log)) {
			return p.log[i]
		}
	}
	return fakeMutation{decree: decree}
}

// arrive is one shipped mutation at the target; false when its primary does not take it.
func (w *fakeWorld) arrive(f *fakeTable, partition int, m fakeMutation) bool {
	if m.Kind == emptyWrite || m.foreign {
		return true
	}
	p := f.parts[partition]
	if !f.open(p, w.now) || p.deniesAt(w.now) {
		f.failures.writes++
		return false
	}
	m.foreign = true
	if m.Kind == probeWrite {
		p.mutate(w.now, m)
		return true
	}
	return f.take(w.now, m) == nil
}

// startDuplication is what ADD_DUPLICATION does; 0 is how 2.5 answers a restart that it refuses.
func (w *fakeWorld) startDuplication(t *fakeTable, a plan.AddDuplication) int32 {
	for _, d := range t.dups {
		if d.remote == a.Remote && !d.removed {
			if d.status == "DS_PREPARE" {
				return d.id
			}
			return 0
		}
	}
	d := &fakeDup{id: int32(w.now.Unix()), remote: a.Remote, status: "DS_INIT", failMode: a.FailMode, created: w.now, synced: w.now}
	for _, other := range t.dups {
		if other.id >= d.id {
			d.id = other.id + 1
		}
	}
	d.logOnly = a.LogOnly
	for _, p := range t.parts {
		at := p.committed(w.now)
		p.ships[d.id] = &fakeShip{shipped: at, confirmed: at}
		if a.LogOnly {
			p.ships[d.id].confirmed = -1
		}
	}
	if a.LogOnly {
		d.follower = w.clusters[strings.TrimPrefix(a.Remote, "cluster-")].tables[a.Target.Table]
	}
	t.dups = append(t.dups, d)
	return d.id
}

type fakeDuplications struct{ w *fakeWorld }

func (f fakeDuplications) Duplications(ctx context.Context, ref plan.TableRef) (out []apply.Duplication, err error) {
	err = f.w.around(ctx, call{name: "Duplications", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for _, d := range t.dups {
			if !d.removed {
				out = append(out, apply.Duplication{ID: d.id, Remote: d.remote, Status: d.status, FailMode: d.failMode,
					CreatedAt: d.created.Truncate(time.Second)})
			}
		}
		return nil
	})
	return out, err
}

func (f fakeDuplications) AddDuplication(ctx context.Context, a plan.AddDuplication) (id int32, err error) {
	did := false
	err = f.w.around(ctx, call{name: "AddDuplication", table: a.Source, changes: true}, func() error {
		t, err := f.w.find(a.Source)
		if err != nil {
			return fmt.Errorf("ERR_APP_NOT_EXIST: %w", apply.ErrRefused)
		}
		if f.w.clusters[strings.TrimPrefix(a.Remote, "cluster-")] == nil {
			return fmt.Errorf("ERR_INVALID_PARAMETERS: failed to find cluster[%s]: %w", a.Remote, apply.ErrRefused)
		}
		if !f.w.addsNothing {
			id, did = f.w.startDuplication(t, a), true
		}
		return nil
	})
	if err != nil && did {
		return 0, fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	if added := f.w.addError; err == nil && added != nil {
		f.w.addError = nil
		return id, added
	}
	return id, err
}

func (f fakeDuplications) HoldDuplication(ctx context.Context, ref plan.TableRef, id int32, hold bool) error {
	return f.w.around(ctx, call{name: "HoldDuplication", table: ref, detail: fmt.Sprint(" ", id, " ", hold), changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return fmt.Errorf("ERR_APP_NOT_EXIST: %w", apply.ErrRefused)
		}
		from, to := "DS_LOG", "DS_PAUSE"
		if !hold {
			from, to = to, from
		}
		for _, d := range t.dups {
			if d.id == id && !d.removed {
				if d.status != from && d.status != to {
					return fmt.Errorf("ERR_INVALID_PARAMETERS: %w", apply.ErrRefused)
				}
				if d.status = to; hold {
					d.holds = time.Now().Add(dupSync)
				}
				return nil
			}
		}
		return fmt.Errorf("ERR_OBJECT_NOT_FOUND: %w", apply.ErrRefused)
	})
}

func (f fakeDuplications) RemoveDuplication(ctx context.Context, ref plan.TableRef, id int32) error {
	return f.w.around(ctx, call{name: "RemoveDuplication", table: ref, detail: fmt.Sprint(" ", id), changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		for _, d := range t.dups {
			d.removed = d.removed || d.id == id
		}
		return nil
	})
}

func (f fakeDuplications) Lag(ctx context.Context, ref plan.TableRef, id int32) (out []apply.Lag, err error) {
	err = f.w.around(ctx, call{name: "Lag", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		status, ships := "", false
		for _, d := range t.dups {
			if d.id == id {
				status, ships = d.status, d.shipping(time.Now())
			}
		}
		for i, p := range t.parts {
			l := apply.Lag{Partition: int32(i), Primary: fmt.Sprintf("node%d", p.primary), Ballot: p.ballot,
				Prepared: p.prepared, Committed: p.committed(time.Now()), Shipped: -1, Confirmed: -1}
			switch s := p.ships[id]; {
			case s == nil:
				l.Problem = "no duplication assigned"
			case !ships:
				l.Held, l.Problem = true, "the duplication is in "+status
			case time.Now().Before(s.from) || p.silent:
				l.Problem = l.Primary + " does not report the partition"
			default:
				l.Shipped, l.Confirmed = s.shipped, s.confirmed
			}
			out = append(out, l)
		}
		return nil
	})
	return out, err
}

func (f fakeDuplications) GroupCheck(ctx context.Context, cluster string) (time.Duration, error) {
	err := f.w.around(ctx, call{name: "GroupCheck", table: plan.TableRef{Cluster: cluster}}, func() error { return nil })
	if f.w.shipsLast {
		return 0, err
	}
	return f.w.groupCheck, err
}

func (f fakeDuplications) Rejected(ctx context.Context, ref plan.TableRef) (n float64, err error) {
	err = f.w.around(ctx, call{name: "Rejected", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err == nil {
			n = t.rejected
		}
		return err
	})
	return n, err
}

func (f fakeDuplications) Lost(ctx context.Context, ref plan.TableRef) (n apply.Loss, err error) {
	err = f.w.around(ctx, call{name: "Lost", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err == nil {
			n = apply.Loss{Mutations: t.lost, Kept: f.w.shipsLast}
		}
		return err
	})
	return n, err
}

type fakeLevels struct{ w *fakeWorld }

func (f fakeLevels) MetaLevel(ctx context.Context, cluster string) (level string, err error) {
	err = f.w.around(ctx, call{name: "MetaLevel", table: plan.TableRef{Cluster: cluster}}, func() error {
		level = f.w.clusters[cluster].level
		return nil
	})
	return level, err
}

func (f fakeLevels) SetMetaLevel(ctx context.Context, cluster, level string) error {
	return f.w.around(ctx, call{name: "SetMetaLevel", table: plan.TableRef{Cluster: cluster}, detail: " " + level, changes: true}, func() error {
		f.w.clusters[cluster].level = level
		return nil
	})
}
