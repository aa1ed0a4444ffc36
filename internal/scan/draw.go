package scan

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Draw waits until the limiter gives n tokens, more than its burst if need be. Unlike WaitN it
// does not fail ahead of ctx's deadline. The error is ctx's cause.
func Draw(ctx context.Context, limiter *rate.Limiter, n int64) error {
	for n > 0 {
		part := min(n, int64(limiter.Burst()))
		r := limiter.ReserveN(time.Now(), int(part))
		if err := Sleep(ctx, r.Delay()); err != nil {
			r.Cancel()
			return err
		}
		n -= part
	}
	return nil
}

// Sleep waits for d or for the end of ctx, whose cause is the error.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
