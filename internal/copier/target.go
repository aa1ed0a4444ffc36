package copier

import (
	"context"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// The plain types of rows and requests.
type (
	// Row is one row: raw key, value, expiry.
	Row = pegasus.Row
	// KV is one row of a multi_put.
	KV = pegasus.KV
	// Retry says what a request met before it was tried again.
	Retry = pegasus.Retry
	// PutOptions go with every write.
	PutOptions = pegasus.PutOptions
	// Acker learns the outcome of writes.
	Acker = pegasus.Acker
)

// Source is the table that is read.
type Source = scan.Source

// Target is the table that is written. *pegasus.Table is one.
//
// Both writes overwrite, and are retried by the Target until opts.Deadline, so an error means that
// the row could not be written by then or never can. to.Acked is called exactly once with the tag,
// possibly before the method returns, from any goroutine; the byte slices and opts belong to the
// Target until then. The methods may block only while a connection's write buffer is full, and ctx
// ends that; a write that was sent is out of ctx's reach. Safe for concurrent use.
type Target interface {
	Send(ctx context.Context, row Row, opts *PutOptions, to Acker, tag uint64)
	SendMulti(ctx context.Context, hashKey []byte, kvs []KV, expire uint32, opts *PutOptions, to Acker, tag uint64)
}

var _ Target = (*pegasus.Table)(nil)
