package pegasus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// rowsOf makes n rows in the order of their keys.
func rowsOf(n, valueSize int) []Row {
	out := make([]Row, n)
	for i := range out {
		out[i] = row(fmt.Sprintf("key%06d", i), string(bytes.Repeat([]byte{byte(i)}, valueSize)))
		out[i].Expire = uint32(i)
	}
	return out
}

// readAll reads a scan to its end and gives copies of the rows.
func readAll(ctx context.Context, s *Scan) ([]Row, error) {
	defer s.Close()
	var out []Row
	for {
		page, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if len(page.Rows) == 0 && !page.Last {
			return out, errors.New("an empty page was delivered")
		}
		for _, r := range page.Rows {
			out = append(out, Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Expire: r.Expire})
		}
		page.Release()
		page.Release() // twice must be harmless
	}
}

func sameRows(a, b []Row) bool {
	return slices.EqualFunc(a, b, func(x, y Row) bool {
		return bytes.Equal(x.Key, y.Key) && bytes.Equal(x.Value, y.Value) && x.Expire == y.Expire
	})
}

// scanHook installs f for get_scanner and scan requests; n counts them from 1.
func (k *cluster) scanHook(f func(n int, r *request) bool) {
	var n atomic.Int32
	k.set(func() {
		k.hook = func(r *request) bool {
			return (r.Name == idl.NameGetScanner || r.Name == idl.NameScan) && f(int(n.Add(1)), r)
		}
	})
}

func TestScanReadsEverything(t *testing.T) {
	k := newCluster(t, 1, 1, 2)
	want := rowsOf(2500, 20)
	k.fill(1, want...)
	tab := k.table()
	for _, batch := range []int{0, 1, 7, 1000, 5000} {
		n := len(want)
		if batch == 1 {
			n = 50
		}
		got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 1, Batch: batch, After: want[len(want)-n].Key}))
		if err != nil || !sameRows(got, want[len(want)-n+1:]) {
			t.Errorf("batch %d: %d rows, %v", batch, len(got), err)
		}
	}
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 1}))
	if err != nil || !sameRows(got, want) {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	o := k.opened[len(k.opened)-1]
	if !*o.FullScan || !*o.ValidatePartitionHash || !*o.ReturnExpireTs || o.StopInclusive ||
		!bytes.Equal(o.StopKey, []byte{0xff, 0xff}) {
		t.Errorf("%+v", o)
	}
	got, err = readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 1, NoValue: true}))
	if err != nil || len(got) != len(want) || len(got[5].Value) != 0 || got[5].Expire != 5 {
		t.Errorf("without values: %d rows, %v", len(got), err)
	}
	if got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 0})); err != nil || len(got) != 0 {
		t.Errorf("empty partition: %d rows, %v", len(got), err)
	}
	if _, err := tab.NewScan(ScanSpec{Partition: 2}).Next(t.Context()); err == nil {
		t.Error("a partition that does not exist was read")
	}
}

