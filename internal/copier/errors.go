package copier

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// ReadError ends a copy because a partition of the source could not be read on.
type ReadError struct {
	Partition int32
	// After is the raw key of the last row that was read, empty for none.
	After []byte
	Err   error
}

// Error names the partition and the place in it.
func (e *ReadError) Error() string {
	if len(e.After) == 0 {
		return fmt.Sprintf("read source partition %d: %v", e.Partition, e.Err)
	}
	h, s := scan.PrintableKey(e.After)
	return fmt.Sprintf("read source partition %d after hash key %s sort key %s: %v", e.Partition, h, s, e.Err)
}

// Unwrap gives the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// WriteError ends a copy because a row could not be written. Nothing of it is lost: the cursor of
// its partition stays in front of it.
type WriteError struct {
	// Partition is the source partition that the row was read from.
	Partition int32
	// Key is the raw key, of the first row when Rows is above 1.
	Key []byte
	// Rows is how many rows the request had.
	Rows int
	// Size is the number of bytes of their keys and values.
	Size int
	Err  error
}

// Error names partition, key and size.
func (e *WriteError) Error() string {
	h, s := scan.PrintableKey(e.Key)
	what := "row"
	if e.Rows > 1 {
		what = fmt.Sprintf("%d rows from", e.Rows)
	}
	return fmt.Sprintf("write %s hash key %s sort key %s (%d bytes) of source partition %d: %v", what, h, s, e.Size, e.Partition, e.Err)
}

// Unwrap gives the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// TooLargeError is the cause of a WriteError of a row that no server with this limit accepts. It
// is found before the row is sent.
type TooLargeError struct {
	// Body is the size of the request, Limit the largest that is accepted, in bytes.
	Body, Limit int
}

// Error gives both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a request of %d bytes is above the servers' limit of %d (max_allowed_write_size)", e.Body, e.Limit)
}

// RefusedError is the cause of a WriteError of a row that was not to overwrite, on a target whose servers
// take no writes with a condition (OverwriteNever).
type RefusedError struct{ Err error }

// Error says what works there.
func (e *RefusedError) Error() string {
	return e.Err.Error() + `; overwrite = "never_unatomic" reads first and then writes`
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// SaveError ends a copy because cursors could not be made durable.
type SaveError struct{ Err error }

// Error says what failed.
func (e *SaveError) Error() string { return fmt.Sprintf("save the cursors of the copy: %v", e.Err) }

// Unwrap gives the cause.
func (e *SaveError) Unwrap() error { return e.Err }
