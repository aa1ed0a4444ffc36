package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// pauseLoad holds a load whose run was interrupted. It can be held only while it downloads; later the
// servers go on by themselves, and the next apply finds what came of it.
func (l *loadRunner) pauseLoad(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*l.r.Waits.Call)
	defer cancel()
	m, err := l.r.loadMemory(l.id)
	if err != nil || !m.ours() {
		return
	}
	s, err := l.loadStatusOnce(ctx, l.a.Target)
	if err != nil || !s.Loading {
		return
	}
	if s.Status == blsDownloading {
		if err = l.controlLoad(ctx, l.a.Target, PauseLoad); err == nil {
			l.warn(CodeLoad, "the bulk load is paused", "`"+l.r.Resume+"` goes on with it, `"+l.r.rollbackCommand()+"` cancels it")
			return
		}
	}
	l.warn(CodeLoad, fmt.Sprintf("the bulk load cannot be paused (%s)%s: the servers go on with it by themselves", s.Status, because(err)),
		"`"+l.r.Resume+"` finds what came of it, `"+l.r.rollbackCommand()+"` cancels it")
}

// cancelLoad ends a load in a rollback, and gives the meta function level back.
func (b base) cancelLoad(ctx context.Context, a plan.CancelBulkLoad) (string, error) {
	text, err := b.endLoad(ctx, a.Target)
	if err != nil {
		return "", err
	}
	ok, level, err := b.levelIsBack(ctx, a.Target.Cluster, b.id)
	if err != nil || ok {
		return text + "; " + level, err
	}
	if err := b.levelBack(ctx, a.Target.Cluster, b.id); err != nil {
		return "", err
	}
	_, level, err = b.levelIsBack(ctx, a.Target.Cluster, b.id)
	return text + "; " + level, err
}

// endLoad ends this run's load, if there is one.
func (b base) endLoad(ctx context.Context, t plan.TableRef) (string, error) {
	m, err := b.r.loadMemory(b.id)
	if err != nil {
		return "", err
	}
	s, err := b.lateLoad(ctx, t, m)
	switch {
	case errors.Is(err, ErrNoTable):
		return t.String() + " does not exist", nil
	case err != nil:
		return "", err
	case s.Loading && !m.ours():
		b.warn(CodeLoad, fmt.Sprintf("%s is being bulk loaded (%s), and not by this run: it is left alone", t, s.Status), "")
		return "the load that is under way is not of this run", nil
	case !s.Loading && (s.Status == blsInvalid || !m.ours() && m.Loaded.IsZero()):
		return "nothing is being loaded", nil
	}
	forced := false
	if s.Loading {
		if forced, err = b.cancelUntilOver(ctx, t); err != nil {
			return "", err
		}
	}
	if err := b.clearLoad(ctx, t); err != nil && !errors.Is(err, ErrNoTable) {
		return "", err
	}
	text := "the load is over and its result is cleared"
	if forced {
		text = "the load was cancelled by force while files were ingested"
		b.warn(CodeLoad, fmt.Sprintf("partitions of %s that had taken their files in keep those rows, others have none of them", t),
			"the table holds half a load: it must not be used unless it is loaded again")
	}
	return text, nil
}

// lateLoad looks for the load, a while longer when the answer to its start was lost.
func (b base) lateLoad(ctx context.Context, t plan.TableRef, m loadMemory) (s LoadStatus, err error) {
	begun := b.r.Now()
	for {
		if s, err = b.loadStatus(ctx, t); err != nil || s.Loading || s.Status != blsInvalid || !m.Sent || !m.Started.IsZero() {
			return s, err
		}
		elapsed := b.r.Now().Sub(begun)
		if elapsed >= b.r.Waits.Call {
			return s, nil
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Elapsed: elapsed, Limit: b.r.Waits.Call,
			Reason: "the answer to the start of the load was lost; it may still turn up"})
		if !pause(ctx, b.r.Waits.Poll) {
			return s, context.Cause(ctx)
		}
	}
}

// forceAfter is how long a load that refuses to be cancelled is asked again: it may be about to pause,
// or to begin with the ingestion.
const forceAfter = 30 * time.Second

// cancelUntilOver cancels a load and waits until the servers have cleaned up. While files are ingested
// they refuse to cancel, unless by force.
func (b base) cancelUntilOver(ctx context.Context, t plan.TableRef) (forced bool, err error) {
	begun := b.r.Now()
	err = b.await(ctx, loadCleanup, CodeLoad, "in the shell of cluster "+t.Cluster+": cancel_bulk_load -a "+t.Table+" -f",
		func(ctx context.Context) (bool, string, error) {
			s, err := b.loadStatusOnce(ctx, t)
			switch {
			case errors.Is(err, ErrNoTable):
				return true, "", nil
			case err != nil:
				reason, err := tolerate(ctx, err)
				return false, reason, err
			case !s.Loading:
				return true, "", nil
			}
			control := CancelLoad
			switch s.Status {
			case blsSucceed, blsFailed, blsCanceled:
				return false, fmt.Sprintf("the load is over (%s), servers clean up: %s", s.Status, cleaned(s)), nil
			case blsDownloading, blsPaused:
			default:
				if s.Status != blsIngesting && b.r.Now().Sub(begun) < forceAfter {
					return false, "the load cannot be cancelled right now (" + s.Status + ")", nil
				}
				control = ForceCancelLoad
			}
			err = b.controlLoad(ctx, t, control)
			forced = forced || control == ForceCancelLoad && !errors.Is(err, ErrRefused)
			return false, fmt.Sprintf("the load (%s) is being cancelled%s", s.Status, because(err)), nil
		})
	return forced, err
}
