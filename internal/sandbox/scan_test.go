package sandbox

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// clockStart is when the manual clocks of tests start.
var clockStart = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// fullScan asks for everything in a partition, as a client's unordered scanner does.
func fullScan(batch int32) *idl.GetScannerRequest {
	return &idl.GetScannerRequest{
		StartKey: []byte{0, 0}, StopKey: []byte{0xff, 0xff}, StartInclusive: true, BatchSize: batch,
		ReturnExpireTs: new(true), FullScan: new(true),
	}
}

func (tc *tableClient) getScanner(p int32, req *idl.GetScannerRequest) *idl.ScanResponse {
	tc.t.Helper()
	resp := &idl.ScanResponse{}
	tc.at(p).call(tc.header(p, uint64(p)), idl.NameGetScanner, req, resp)
	return resp
}

func (tc *tableClient) scan(p int32, id int64) *idl.ScanResponse {
	tc.t.Helper()
	resp := &idl.ScanResponse{}
	tc.at(p).call(tc.header(p, uint64(p)), idl.NameScan, &idl.ScanRequest{ContextID: id}, resp)
	return resp
}

// fill puts n rows into a table of one partition.
func (tc *tableClient) fill(n int) {
	tc.t.Helper()
	if err := tc.c.Fill(tc.name, LoadSpec{Rows: int64(n), ValueSize: 10, MaxSortKeys: 7}); err != nil {
		tc.t.Fatal(err)
	}
}

func TestScanReadsEverythingOnceInOrder(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.fill(2500)
	var last []byte
	rows, ids := 0, map[int64]bool{}
	resp := tc.getScanner(0, fullScan(300))
	for {
		for _, kv := range resp.Kvs {
			if bytes.Compare(kv.Key, last) <= 0 || !kv.HasExpireTs || len(kv.Value) != 10 {
				t.Fatalf("row %q after %q: %+v", kv.Key, last, kv)
			}
			last = bytes.Clone(kv.Key)
		}
		rows += len(resp.Kvs)
		if resp.ContextID == -1 {
			break
		}
		if ids[resp.ContextID] {
			t.Fatalf("context id %d comes a second time", resp.ContextID)
		}
		ids[resp.ContextID] = true
		resp = tc.scan(0, resp.ContextID)
	}
	if rows != 2500 {
		t.Errorf("%d rows of 2500", rows)
	}
}

func TestScanContextWorksOnce(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.fill(100)
	first := tc.getScanner(0, fullScan(10))
	second := tc.scan(0, first.ContextID)
	if second.Error != idl.StatusOK || len(second.Kvs) != 10 || second.ContextID == first.ContextID {
		t.Fatalf("second batch: %+v", second)
	}
	again := tc.scan(0, first.ContextID)
	if again.Error != idl.StatusNotFound || again.ContextID != 0 || len(again.Kvs) != 0 {
		t.Errorf("used context: %+v", again)
	}
}

func TestSomeContextIDsAreNegative(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 16})
	negative := 0
	for p := range int32(16) {
		for i := range int32(20) {
			if err := tc.c.PutAt("t", Row{Partition: p, Key: key("k", fmt.Sprint(i))}); err != nil {
				t.Fatal(err)
			}
		}
		if id := tc.getScanner(p, fullScan(10)).ContextID; id < -1 {
			negative++
		} else if id == -1 {
			t.Fatal("scan of 20 rows ended after 10")
		}
	}
	if negative == 0 || negative == 16 {
		t.Errorf("%d of 16 context ids are negative", negative)
	}
}

func TestExpiredRowsAreSkipped(t *testing.T) {
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Clock = clock
	c := start(t, cfg)
	tc := openManual(t, c, clock, TableSpec{Name: "t", Partitions: 1})
	soon := int32(pegkey.ExpireTs(clock.Now())) + 5
	for i := range 50 {
		expire := soon
		if i >= 40 {
			expire = 0
		}
		tc.put("k", fmt.Sprintf("%02d", i), "v", expire)
	}
	clock.Advance(5 * time.Second)
	if resp := tc.getScanner(0, fullScan(5)); len(resp.Kvs) != 5 || resp.ContextID == -1 {
		// get_scanner looks at 1000 rows, so it skips all dead ones at once.
		t.Fatalf("first batch: %d rows, context %d", len(resp.Kvs), resp.ContextID)
	}
	if resp := tc.getScanner(0, fullScan(10)); len(resp.Kvs) != 10 || resp.ContextID != -1 {
		t.Fatalf("batch up to the last row: %d rows, context %d", len(resp.Kvs), resp.ContextID)
	}
	if n, err := c.Count("t"); n != 10 || err != nil {
		t.Errorf("%d live rows, %v", n, err)
	}
}

