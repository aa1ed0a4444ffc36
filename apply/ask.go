package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// insist repeats a request whose failure may pass: a meta that hands its leadership over is silent
// for longer than one request may take. What try does must be safe to repeat. It gives up after
// Waits.Transient, at an answer that no repetition changes, and when ctx ends; nothing is tried
// under a context that is over.
func (b base) insist(ctx context.Context, what string, try func(context.Context) error) error {
	begun := b.r.Now()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := try(ctx)
		if err == nil || settled(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w (%w)", what, context.Cause(ctx), err)
		}
		elapsed, limit := b.r.Now().Sub(begun), b.r.Waits.Transient
		if elapsed >= limit {
			return fmt.Errorf("%s: %w", what, err)
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Reason: what + ": " + err.Error(), Elapsed: elapsed, Limit: limit})
		if !pause(ctx, b.r.Waits.Poll) {
			return fmt.Errorf("%s: %w (%w)", what, context.Cause(ctx), err)
		}
	}
}

// settled says that an error is an answer: asking again would give the same.
func settled(err error) bool {
	var step *StepError
	return errors.Is(err, ErrNoTable) || errors.Is(err, ErrRefused) || errors.Is(err, errOverBudget) ||
		errors.As(err, &step) || isWriteError(err)
}

// pause waits for d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// call bounds one request to a cluster.
func (b base) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.r.Waits.Call)
}

// table reads a table's present state.
func (b base) table(ctx context.Context, t plan.TableRef) (s TableState, err error) {
	err = b.insist(ctx, "look at "+t.String(), func(ctx context.Context) error {
		var err error
		s, err = b.tableOnce(ctx, t)
		return err
	})
	return s, err
}

// tableOnce is table for waits, which look again anyway.
func (b base) tableOnce(ctx context.Context, t plan.TableRef) (TableState, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.r.World.Tables.Table(ctx, t)
}

// setEnvs sets envs; doing it twice does no harm.
func (b base) setEnvs(ctx context.Context, t plan.TableRef, envs map[string]string) error {
	return b.insist(ctx, fmt.Sprintf("set %v of %s", sorted(envs), t), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		return b.r.World.Tables.SetEnvs(ctx, t, envs)
	})
}

// deleteEnvs takes envs off a table; those that are not there are no mistake.
func (b base) deleteEnvs(ctx context.Context, t plan.TableRef, keys []string) error {
	return b.insist(ctx, fmt.Sprintf("take %v off %s", keys, t), func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		return b.r.World.Tables.DeleteEnvs(ctx, t, keys)
	})
}

// syncInterval is the longest time that envs take to reach every primary of a cluster. Servers do
// not change it while they run, so one answer serves the whole run.
func (b base) syncInterval(ctx context.Context, cluster string) (time.Duration, error) {
	if sync, ok := b.r.sync[cluster]; ok {
		return sync, nil
	}
	err := b.insist(ctx, "read the config sync interval of "+cluster, func(ctx context.Context) error {
		ctx, cancel := b.call(ctx)
		defer cancel()
		sync, err := b.r.World.Fences.SyncInterval(ctx, cluster)
		if err == nil {
			b.r.sync[cluster] = sync
		}
		return err
	})
	return b.r.sync[cluster], err
}

// syncLimit is how long an env may take to reach every primary: two config syncs and a margin.
func (b base) syncLimit(ctx context.Context, cluster string) (time.Duration, error) {
	sync, err := b.syncInterval(ctx, cluster)
	return 2*sync + b.r.Waits.FenceMargin, err
}

// probe sends one round of probes. A round that could not be sent proves nothing.
func (b base) probe(ctx context.Context, t plan.TableRef, partitions []int32) ([]Probe, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	probes, err := b.r.World.Fences.Probe(ctx, t, partitions)
	b.r.accepted.note(t, probes)
	return probes, err
}