func TestScanRowsStayValidUntilRelease(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(3000, 50)
	k.fill(0, want...)
	s := k.table().NewScan(ScanSpec{Batch: 100})
	defer s.Close()
	var pages []Page
	for {
		p, err := s.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	var got []Row
	for _, p := range pages {
		got = append(got, p.Rows...)
	}
	if !sameRows(got, want) {
		t.Error("rows of pages that were kept have changed")
	}
}

// Each case disturbs the first replies; the rows must come out whole nevertheless.
func TestScanRecovers(t *testing.T) {
	lose := func(r *request) bool { r.reply(&idl.ScanResponse{Error: idl.StatusNotFound}); return true }
	for name, tc := range map[string]struct {
		hook   func(k *cluster, n int, r *request) bool
		reason string
	}{
		"context lost": {func(_ *cluster, n int, r *request) bool {
			return n%3 == 0 && r.Name == idl.NameScan && lose(r)
		}, reasonContextLost},
		"busy": {func(_ *cluster, n int, r *request) bool {
			if n%4 != 2 {
				return false
			}
			r.fail(idl.ErrBusy)
			return true
		}, "ERR_BUSY"},
		"no reply": {func(_ *cluster, n int, _ *request) bool { return n == 2 || n == 5 }, "timeout"},
		"connection cut inside a frame": {func(_ *cluster, n int, r *request) bool {
			if n != 3 {
				return false
			}
			_, _ = r.conn.Write([]byte{0, 0, 9, 0, 0, 0, 0, 6, 'E', 'R'})
			_ = r.conn.Close()
			return true
		}, "connection"},
		"incomplete without rows": {func(_ *cluster, n int, r *request) bool {
			if n > 2 {
				return false
			}
			r.reply(&idl.ScanResponse{Error: idl.StatusIncomplete})
			return true
		}, "Incomplete"},
		"primary moves": {func(k *cluster, n int, r *request) bool {
			if n%3 == 0 {
				k.set(func() { k.primary[0], k.ballot[0] = 1-k.primary[0], k.ballot[0]+1 })
			}
			return false
		}, "ERR_INVALID_STATE"},
		"empty batches": {func(k *cluster, n int, r *request) bool {
			if n%2 == 1 || r.Name != idl.NameScan {
				return false
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			id := args[idl.ScanRequest](r).ContextID
			ctx := k.contexts[id]
			delete(k.contexts, id)
			k.nextID -= 5
			k.contexts[k.nextID] = ctx
			r.reply(&idl.ScanResponse{ContextID: k.nextID})
			return true
		}, ""},
		"context 0 with rows": {func(k *cluster, n int, r *request) bool {
			if n != 1 {
				return false
			}
			first := rowsOf(10, 30)
			resp := &idl.ScanResponse{}
			for _, x := range first {
				resp.Kvs = append(resp.Kvs, idl.KeyValue{Key: x.Key, Value: x.Value, ExpireTs: int32(x.Expire), HasExpireTs: true})
			}
			r.reply(resp)
			return true
		}, ""},
		"context 0 without rows on a continuation": {func(_ *cluster, n int, r *request) bool {
			if n != 2 {
				return false
			}
			r.reply(&idl.ScanResponse{})
			return true
		}, reasonContextLost},
		"context 0 without rows once": {func(_ *cluster, n int, r *request) bool {
			if n != 1 {
				return false
			}
			r.reply(&idl.ScanResponse{})
			return true
		}, reasonContextLost},
		"incomplete with rows": {func(_ *cluster, n int, r *request) bool {
			if n != 1 {
				return false
			}
			resp := &idl.ScanResponse{Error: idl.StatusIncomplete}
			for _, x := range rowsOf(10, 30) {
				resp.Kvs = append(resp.Kvs, idl.KeyValue{Key: x.Key, Value: x.Value, ExpireTs: int32(x.Expire), HasExpireTs: true})
			}
			r.reply(resp)
			return true
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 2, 1)
			want := rowsOf(1000, 30)
			k.fill(0, want...)
			tab := k.table(func(c *Config) {
				if c.RPCTimeout = 5 * time.Second; tc.reason == reasonTimeout {
					c.RPCTimeout = 100 * time.Millisecond
				}
			})
			k.scanHook(func(n int, r *request) bool { return tc.hook(k, n, r) })
			var seen retries
			got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Batch: 64, OnRetry: seen.add}))
			if err != nil || !sameRows(got, want) {
				t.Fatalf("%d of %d rows, %v, after %s", len(got), len(want), err, seen.reasons())
			}
			if tc.reason == "" && seen.reasons() != "" || !strings.Contains(seen.reasons(), tc.reason) {
				t.Errorf("reasons %q, want %q", seen.reasons(), tc.reason)
			}
		})
	}
}

func TestScanOfRangeThatServersAnswerVaguely(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	tab := k.table()
	k.scanHook(func(_ int, r *request) bool { r.reply(&idl.ScanResponse{}); return true })
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{}))
	if err != nil || len(got) != 0 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	if n := k.nodes[0].count(idl.NameGetScanner); n != 2 || k.nodes[0].count(idl.NameScan) != 0 {
		t.Errorf("%d get_scanner, %d scan requests", n, k.nodes[0].count(idl.NameScan))
	}
}

