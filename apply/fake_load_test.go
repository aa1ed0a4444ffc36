package apply_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/plan"
)

// loadPoll is the interval at which the meta server looks at the primaries of a table that is loaded.
const loadPoll = 10 * time.Second

// fakeLoading is the part of the world that loads files.
type fakeLoading struct {
	// dirs are staging folders by their place.
	dirs map[string]*fakeStaging
	// backup is what the backup's files hold.
	backup map[string]fakeRow
	// splitUnits is how many times a unit was written.
	splitUnits int
	// otherUntil is until when another table of the target's cluster is loaded.
	otherUntil time.Time
	// downloads is what a replica downloads between two looks of the meta server, in percent.
	downloads int32
	// fails ends the next load in a state with an error code.
	fails map[string]string
	// lateStarts are requests whose callers gave up on them.
	lateStarts []lateStart
	loadStarts int
	controls   []apply.LoadControl
	compacts   int
	// dual is what the next proof of dual writing sees.
	dual apply.DualWriteOutcome
	// unusable says that a replica server does not take envs.
	unusable bool
}

type lateStart struct {
	at time.Time
	a  plan.BulkLoad
}

// fakeStaging is a folder of prepared files.
type fakeStaging struct {
	id    int32 // in its bulk_load_info, 0 before it is complete
	units map[int32]bool
	rows  map[string]fakeRow
}

// fakeLoad is the load of one table, with three replicas per partition.
type fakeLoad struct {
	status  string
	loading bool
	behind  bool
	err     string
	rows    map[string]fakeRow
	parts   []fakeLoadPart
	looked  time.Time
	halfway bool // one partition has ingested, the others have not
}

type fakeLoadPart struct {
	status   string
	download int32
	ingest   string
	clean    bool
	err      string
}

func newLoading() fakeLoading {
	return fakeLoading{dirs: map[string]*fakeStaging{}, downloads: 40, fails: map[string]string{}}
}

// loading completes a world with what loads files.
func (w *fakeWorld) loadingWorld(out apply.World) apply.World {
	out.BulkLoads, out.Compactions, out.DualWrites = fakeLoads{w}, fakeCompactions{w}, fakeDual{w}
	out.Stores, out.Files = fakeStagings{out.Stores, w}, fakeFiles{out.Files, w}
	return out
}

// load catches up with what servers do about loads; the lock is held.
func (w *fakeWorld) load() {
	now := time.Now()
	var later []lateStart
	for _, l := range w.lateStarts {
		if now.Before(l.at) {
			later = append(later, l)
		} else {
			_ = w.startLoad(l.a) // it may be refused by now
		}
	}
	w.lateStarts = later
	for _, label := range slices.Sorted(maps.Keys(w.clusters)) {
		c := w.clusters[label]
		for _, name := range slices.Sorted(maps.Keys(c.tables)) {
			t := c.tables[name]
			if t.load == nil {
				continue
			}
			for t.load.loading && now.Sub(t.load.looked) >= loadPoll {
				t.load.looked = t.load.looked.Add(loadPoll)
				w.lookAtLoad(t, t.load)
			}
		}
	}
}

func (l *fakeLoad) all(status string) {
	l.status = status
	for i := range l.parts {
		l.parts[i].status = status
	}
}

// lookAtLoad is one look of the meta server at all partitions.
func (w *fakeWorld) lookAtLoad(t *fakeTable, l *fakeLoad) {
	if code, bad := w.fails[l.status]; bad {
		delete(w.fails, l.status)
		l.parts[1].err = code
		if l.status == "BLS_INGESTING" {
			w.ingest(t, l, 0)
			l.parts[1].ingest = "IS_FAILED"
		}
		l.err = code
		l.all("BLS_FAILED")
		return
	}
	switch l.status {
	case "BLS_DOWNLOADING":
		whole := true
		for i := range l.parts {
			p := &l.parts[i]
			p.download = min(100, p.download+w.downloads)
			whole = whole && p.download == 100
		}
		if whole {
			l.all("BLS_DOWNLOADED")
		}
	case "BLS_DOWNLOADED":
		l.all("BLS_INGESTING")
	case "BLS_PAUSING":
		l.all("BLS_PAUSED")
	case "BLS_INGESTING":
		w.ingestOn(t, l)
	case "BLS_SUCCEED", "BLS_FAILED", "BLS_CANCELED":
		clean := true
		for i := range l.parts {
			clean = clean && l.parts[i].clean
			l.parts[i].clean = true
		}
		l.loading = !clean
	}
}

