package differ

import (
	"context"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/scan"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Servers that refuse reads are read more slowly; one that is slow to answer is not taken for such.
func TestRefusalsEaseTheComparison(t *testing.T) {
	p := pace.New(pace.Limits{}, pace.Options{})
	r := &run{caps: newCaps(Options{Pacer: p})}
	for range 10 {
		r.onRetry(scan.Retry{Addr: "a", Reason: "timeout", Err: context.DeadlineExceeded})
	}
	if s := p.State(); s.Share != 1 {
		t.Errorf("%+v", s)
	}
	for range 10 {
		r.onRetry(scan.Retry{Addr: "a", Reason: "ERR_BUSY", Err: &wire.HeaderError{Code: idl.ErrBusy}})
	}
	if s := p.State(); s.Share == 1 || s.Reason != "ERR_BUSY from a" {
		t.Errorf("%+v", s)
	}
}

// A lease is paid for in rows ahead and in bytes behind.
func TestLease(t *testing.T) {
	p := pace.New(pace.Limits{}, pace.Options{})
	c := newCaps(Options{Pacer: p})
	var l lease
	for range 1000 {
		if err := l.take(t.Context(), c, SourceSide); err != nil {
			t.Fatal(err)
		}
		l.bytes -= 100_000
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Hold("x", "y")
	for range 1000 {
		if l.take(ctx, c, SourceSide) != nil {
			return
		}
	}
	t.Error("a lease lasts for ever")
}