func TestScanErrorsThatEnd(t *testing.T) {
	kv := func(keys ...string) []idl.KeyValue {
		var out []idl.KeyValue
		for _, key := range keys {
			out = append(out, idl.KeyValue{Key: row(key, "").Key})
		}
		return out
	}
	answer := func(resp *idl.ScanResponse) func(int, *request) bool {
		return func(_ int, r *request) bool { r.reply(resp); return true }
	}
	for name, tc := range map[string]struct {
		hook func(int, *request) bool
		want string
	}{
		"wrong order":   {answer(&idl.ScanResponse{ContextID: -1, Kvs: kv("b", "a")}), "after key"},
		"same key":      {answer(&idl.ScanResponse{ContextID: -1, Kvs: kv("b", "b")}), "after key"},
		"same page":     {answer(&idl.ScanResponse{ContextID: 5, Kvs: kv("b", "c")}), "after key"},
		"corruption":    {answer(&idl.ScanResponse{Error: idl.StatusCorruption}), "Corruption"},
		"splitting":     {func(_ int, r *request) bool { r.fail(idl.ErrSplitting); return true }, "being split"},
		"lost for ever": {func(_ int, r *request) bool { r.reply(&idl.ScanResponse{Error: idl.StatusNotFound}); return true }, "scan context lost"},
		"busy too long": {func(_ int, r *request) bool { r.fail(idl.ErrBusy); return true }, "ERR_BUSY"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 1, 1)
			tab := k.table()
			k.scanHook(tc.hook)
			s := tab.NewScan(ScanSpec{PageTimeout: 300 * time.Millisecond})
			_, err := readAll(t.Context(), s)
			var oe *OpError
			if !errors.As(err, &oe) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestScanCancelledGoesOnLater(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(500, 10)
	k.fill(0, want...)
	tab := k.table()
	hold := make(chan struct{})
	k.scanHook(func(n int, _ *request) bool {
		if n == 2 {
			<-hold
		}
		return false
	})
	s := tab.NewScan(ScanSpec{Batch: 300})
	first, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(hold)
	got := slices.Clone(first.Rows)
	rest, err := readAll(t.Context(), s)
	if err != nil || !sameRows(append(got, rest...), want) {
		t.Fatalf("%d rows, %v", len(got)+len(rest), err)
	}
	if _, err := s.Next(t.Context()); err == nil {
		t.Error("a closed scan went on")
	}
}

func TestScanAdaptsItsBatch(t *testing.T) {
	k := newCluster(t, 1, 1, 2)
	small, large := rowsOf(3000, 10), rowsOf(120, 100<<10)
	k.fill(0, small...)
	k.fill(1, large...)
	tab := k.table()
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 0}))
	if err != nil || !sameRows(got, small) {
		t.Fatal(len(got), err)
	}
	if n := k.opened[len(k.opened)-1].BatchSize; n != maxBatch {
		t.Errorf("batch of small rows is %d", n)
	}
	// 120 rows of 100 KiB in one page are 12 MB: the page after that is smaller.
	k.fill(1, rowsOf(400, 100<<10)...)
	got, err = readAll(t.Context(), tab.NewScan(ScanSpec{Partition: 1, Batch: 120}))
	if err != nil || len(got) != 400 {
		t.Fatal(len(got), err)
	}
	if n := k.opened[len(k.opened)-1].BatchSize; n < 20 || n > 50 {
		t.Errorf("batch of large rows is %d", n)
	}
	if len(k.cleared) == 0 {
		t.Error("a context that was given up was not cleared")
	}
}

func TestScanShrinksItsBatchForFramesThatAreTooLarge(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(100, 10<<10)
	k.fill(0, want...)
	tab := k.table(func(c *Config) { c.Wire.MaxFrame = 100 << 10 })
	var seen retries
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{OnRetry: seen.add}))
	if err != nil || !sameRows(got, want) {
		t.Fatal(len(got), err, seen.reasons())
	}
}

