package differ

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Repairer makes rows of the target what they should be. Its calls come one at a time.
type Repairer interface {
	// Copy begins to put a row; its bytes are valid during the call.
	Copy(ctx context.Context, row scan.Row) error
	// Delete begins to delete the row of a raw key, which is valid during the call.
	Delete(ctx context.Context, key []byte) error
	// Flush waits until everything that was begun is acknowledged, and says what failed.
	Flush(ctx context.Context) error
}

// ReconcileOptions tune Reconcile. The zero value of every field is usable.
type ReconcileOptions struct {
	// Options apply as in Run with MethodDigest. OnDifference is told of what is about to be repaired too.
	Options
	// Rounds is how often differences are repaired and the rows compared again (default 3). One is enough when
	// nobody writes.
	Rounds int
	// Drift repairs rows that count as Stamped or Drifted too: the target gets the expiry that the source has.
	Drift bool
}

// ReconcileResult is the outcome of Reconcile.
type ReconcileResult struct {
	// Result says how things are after the repairs. Its differences are those that the last comparison still found.
	Result
	// Found is what the first comparison found.
	Found Counts
	// Copied and Deleted are the repairs, rows that were repaired twice counted twice.
	Copied, Deleted uint64
}

// RepairError ends Reconcile because a row could not be repaired.
type RepairError struct{ Err error }

// Error says what failed.
func (e *RepairError) Error() string { return "repair rows of the target: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *RepairError) Unwrap() error { return e.Err }
