package actuate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/plan"
)

// CodeUnmeasured is the code of a warning: a threshold of limits.stop_if cannot be kept, because no
// server tells what it is about.
const CodeUnmeasured = "PM3065"

// SetPace makes every job of these clusters draw from one pacer, and sends warnings to told. Both may
// be nil: then each job has a pacer of its own. It must be called before the first job.
func (c *Clusters) SetPace(p *pace.Pacer, told event.Sink) { c.pacer, c.told = p, told }

// paced gives the pacer of a job that moves rows from source to target, under the job's limits, windows
// and thresholds, until stop is called. Jobs behind a fence leave windows and thresholds out of their
// limits: clients would wait for the end of a hold.
func (c *Clusters) paced(ctx context.Context, source, target plan.TableRef, limits plan.CopyLimits) (p *pace.Pacer, stop func(), err error) {
	windows := make([]pace.Window, len(limits.Window))
	for i, text := range limits.Window {
		if windows[i], err = pace.ParseWindow(text); err != nil {
			return nil, nil, fmt.Errorf("%w: limits.window: %w", apply.ErrRefused, err)
		}
	}
	declared := pace.Limits{RowsPerSecond: limits.RowsPerSecond, BytesPerSecond: limits.BytesPerSecond, InFlight: limits.InFlight}
	if p = c.pacer; p == nil {
		p = pace.New(declared, pace.Options{})
	} else {
		p.Declare(declared)
	}
	endWatch := c.watch(ctx, p, source, target, limits.StopIf)
	endWindows := p.Within(ctx, windows)
	return p, func() { endWindows(); endWatch() }, nil
}

// pacedReading is paced for a comparison. It writes next to nothing, so that what a disk of the target has free, or still
// has to compact, is no reason to hold it: a copy may well end below that mark, and must not be left unproven for ever.
func (c *Clusters) pacedReading(ctx context.Context, source, target plan.TableRef, limits plan.CopyLimits) (*pace.Pacer, func(), error) {
	limits.StopIf.DiskFree, limits.StopIf.PendingCompaction = 0, 0
	return c.paced(ctx, source, target, limits)
}

// watch looks at the health of both clusters until the returned function is called. The first look is
// over when it returns: a full disk is seen before the first row.
func (c *Clusters) watch(ctx context.Context, p *pace.Pacer, source, target plan.TableRef, stopIf plan.StopIf) (stop func()) {
	w := newWatcher(p, stopIf, c.warn)
	if len(w.rules) == 0 {
		return func() {}
	}
	sides := []*strained{newStrained(c, "source", source), newStrained(c, "target", target)}
	w.look = func(ctx context.Context) map[string]reading {
		out := map[string]reading{}
		var mu sync.Mutex
		var both sync.WaitGroup
		for _, s := range sides {
			if !w.needs(s.side) {
				continue
			}
			both.Go(func() {
				r := s.read(ctx)
				mu.Lock()
				out[s.side] = r
				mu.Unlock()
			})
		}
		both.Wait()
		return out
	}
	ctx, cancel := context.WithCancel(ctx)
	w.step(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { w.run(ctx) })
	return func() { cancel(); ended.Wait() }
}

// warn sends a warning to whoever listens.
func (c *Clusters) warn(code, text, hint string) {
	if c.told != nil {
		c.told.Emit(event.Warning{Code: code, Text: text, Hint: hint})
	}
}

// Times of the watcher.
const (
	// lookEvery is the time between two looks, lookLimit how long one may take.
	lookEvery, lookLimit = time.Second, 2 * time.Second
	// patient is how long the rate is eased before a threshold that stays exceeded stops everything.
	patient = 2500 * time.Millisecond
	// blind is how long nobody may answer before that counts as exceeded.
	blind = 8 * time.Second
	// better is how many looks in a row must be clearly below a threshold before rows move again.
	better = 3
	// easing is the factor per look.
	easing = 0.5
)

// watcher holds a job's rows to the thresholds of limits.stop_if.
type watcher struct {
	pacer *pace.Pacer
	rules []*rule
	warn  func(code, text, hint string)
	// look reads both sides; it ends with its context.
	look func(ctx context.Context) map[string]reading
}

// run looks until ctx ends, and leaves nothing held.
func (w *watcher) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.step(ctx)
		case <-ctx.Done():
			for _, r := range w.rules {
				w.pacer.Free(r.source())
			}
			return
		}
	}
}

// step is one look.
func (w *watcher) step(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	seen := w.look(limited)
	if ctx.Err() != nil {
		return
	}
	kept := w.rules[:0]
	for _, r := range w.rules {
		m := r.measure(seen[r.side])
		if m.never {
			w.pacer.Free(r.source())
			w.warn(CodeUnmeasured, fmt.Sprintf("limits.stop_if.%s cannot be kept: no server of the %s tells it", r.name, r.side),
				"watch it by other means, or take it out")
			continue
		}
		r.judge(w.pacer, m, time.Now())
		kept = append(kept, r)
	}
	w.rules = kept
}

// needs tells whether some threshold is about a side.
func (w *watcher) needs(side string) bool {
	for _, r := range w.rules {
		if r.side == side {
			return true
		}
	}
	return false
}
