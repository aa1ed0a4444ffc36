package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// CodeLoad is the code of a bulk load that did not begin, failed, or is stuck.
const CodeLoad = "PM3057"

// kindLoad is loadMemory.
const kindLoad = "bulk-load"

// States of a bulk load (bulk_load.thrift, bulk_load_status).
const (
	blsInvalid     = "BLS_INVALID"
	blsDownloading = "BLS_DOWNLOADING"
	blsDownloaded  = "BLS_DOWNLOADED"
	blsIngesting   = "BLS_INGESTING"
	blsSucceed     = "BLS_SUCCEED"
	blsFailed      = "BLS_FAILED"
	blsPausing     = "BLS_PAUSING"
	blsPaused      = "BLS_PAUSED"
	blsCanceled    = "BLS_CANCELED"
)

// States of an ingestion (bulk_load.thrift, ingestion_status).
const (
	isSucceed = "IS_SUCCEED"
	isFailed  = "IS_FAILED"
)

// loadMemory is what a bulk load remembers beside what the servers tell.
type loadMemory struct {
	// Sent is set before a start leaves and taken back when its answer says that it did nothing: only then,
	// or once it is known to have Started, a load of the table may be ours.
	Sent    bool      `json:"sent,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Tried is set before the first start leaves: from then on the meta level may be a load's own.
	Tried bool `json:"tried,omitempty"`
	// Loaded is when the servers told of the success, all cleaned up. Their result is cleared after it.
	Loaded time.Time `json:"loaded,omitzero"`
	// From and Until are when partitions were seen ingesting first, and not any more.
	From  map[int32]time.Time `json:"from,omitempty"`
	Until map[int32]time.Time `json:"until,omitempty"`
	// Behind are the partitions that have rows of a load with ingest_behind that ended badly.
	Behind []int32 `json:"behind,omitempty"`
}

func (m loadMemory) ours() bool { return m.Sent || !m.Started.IsZero() }

func (r *Run) loadMemory(step string) (loadMemory, error) {
	m, _, err := unblob[loadMemory](r.record(step).Proof, kindLoad)
	return m, err
}

// rememberLoad changes what is remembered of a load, durably; a change that changes nothing is not written.
func (b base) rememberLoad(change func(*loadMemory)) error {
	m, err := b.r.loadMemory(b.id)
	if err != nil {
		return err
	}
	m.From, m.Until, m.Behind = maps.Clone(m.From), maps.Clone(m.Until), slices.Clone(m.Behind)
	change(&m)
	proof, err := blob(kindLoad, m)
	if err != nil {
		return err
	}
	if now := b.r.record(b.id).Proof; now != nil && now.Kind == kindLoad && string(now.Data) == string(proof.Data) {
		return nil
	}
	return b.r.update(b.id, func(s *state.Step) { s.Proof = proof })
}

// loadRunner loads the staged files.
type loadRunner struct {
	base
	a plan.BulkLoad
	// seen are errors of replicas that were told while the load was under way: afterwards they may be gone.
	seen []string
	// unmoved is since when nothing moved, causes what may keep it from moving, as of asked.
	unmoved time.Time
	mark    string
	causes  string
	asked   time.Time
	warned  bool
}

// prior is the meta function level before the first start.
func (l *loadRunner) prior(ctx context.Context) (*state.Blob, error) {
	level, err := l.level(ctx, l.a.Target.Cluster)
	if err != nil {
		return nil, err
	}
	return blob(kindLevel, level)
}

func (l *loadRunner) done(ctx context.Context) (bool, string, error) {
	m, err := l.r.loadMemory(l.id)
	if err != nil {
		return false, "", err
	}
	if m.Loaded.IsZero() {
		return false, "the files are not loaded yet", nil
	}
	s, err := l.loadStatusOnce(ctx, l.a.Target)
	switch {
	case err != nil:
		return false, "", err
	case s.Loading:
		return false, "", l.foreign(s)
	case s.Status == blsSucceed:
		return false, "the servers still keep the load's result", nil
	}
	return true, l.told(m), nil
}

// told is what a finished load says of itself.
func (l *loadRunner) told(m loadMemory) string {
	text := fmt.Sprintf("loaded into %s of %s", plan.Counted(uint64(l.a.Partitions), "partition"), l.a.Target)
	if !m.Started.IsZero() {
		text += " in " + plan.Duration(m.Loaded.Sub(m.Started))
	}
	if window := rejectWindow(m); window != "" {
		text += "; " + window
		if l.a.Reject > 0 {
			text += ", predicted were " + plan.Duration(l.a.Reject)
		}
	}
	return text
}

func (l *loadRunner) run(ctx context.Context) error {
	m, err := l.r.loadMemory(l.id)
	if err != nil {
		return err
	}
	if !m.Loaded.IsZero() {
		return l.clear(ctx)
	}
	err = l.load(ctx)
	if err != nil && ctx.Err() != nil {
		l.pauseLoad(ctx)
	}
	return err
}

// load brings a load to its end: one that an earlier run began, or a new one.
func (l *loadRunner) load(ctx context.Context) error {
	under, err := l.resume(ctx)
	if err != nil {
		return err
	}
	if !under {
		if err := l.begin(ctx); err != nil {
			return err
		}
	}
	if err := l.follow(ctx); err != nil {
		return err
	}
	if err := l.rememberLoad(func(m *loadMemory) { m.Sent, m.Loaded = false, l.r.Now() }); err != nil {
		return err
	}
	return l.clear(ctx)
}

// resume goes on with a load that is under way, or over with success; false when a new one has to begin.
func (l *loadRunner) resume(ctx context.Context) (under bool, err error) {
	m, err := l.r.loadMemory(l.id)
	if err != nil {
		return false, err
	}
	if _, err := l.target(ctx, l.a.Target); err != nil {
		return false, err
	}
	s, err := l.loadStatus(ctx, l.a.Target)
	switch {
	case err != nil:
		return false, err
	case s.Loading && !m.ours():
		return false, l.foreign(s)
	case !m.ours() || s.Status == blsInvalid && !s.Loading:
		return false, nil
	case s.Status == blsFailed || s.Status == blsCanceled:
		if err := l.awaitCleanup(ctx); err != nil {
			return false, err
		}
		return false, l.remember(s)
	case s.Status == blsPausing || s.Status == blsPaused:
		err = l.restart(ctx)
	}
	if err != nil {
		return false, err
	}
	return true, l.rememberLoad(func(m *loadMemory) {
		if m.Started.IsZero() {
			m.Started = l.r.Now()
		}
	})
}

// remember takes down what a load that ended badly left, and that the next one has to be a new one.
func (l *loadRunner) remember(s LoadStatus) error {
	return l.rememberLoad(func(m *loadMemory) {
		if l.a.IngestBehind {
			for _, p := range s.Partitions {
				if _, went := m.From[p.Partition]; went || p.Ingested {
					m.Behind = append(m.Behind, p.Partition)
				}
			}
			slices.Sort(m.Behind)
			m.Behind = slices.Compact(m.Behind)
		}
		m.Sent, m.Started, m.From, m.Until = false, time.Time{}, nil, nil
	})
}

// foreign refuses a load that this run did not begin.
func (l *loadRunner) foreign(s LoadStatus) error {
	return &StepError{Step: l.id, Code: CodeLoad, Text: fmt.Sprintf("%s is being bulk loaded (%s), and not by this run", l.a.Target, s.Status),
		Hint: "find out who loads this table; it is not taken over and not cancelled"}
}

// restart goes on with a load that is paused, or about to be.
func (l *loadRunner) restart(ctx context.Context) error {
	return l.await(ctx, loadStall, CodeLoad, "the servers do not go on with the paused load; in the shell of cluster "+l.a.Target.Cluster+": restart_bulk_load -a "+l.a.Target.Table,
		func(ctx context.Context) (bool, string, error) {
			s, err := l.loadStatusOnce(ctx, l.a.Target)
			switch {
			case err != nil:
				reason, err := tolerate(ctx, err)
				return false, reason, err
			case s.Status == blsPausing:
				return false, "the load is being paused; it goes on after that", nil
			case s.Status != blsPaused:
				return true, "", nil
			case ctx.Err() != nil:
				return false, "", context.Cause(ctx)
			}
			err = l.controlLoad(ctx, l.a.Target, ResumeLoad)
			return false, "the load is paused and told to go on" + because(err), nil
		})
}

// clear makes the servers forget the result, so that a later look does not take it for another load's.
func (l *loadRunner) clear(ctx context.Context) error {
	return l.clearLoad(ctx, l.a.Target)
}

func (b base) clearLoad(ctx context.Context, t plan.TableRef) error {
	return b.insist(ctx, "clear the result of the bulk load of "+t.String(), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		return b.r.World.BulkLoads.ClearBulkLoad(ctx, t)
	})
}

// loadStatus asks for the load of a table.
func (b base) loadStatus(ctx context.Context, t plan.TableRef) (s LoadStatus, err error) {
	err = b.insist(ctx, "ask for the bulk load of "+t.String(), func(ctx context.Context) error {
		var err error
		s, err = b.loadStatusOnce(ctx, t)
		return err
	})
	return s, err
}

func (b base) loadStatusOnce(ctx context.Context, t plan.TableRef) (LoadStatus, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.BulkLoads.BulkLoad(ctx, t)
}

func (b base) controlLoad(ctx context.Context, t plan.TableRef, c LoadControl) error {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.BulkLoads.ControlBulkLoad(ctx, t, c)
}

// awaitCleanup waits until the servers are done with a load that is over.
func (b base) awaitLoadEnd(ctx context.Context, t plan.TableRef) error {
	return b.await(ctx, loadCleanup, CodeLoad, "replica servers remove downloaded files after a load: one that is down, or whose disk fails, keeps the load from ending",
		func(ctx context.Context) (bool, string, error) {
			s, err := b.loadStatusOnce(ctx, t)
			switch {
			case errors.Is(err, ErrNoTable):
				return true, "", nil
			case err != nil:
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return !s.Loading, fmt.Sprintf("the load is over (%s), servers clean up: %s", s.Status, cleaned(s)), nil
		})
}

func (l *loadRunner) awaitCleanup(ctx context.Context) error { return l.awaitLoadEnd(ctx, l.a.Target) }
