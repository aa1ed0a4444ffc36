package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// dropSourceRunner drops the source after the cut-over: only the table that the plan was made for, and
// only when nobody uses it.
type dropSourceRunner struct {
	base
	a plan.DropTable
}

func (d *dropSourceRunner) done(ctx context.Context) (bool, string, error) {
	s, err := d.table(ctx, d.a.Table)
	switch {
	case errors.Is(err, ErrNoTable):
		return true, d.a.Table.String() + " does not exist", nil
	case err != nil:
		return false, "", err
	case s.ID != d.r.Plan.Source.ID:
		return true, fmt.Sprintf("%s has id %d, the source had %d: it is gone", d.a.Table, s.ID, d.r.Plan.Source.ID), nil
	}
	return false, fmt.Sprintf("%s (id %d) exists", d.a.Table, s.ID), nil
}

func (d *dropSourceRunner) run(ctx context.Context) error {
	if d.r.Plan.Source.ID == 0 || d.a.Table != d.r.Plan.Source.TableRef {
		return &StepError{Step: d.id, Code: CodeState2, Text: "the plan does not know the id of the source table", Hint: "drop it by hand"}
	}
	if list, err := d.duplications(ctx, d.a.Table); err != nil {
		return err
	} else if len(list) > 0 {
		return &StepError{Step: d.id, Code: CodeDuplication, Text: fmt.Sprintf("%s is being duplicated to %s", d.a.Table, list[0].Remote),
			Hint: "somebody ships rows from it: end that first, then run the same command again"}
	}
	if err := d.awaitUnused(ctx); err != nil {
		return err
	}
	return d.drop(ctx, d.a, d.r.Plan.Source.ID)
}

// awaitUnused gives the counters of a table that answers reads time to forget our own: it was looked at, and compared
// when clients wrote both tables. Behind a cut-over reads are denied.
func (d *dropSourceRunner) awaitUnused(ctx context.Context) error {
	begun := d.r.Now()
	for {
		err := d.unused(ctx)
		var busy *StepError
		elapsed := d.r.Now().Sub(begun)
		if err == nil || !d.r.writtenTwice() || !errors.As(err, &busy) || busy.Code != CodeTraffic || elapsed >= d.r.Waits.Transient {
			return err
		}
		d.r.Sink.Emit(event.Waiting{Step: d.id, Elapsed: elapsed, Limit: d.r.Waits.Transient, Reason: busy.Text + "; our own reads of a moment ago count as well"})
		if !pause(ctx, d.r.trafficEvery()) {
			return context.Cause(ctx)
		}
	}
}

// unused looks at the counters: whoever still uses the table loses it.
func (d *dropSourceRunner) unused(ctx context.Context) error {
	if d.r.World.Traffic == nil {
		return &StepError{Step: d.id, Code: CodeTraffic, Text: "the traffic of " + d.a.Table.String() + " cannot be read, so it is not dropped",
			Hint: "drop it by hand when nobody uses it"}
	}
	for n := range baselineSamples {
		if n > 0 && !pause(ctx, d.r.trafficEvery()) {
			return context.Cause(ctx)
		}
		var s TrafficSample
		if err := d.insist(ctx, "read the traffic of "+d.a.Table.String(), func(ctx context.Context) error {
			ctx, cancel := d.call(ctx)
			defer cancel()
			var err error
			s, err = d.r.World.Traffic.Traffic(ctx, d.a.Table)
			return err
		}); err != nil {
			return err
		}
		if s.ReadQPS+s.WriteQPS >= quietQPS {
			return &StepError{Step: d.id, Code: CodeTraffic,
				Text: fmt.Sprintf("%s is in use: %.1f reads and %.1f writes per second", d.a.Table, s.ReadQPS, s.WriteQPS),
				Hint: "find these clients; the table is dropped by the same command when nobody uses it for " + (baselineSamples * d.r.trafficEvery()).String()}
		}
	}
	return nil
}