// ingestOn takes the files of every other partition in, then those of the rest. A partition that lacks
// a replica, or denies writes, waits.
func (w *fakeWorld) ingestOn(t *fakeTable, l *fakeLoad) {
	open := 0
	for i := range l.parts {
		if l.parts[i].ingest == "IS_SUCCEED" {
			l.parts[i].status = "BLS_SUCCEED"
			continue
		}
		if w.now.Before(t.healthy) || t.parts[i].deniesAt(w.now) || !l.halfway && i%2 == 1 {
			open++
			continue
		}
		w.ingest(t, l, i)
		open++ // it is told with the next look
	}
	l.halfway = true
	if open == 0 {
		l.all("BLS_SUCCEED")
	}
}

func (w *fakeWorld) ingest(t *fakeTable, l *fakeLoad, part int) {
	l.parts[part].ingest = "IS_SUCCEED"
	for k, row := range l.rows {
		if t.partOf(k) != part {
			continue
		}
		if _, newer := t.rows[k]; newer && l.behind || l.behind && t.buried[k] {
			continue
		}
		t.rows[k] = row
	}
}

type fakeLoads struct{ w *fakeWorld }

func (f fakeLoads) StartBulkLoad(ctx context.Context, a plan.BulkLoad) error {
	did := false
	err := f.w.around(ctx, call{name: "StartBulkLoad", table: a.Target, changes: true}, func() error {
		err := f.w.startLoad(a)
		did = err == nil
		return err
	})
	if err != nil && did {
		return fmt.Errorf("%w: %w", apply.ErrOutcomeUnknown, err)
	}
	return err
}

// startLoad refuses what servers refuse, in their order.
func (w *fakeWorld) startLoad(a plan.BulkLoad) error {
	refuse := func(text string) error { return fmt.Errorf("%s: %w", text, apply.ErrRefused) }
	c := w.clusters[a.Target.Cluster]
	busy := w.now.Before(w.otherUntil)
	for _, t := range c.tables {
		busy = busy || t.load != nil && t.load.loading
	}
	if busy {
		return refuse("ERR_BUSY meta server is busy now, please wait")
	}
	t, err := w.find(a.Target)
	if err != nil {
		return err
	}
	if a.IngestBehind && t.envs["rocksdb.allow_ingest_behind"] != "true" {
		return refuse("ERR_INCONSISTENT_STATE inconsistent ingestion behind option")
	}
	dir := w.dirs[place(a.Staging)]
	switch {
	case dir == nil || dir.id == 0:
		return refuse("ERR_OBJECT_NOT_FOUND bulk_load_info")
	case dir.id != t.id:
		return refuse("ERR_INCONSISTENT_STATE app id")
	}
	w.loadStarts++
	c.level = "steady"
	t.load = &fakeLoad{loading: true, behind: a.IngestBehind, rows: maps.Clone(dir.rows), parts: make([]fakeLoadPart, t.partitions), looked: w.now}
	t.load.all("BLS_DOWNLOADING")
	return nil
}

