package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// await looks at the clusters every poll interval until look says that it is over. The reason that
// look returns is emitted, so that nobody stares at a still screen. It gives up at the limit with
// the last reason; an error of look ends it at once.
func (b base) await(ctx context.Context, limit time.Duration, code, hint string,
	look func(context.Context) (over bool, reason string, err error)) error {
	return b.awaitEvery(ctx, b.r.Waits.Poll, limit, code, hint, look)
}

// awaitEvery is await with another interval between two looks.
func (b base) awaitEvery(ctx context.Context, every, limit time.Duration, code, hint string,
	look func(context.Context) (over bool, reason string, err error)) error {
	begun := b.r.Now()
	for {
		if b.r.windowLost() {
			return errOverBudget
		}
		over, reason, err := look(ctx)
		if err != nil {
			return err
		}
		if over {
			return nil
		}
		elapsed := b.r.Now().Sub(begun)
		if elapsed >= limit {
			return &StepError{Step: b.id, Code: code, Text: "gave up after " + plan.Duration(limit) + ": " + reason, Hint: hint}
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Reason: reason, Elapsed: elapsed, Limit: limit})
		if !pause(ctx, every) {
			return fmt.Errorf("%s: %w", reason, context.Cause(ctx))
		}
	}
}

// tolerate turns the failure of one look into a reason to look again: a meta that changes its
// leader, or a node that is away for a moment, must not end a wait that has a deadline anyway. An
// answer that will not change, and the end of the context, do end it.
func tolerate(ctx context.Context, err error) (string, error) {
	if ctx.Err() != nil {
		return "", fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if settled(err) {
		return "", err
	}
	return err.Error(), nil
}
