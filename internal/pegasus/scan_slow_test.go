package pegasus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// A disk that needs longer for every request than the first attempt is given, in front of pages without a row: expired
// ones, or such as the server's filter leaves out. A context is used up by the attempt that times out.
func TestScanOfASlowServerGetsOverPagesWithoutRows(t *testing.T) {
	const needs, pages = 120, 6 // milliseconds, pages without rows
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(10, 10)
	k.fill(0, want...)
	tab := k.table(func(c *Config) { c.RPCTimeout = 50 * time.Millisecond })
	k.scanHook(func(_ int, r *request) bool {
		if r.TimeoutMs < needs {
			return true // the answer would come too late
		}
		<-time.After(needs * time.Millisecond)
		page := int64(1)
		if r.Name == idl.NameScan {
			page = args[idl.ScanRequest](r).ContextID + 1
		}
		resp := &idl.ScanResponse{ContextID: page}
		if page == pages {
			resp.ContextID = idl.ScanDone
			for _, row := range want {
				resp.Kvs = append(resp.Kvs, idl.KeyValue{Key: row.Key, Value: row.Value, ExpireTs: int32(row.Expire), HasExpireTs: true})
			}
		}
		r.reply(resp)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := readAll(ctx, tab.NewScan(ScanSpec{}))
	if err != nil || !sameRows(got, want) {
		t.Fatalf("%d rows, %v, after %d get_scanner", len(got), err, k.nodes[0].count(idl.NameGetScanner))
	}
}

// Pages without rows are progress, but not when each is lost again.
func TestScanWhoseContextsAreAlwaysLostEnds(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	tab := k.table()
	k.scanHook(func(_ int, r *request) bool {
		if r.Name == idl.NameGetScanner {
			r.reply(&idl.ScanResponse{ContextID: 5})
		} else {
			r.fail(idl.ErrTryAgain)
		}
		return true
	})
	// Without pauses that grow: what is tested is that there is an end at all.
	s := tab.NewScan(ScanSpec{})
	s.lost = maxLost - 3
	_, err := readAll(t.Context(), s)
	var op *OpError
	if !errors.As(err, &op) || !errors.Is(err, idl.ErrTryAgain) {
		t.Errorf("got %v", err)
	}
}