func (f fakeLoads) BulkLoad(ctx context.Context, ref plan.TableRef) (s apply.LoadStatus, err error) {
	err = f.w.around(ctx, call{name: "BulkLoad", table: ref}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		s = apply.LoadStatus{Status: "BLS_INVALID"}
		if t.load == nil {
			return nil
		}
		s.Status, s.Loading = t.load.status, t.load.loading
		if s.Status == "BLS_FAILED" && !s.Loading {
			s.Err = t.load.err
		}
		for i, p := range t.load.parts {
			part := apply.LoadPartition{Partition: int32(i), Status: p.status, Download: p.download, Ingested: p.ingest == "IS_SUCCEED"}
			for n := range 3 {
				part.Replicas = append(part.Replicas, apply.LoadReplica{Addr: fmt.Sprintf("node%d", n), Download: p.download, Ingest: p.ingest,
					Error: p.err, CleanedUp: p.clean, Paused: p.status == "BLS_PAUSED"})
			}
			s.Partitions = append(s.Partitions, part)
		}
		return nil
	})
	return s, err
}

func (f fakeLoads) ControlBulkLoad(ctx context.Context, ref plan.TableRef, control apply.LoadControl) error {
	return f.w.around(ctx, call{name: "ControlBulkLoad", table: ref, detail: " " + string(control), changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		if t.load == nil || !t.load.loading {
			return fmt.Errorf("ERR_INACTIVE_STATE: %w", apply.ErrRefused)
		}
		f.w.controls = append(f.w.controls, control)
		now := t.load.status
		switch {
		case control == apply.PauseLoad && now == "BLS_DOWNLOADING":
			t.load.all("BLS_PAUSING")
		case control == apply.ResumeLoad && now == "BLS_PAUSED":
			t.load.all("BLS_DOWNLOADING")
		case control == apply.CancelLoad && (now == "BLS_DOWNLOADING" || now == "BLS_PAUSED"), control == apply.ForceCancelLoad:
			t.load.all("BLS_CANCELED")
		default:
			return fmt.Errorf("ERR_INVALID_STATE can not %s with status %s: %w", control, now, apply.ErrRefused)
		}
		return nil
	})
}

func (f fakeLoads) ClearBulkLoad(ctx context.Context, ref plan.TableRef) error {
	return f.w.around(ctx, call{name: "ClearBulkLoad", table: ref, changes: true}, func() error {
		t, err := f.w.find(ref)
		if err != nil {
			return err
		}
		if t.load != nil && t.load.loading {
			return fmt.Errorf("ERR_INVALID_STATE: %w", apply.ErrRefused)
		}
		t.load = nil
		return nil
	})
}

func (f fakeLoads) LoadsUnderway(ctx context.Context, cluster string) (list []string, err error) {
	err = f.w.around(ctx, call{name: "LoadsUnderway", table: plan.TableRef{Cluster: cluster}}, func() error {
		if f.w.now.Before(f.w.otherUntil) {
			list = append(list, "events")
		}
		for _, name := range slices.Sorted(maps.Keys(f.w.clusters[cluster].tables)) {
			if l := f.w.clusters[cluster].tables[name].load; l != nil && l.loading {
				list = append(list, name)
			}
		}
		return nil
	})
	return list, err
}

// fakeStagings are block stores, as far as staging folders go.
type fakeStagings struct {
	apply.Stores
	w *fakeWorld
}

func place(s plan.Staging) string { return strings.Join([]string{s.Root, s.Cluster, s.Table}, "/") }

func (f fakeStagings) Staged(ctx context.Context, s plan.Staging) (id int32, exists bool, err error) {
	err = f.w.around(ctx, call{name: "Staged", detail: place(s)}, func() error {
		if dir := f.w.dirs[place(s)]; dir != nil {
			id, exists = dir.id, true
		}
		return nil
	})
	return id, exists, err
}

func (f fakeStagings) RemoveStaging(ctx context.Context, s plan.Staging) error {
	return f.w.around(ctx, call{name: "RemoveStaging", detail: place(s), changes: true}, func() error {
		delete(f.w.dirs, place(s))
		return nil
	})
}

var errSplit = errors.New("the staging was not begun like this")
