package apply

import (
	"context"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// sight is one look at something that takes as long as it takes.
type sight struct {
	over bool
	// mark says how far it is: as long as it changes, the wait goes on.
	mark string
	// limit is how long the mark may stay as it is.
	limit time.Duration
	// reason is what is waited for, causes what keeps it from happening as far as that is known.
	reason, causes string
}

// awaitProgress looks at the clusters until look says that it is over. It has no end of its own, but
// gives up when nothing moves for the limit that belongs to what was seen last. An error of look ends
// it at once.
func (b base) awaitProgress(ctx context.Context, every time.Duration, code string,
	look func(context.Context) (sight, error)) error {
	mark, moved := "", b.r.Now()
	for {
		s, err := look(ctx)
		if err != nil {
			return err
		}
		if s.over {
			return nil
		}
		now := b.r.Now()
		if s.mark != mark {
			mark, moved = s.mark, now
		}
		still := now.Sub(moved)
		if still >= s.limit {
			return &StepError{Step: b.id, Code: code, Text: fmt.Sprintf("no progress for %s: %s", plan.Duration(still), s.reason),
				Hint: s.causes + "; the same command goes on here"}
		}
		b.r.Sink.Emit(event.Waiting{Step: b.id, Reason: s.reason, Elapsed: still, Limit: s.limit})
		if !pause(ctx, every) {
			return fmt.Errorf("%s: %w", s.reason, context.Cause(ctx))
		}
	}
}
