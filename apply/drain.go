package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// drainLimit bounds a drain whose fence has no budget; with one the budget ends it.
const drainLimit = 30 * time.Minute

// drainRunner proves partition by partition that the frozen decree is shipped.
type drainRunner struct {
	base
	a plan.Drain
	// shipped is the proof per partition, of the last look that found everything there.
	proof []PartitionCertificate
	begun time.Time
}

func (d *drainRunner) done(ctx context.Context) (bool, string, error) {
	if d.r.freezer == nil {
		return false, "no decrees are frozen", nil
	}
	open, err := d.look(ctx)
	if err != nil || open != "" {
		return false, open, err
	}
	return true, fmt.Sprintf("the frozen decrees of %d partitions are shipped", len(d.proof)), nil
}

// holds: what was drained before a crash says nothing of what a fence let in since.
func (d *drainRunner) holds(context.Context) (bool, error) { return d.r.freezer != nil, nil }

func (d *drainRunner) run(ctx context.Context) error {
	return d.await(ctx, drainLimit, CodeDrain, "look at the duplication of "+d.a.Source.String()+" and at the target's servers",
		func(ctx context.Context) (bool, string, error) {
			open, err := d.look(ctx)
			if err != nil {
				reason, err := tolerate(ctx, err)
				return false, reason, err
			}
			return open == "", open, nil
		})
}

// look says what is not proven to be shipped, "" for nothing. Every partition is proven by one answer
// of the primary under whose ballot its decree was frozen, and after all of them are there each has to
// reject one more write: a fence that leaked meanwhile starts its partition again.
func (d *drainRunner) look(ctx context.Context) (open string, err error) {
	if d.begun.IsZero() {
		d.begun = d.r.Now()
	}
	if err := d.refuseLoss(ctx, d.a.Source); err != nil {
		return "", err
	}
	if open, err = d.refreeze(ctx); err != nil || open != "" {
		return open, err
	}
	lags, err := d.lags(ctx)
	if err != nil {
		return "", err
	}
	open, proof, progress := d.judge(lags)
	d.r.Sink.Emit(progress)
	if open != "" {
		return open, nil
	}
	d.r.loss.look(ctx, d.base, d.a.Source, true)
	if err := d.noLoss(d.a.Source); err != nil {
		return "", err
	}
	leaked, err := d.provenAgain(ctx)
	if err != nil {
		return "", err
	}
	if len(leaked) > 0 {
		return fmt.Sprintf("the fence of %d partitions (first: %d) may have leaked; their decrees are frozen again", len(leaked), leaked[0]), nil
	}
	d.proof = proof
	if d.r.handedOver() {
		return "", nil
	}
	return "", d.r.certify(func(c *Certificate) {
		if c.Partitions = proof; c.Drained.IsZero() { // the switch looks once more
			c.Drained = d.r.Now()
		}
	})
}

// refreeze freezes again what a leak or a moved primary made worthless.
func (d *drainRunner) refreeze(ctx context.Context) (open string, err error) {
	if d.r.watch != nil {
		for _, p := range d.r.watch.leaked() {
			d.r.freezerOf(d.base, d.a.Source).drop(p)
		}
	}
	return (&freezeRunner{d.base, plan.Quiesce{Table: d.a.Source}}).look(ctx)
}

func (d *drainRunner) lags(ctx context.Context) ([]Lag, error) {
	id, err := d.r.duplicationID()
	if err != nil {
		return nil, err
	}
	call, cancel := d.call(ctx)
	defer cancel()
	lags, err := d.r.World.Duplications.Lag(call, d.a.Source, id)
	return believable(lags), err
}

// judge compares what is shipped with what is frozen.
func (d *drainRunner) judge(lags []Lag) (open string, proof []PartitionCertificate, progress event.LagProgress) {
	f := d.r.freezer
	progress = event.LagProgress{Step: d.id, Partitions: len(f.done), Elapsed: d.r.Now().Sub(d.begun)}
	first := func(format string, args ...any) {
		if open == "" {
			open = fmt.Sprintf(format, args...)
		}
	}
	seen := map[int32]bool{}
	for _, l := range lags {
		z, known := f.done[l.Partition]
		if !known {
			first("partition %d is not frozen", l.Partition)
			continue
		}
		seen[l.Partition] = true
		switch {
		case l.Ballot != z.Ballot || l.Primary != z.Primary:
			f.drop(l.Partition)
			progress.Behind++
			first("partition %d: its primary moved, its decree is frozen again", l.Partition)
		case l.Shipped < 0:
			progress.Unknown++
			first("partition %d: %s does not say what is shipped: %s", l.Partition, l.Primary, l.Problem)
		case l.Shipped < z.Decree:
			progress.Behind++
			progress.Worst = max(progress.Worst, z.Decree-l.Shipped)
			progress.Total += z.Decree - l.Shipped
			first("partition %d: decree %d of %d is shipped", l.Partition, l.Shipped, z.Decree)
		default:
			proof = append(proof, PartitionCertificate{Partition: l.Partition, Primary: l.Primary, Ballot: l.Ballot,
				Fenced: z.Fenced, FrozenDecree: z.Decree, FrozenAt: z.At, ShippedDecree: l.Shipped, ShippedAt: d.r.Now()})
		}
	}
	if n := len(f.done) - len(seen); n > 0 {
		progress.Unknown += n
		first("%d partitions are not reported at all", n)
	}
	return open, proof, progress
}

// provenAgain has every partition reject one more write and forgets those that did not all the time.
func (d *drainRunner) provenAgain(ctx context.Context) (leaked []int32, err error) {
	if err := d.r.startWatch(d.a.Source); err != nil {
		return nil, err
	}
	if leaked, err = d.r.watch.settle(ctx); err != nil {
		return nil, err
	}
	for _, p := range leaked {
		d.r.freezer.drop(p)
	}
	return leaked, nil
}
