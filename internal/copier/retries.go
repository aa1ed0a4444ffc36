package copier

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
)

// retries counts the requests that were sent again, by what was answered: the name of an error code, or
// "no_reply" and "connection" where no server said one. Retries are rare: a lock is cheap enough. The zero
// value is ready; safe for concurrent use.
type retries struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (t *retries) add(r Retry) {
	kind := "connection"
	if code, ok := pegasus.CodeOf(r.Err); ok {
		kind = code.Error()
	} else if errors.Is(r.Err, context.DeadlineExceeded) {
		kind = "no_reply"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]uint64{}
	}
	t.n[kind]++
}

// counts is a copy, nil while there were none.
func (t *retries) counts() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}