func TestCount(t *testing.T) {
	for name, hook := range map[string]func(k *cluster) func(int, *request) bool{
		"by the server": func(*cluster) func(int, *request) bool {
			return func(int, *request) bool { return false }
		},
		"in several replies": func(*cluster) func(int, *request) bool {
			return func(n int, r *request) bool {
				id := []int64{-9, 33, -1}[n-1]
				r.reply(&idl.ScanResponse{KvCount: new([]int32{1000, 0, 234}[n-1]), ContextID: id})
				return true
			}
		},
		"context lost once": func(*cluster) func(int, *request) bool {
			return func(n int, r *request) bool {
				switch n {
				case 1:
					r.reply(&idl.ScanResponse{KvCount: new(int32(1000)), ContextID: -9})
				case 2:
					r.reply(&idl.ScanResponse{Error: idl.StatusNotFound})
				default:
					return false
				}
				return true
			}
		},
		"context always lost": func(*cluster) func(int, *request) bool {
			return func(_ int, r *request) bool {
				switch {
				case r.Name == idl.NameScan && bytes.Contains(r.Args, []byte{0xff, 0xff, 0xf7}):
					r.reply(&idl.ScanResponse{Error: idl.StatusNotFound})
				case r.Name == idl.NameGetScanner && args[idl.GetScannerRequest](r).OnlyReturnCount != nil:
					r.reply(&idl.ScanResponse{KvCount: new(int32(1000)), ContextID: -9})
				default:
					return false
				}
				return true
			}
		},
		"incomplete": func(*cluster) func(int, *request) bool {
			return func(n int, r *request) bool {
				if n == 1 {
					r.reply(&idl.ScanResponse{Error: idl.StatusIncomplete, KvCount: new(int32(50))})
				}
				return n == 1
			}
		},
		"context 0 behind a count": func(*cluster) func(int, *request) bool {
			return func(n int, r *request) bool {
				if n == 1 {
					r.reply(&idl.ScanResponse{KvCount: new(int32(50))})
				}
				return n == 1
			}
		},
		"server of 2.4": func(k *cluster) func(int, *request) bool {
			return func(_ int, r *request) bool {
				if r.Name != idl.NameGetScanner {
					return false
				}
				k.mu.Lock()
				defer k.mu.Unlock()
				ctx := &fakeContext{batch: 100, rows: rowsOf(1234, 0)}
				if start := args[idl.GetScannerRequest](r).StartKey; len(start) > 2 {
					return false
				}
				k.batch(ctx, r)
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newCluster(t, 1, 1, 1)
			k.fill(0, rowsOf(1234, 10)...)
			tab := k.table()
			k.scanHook(hook(k))
			s := tab.NewScan(ScanSpec{CountOnly: true})
			defer s.Close()
			page, err := s.Next(t.Context())
			if err != nil || page.Count != 1234 || !page.Last || len(page.Rows) != 0 {
				t.Fatalf("%+v %v", page, err)
			}
			if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
}

func TestCloseClearsTheContext(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	k.fill(0, rowsOf(1000, 10)...)
	s := k.table().NewScan(ScanSpec{Batch: 10})
	if _, err := s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	eventually(t, "the server has no contexts left", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.contexts) == 0
	})
}

// A page that stalls half-way is still being received when the scan asks again: the two
// must not share a buffer.
func TestScanPageThatArrivesLate(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(1000, 300)
	k.fill(0, want...)
	tab := k.table(func(c *Config) { c.RPCTimeout = 50 * time.Millisecond })
	rest := make(chan []byte, 1)
	k.scanHook(func(n int, r *request) bool {
		switch n {
		case 2:
			resp := &idl.ScanResponse{ContextID: -1}
			for range 1000 {
				resp.Kvs = append(resp.Kvs, idl.KeyValue{Key: []byte("late"), Value: bytes.Repeat([]byte{0xee}, 300)})
			}
			frame := idl.AppendResponse(nil, r.Seq, r.Name, idl.ErrOK, resp)
			_, _ = r.conn.Write(frame[:len(frame)/2])
			rest <- frame[len(frame)/2:]
			return true
		case 3:
			_, _ = r.conn.Write(<-rest)
		}
		return false
	})
	var seen retries
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Batch: 400, OnRetry: seen.add}))
	if err != nil || !sameRows(got, want) || !strings.Contains(seen.reasons(), "timeout") {
		t.Fatalf("%d rows, %v, after %s", len(got), err, seen.reasons())
	}
}

// A throttled server has not touched the context: opening another one would leave it there.
func TestBusyKeepsTheScanContext(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	want := rowsOf(500, 10)
	k.fill(0, want...)
	tab := k.table()
	k.scanHook(func(n int, r *request) bool {
		if r.Name != idl.NameScan || n%3 != 0 {
			return false
		}
		r.fail(idl.ErrBusy)
		return true
	})
	got, err := readAll(t.Context(), tab.NewScan(ScanSpec{Batch: 50}))
	if err != nil || !sameRows(got, want) {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	if n := len(k.opened); n != 1 {
		t.Errorf("%d scans were opened", n)
	}
}
