package blobstore

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Deadlines limit how long a store may keep a caller waiting. The zero value gives the defaults.
type Deadlines struct {
	// Call is for a whole call that moves no file content, all tries together. Default 30 s.
	Call time.Duration
	// Stall is how long a transfer may go on without a byte arriving, all tries together. Default 60 s: longer than a
	// name node needs to fail over, or a data node to be given up.
	Stall time.Duration
	// Try is for one exchange with one server, shorter than Call, so that a call survives one that hangs. Default 10 s.
	Try time.Duration
}

func (d Deadlines) withDefaults() Deadlines {
	set := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&d.Call, 30*time.Second)
	set(&d.Stall, 60*time.Second)
	set(&d.Try, 10*time.Second)
	return d
}

// stallError is what a deadline of ours ends with; it says how long was waited.
type stallError struct{ after time.Duration }

func (e stallError) Error() string        { return fmt.Sprintf("no answer within %v", e.after) }
func (e stallError) Is(target error) bool { return target == errStalled }

// await runs f and waits for it no longer than the limit and the context. A system call on a mount whose server is gone
// cannot be interrupted: f is left behind then, and late, when not nil, is called once it has ended. f must not touch
// anything that the caller goes on to use.
func await[T any](ctx context.Context, limit time.Duration, late func(T), f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	if ctx.Err() != nil {
		return none, ended(ctx)
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := f()
		done <- outcome{value, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var err error
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		err = ended(ctx)
	case <-timer.C:
		err = stallError{limit}
	}
	if late != nil {
		go func() { late((<-done).value) }()
	}
	return none, err
}

// ended says why a context is over.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// retry runs try until it succeeds, fails for good, or the limit is over; the last error counts. again says which errors
// pass by themselves.
func retry[T any](ctx context.Context, limit time.Duration, again func(error) bool, try func(context.Context) (T, error)) (T, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	bounded, cancel := context.WithTimeoutCause(ctx, limit, stallError{limit})
	defer cancel()
	var last error
	value, err := backoff.Retry(bounded, func() (T, error) {
		value, err := try(bounded)
		// The end of the time tells nothing; what happened before it does.
		if err != nil && (last == nil || bounded.Err() == nil) {
			last = err
		}
		if err != nil && !again(err) {
			return value, backoff.Permanent(err)
		}
		return value, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(limit))
	switch {
	case err == nil:
		return value, nil
	case ctx.Err() != nil:
		return value, ended(ctx)
	case last != nil:
		return value, last
	}
	return value, err
}