// openManual is open for a cluster with a manual clock.
func openManual(t *testing.T, c *Cluster, clock *ManualClock, spec TableSpec) *tableClient {
	t.Helper()
	id, err := c.CreateTable(spec)
	if err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.findTable(spec.Name).healthy()
	}
	for i := 0; i < 10000 && !ready(); i++ {
		clock.Advance(c.Timing().Guardian)
	}
	if !ready() {
		t.Fatalf("table %q did not become healthy", spec.Name)
	}
	return &tableClient{t: t, c: c, name: spec.Name, id: id, count: orDefault(spec.Partitions, 4), conns: map[string]*client{}}
}

func TestEmptyBatchIsNotTheEnd(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	for i := range 1500 {
		tc.load(Row{Key: key("k", fmt.Sprintf("%04d", i)), Value: []byte("v"), Expire: 1})
	}
	tc.load(Row{Key: key("k", "live"), Value: []byte("v")})
	resp := tc.getScanner(0, fullScan(100))
	if len(resp.Kvs) != 0 || resp.ContextID == -1 || resp.Error != idl.StatusOK {
		t.Fatalf("1000 expired rows: %d rows, context %d, %v", len(resp.Kvs), resp.ContextID, resp.Error)
	}
	empty := 1
	for resp.ContextID != -1 {
		if resp = tc.scan(0, resp.ContextID); len(resp.Kvs) == 0 {
			empty++
		}
	}
	if len(resp.Kvs) != 1 || empty < 5 {
		t.Errorf("last batch has %d rows after %d empty ones", len(resp.Kvs), empty)
	}
}

// load stores one row without an RPC.
func (tc *tableClient) load(r Row) {
	tc.t.Helper()
	if err := tc.c.Load(tc.name, func(yield func(Row) bool) { yield(r) }); err != nil {
		tc.t.Fatal(err)
	}
}

func TestScanIsASnapshot(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.put("k", "1", "old", 0)
	tc.put("k", "2", "old", 0)
	tc.put("k", "3", "old", 0)
	resp := tc.getScanner(0, fullScan(1))
	tc.put("k", "2", "new", 0)
	tc.put("k", "4", "new", 0)
	raw := key("k", "3")
	tc.call(raw, idl.NameRemove, &idl.BlobRequest{Key: raw}, &idl.UpdateResponse{})
	var got []string
	for resp.ContextID != -1 {
		resp = tc.scan(0, resp.ContextID)
		for _, kv := range resp.Kvs {
			got = append(got, string(kv.Value))
		}
	}
	if fmt.Sprint(got) != "[old old]" {
		t.Errorf("rest of the scan: %v", got)
	}
}

func TestScanContextExpires(t *testing.T) {
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Clock = clock
	tc := openManual(t, start(t, cfg), clock, TableSpec{Name: "t", Partitions: 1})
	tc.fill(100)
	resp := tc.getScanner(0, fullScan(10))
	clock.Advance(tc.c.Timing().ScanContext - time.Millisecond)
	resp = tc.scan(0, resp.ContextID)
	if resp.Error != idl.StatusOK {
		t.Fatalf("just in time: %v", resp.Error)
	}
	clock.Advance(tc.c.Timing().ScanContext)
	if resp = tc.scan(0, resp.ContextID); resp.Error != idl.StatusNotFound {
		t.Errorf("too late: %v", resp.Error)
	}
}

func TestScanContextIsLostWithThePrimary(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.fill(100)
	resp := tc.getScanner(0, fullScan(10))
	old := tc.c.Primary("t", 0)
	if err := tc.c.MovePrimary("t", 0); err != nil {
		t.Fatal(err)
	}
	until(t, "another primary", func() bool { p := tc.c.Primary("t", 0); return p != "" && p != old })
	healthy(t, tc.c, "t")
	stale := &idl.ScanResponse{}
	if code := tc.conns[old].try(tc.header(0, 0), idl.NameScan, &idl.ScanRequest{ContextID: resp.ContextID}, stale); code != idl.ErrInvalidState {
		t.Errorf("old primary answers %s", string(code))
	}
	if got := tc.scan(0, resp.ContextID); got.Error != idl.StatusNotFound {
		t.Errorf("new primary answers %v", got.Error)
	}
}

func TestClearScannerIsOneWay(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.fill(100)
	resp := tc.getScanner(0, fullScan(10))
	tc.at(0).send(tc.header(0, 0), idl.NameClearScanner, &idl.ClearScannerRequest{ContextID: resp.ContextID})
	// The next answer on the connection is the one to the scan, not to the clear.
	if got := tc.scan(0, resp.ContextID); got.Error != idl.StatusNotFound {
		t.Errorf("cleared context: %v", got.Error)
	}
}
