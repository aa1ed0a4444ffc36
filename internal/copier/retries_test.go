package copier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Metrics show these names; a code keeps its own, and what no server said has one too.
func TestRetriesAreCountedByWhatWasAnswered(t *testing.T) {
	var again retries
	if again.counts() != nil {
		t.Error("there were none")
	}
	var wait sync.WaitGroup
	for range 10 {
		wait.Go(func() {
			again.add(Retry{Err: fmt.Errorf("put: %w", idl.ErrBusy)})
			again.add(Retry{Err: fmt.Errorf("scan: %w", context.DeadlineExceeded)})
			again.add(Retry{Err: errors.New("connection reset")})
		})
	}
	wait.Wait()
	got := again.counts()
	if want := map[string]uint64{"ERR_BUSY": 10, "no_reply": 10, "connection": 10}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	got["ERR_BUSY"] = 0
	if again.counts()["ERR_BUSY"] != 10 {
		t.Error("what was told is not a copy")
	}
}
