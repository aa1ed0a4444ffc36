package sandbox

import (
	"fmt"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// keysOf joins the keys of a batch, length bytes left out.
func keysOf(resp *idl.ScanResponse) string {
	var keys []string
	for _, kv := range resp.Kvs {
		keys = append(keys, string(kv.Key[2:]))
	}
	return fmt.Sprint(keys)
}

func TestScanOptions(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	for _, h := range []string{"aa", "ab", "bb"} {
		for _, s := range []string{"1", "2", "13"} {
			tc.put(h, s, "v", 0)
		}
	}
	for name, test := range map[string]struct {
		change func(*idl.GetScannerRequest)
		want   string
		id     int64
	}{
		"everything": {func(*idl.GetScannerRequest) {}, "[aa1 aa13 aa2 ab1 ab13 ab2 bb1 bb13 bb2]", -1},
		"hash prefix": {func(r *idl.GetScannerRequest) {
			r.HashKeyFilterType, r.HashKeyFilterPattern = idl.FilterPrefix, []byte("a")
		}, "[aa1 aa13 aa2 ab1 ab13 ab2]", -1},
		"hash anywhere": {func(r *idl.GetScannerRequest) {
			r.HashKeyFilterType, r.HashKeyFilterPattern = idl.FilterAnywhere, []byte("b")
		}, "[ab1 ab13 ab2 bb1 bb13 bb2]", -1},
		"sort postfix": {func(r *idl.GetScannerRequest) {
			r.SortKeyFilterType, r.SortKeyFilterPattern = idl.FilterPostfix, []byte("3")
		}, "[aa13 ab13 bb13]", -1},
		"range, start only": {func(r *idl.GetScannerRequest) { r.StartKey, r.StopKey = key("aa", "13"), key("ab", "1") }, "[aa13 aa2]", -1},
		"range, stop only": {func(r *idl.GetScannerRequest) {
			r.StartKey, r.StopKey, r.StartInclusive, r.StopInclusive = key("aa", "13"), key("ab", "1"), false, true
		}, "[aa2 ab1]", -1},
		"after the last key":  {func(r *idl.GetScannerRequest) { r.StartKey, r.StartInclusive = key("bb", "2"), false }, "[]", -1},
		"range without rows":  {func(r *idl.GetScannerRequest) { r.StartKey, r.StopKey = key("zzz", ""), key("zzz", "\x01") }, "[]", -1},
		"range without keys":  {func(r *idl.GetScannerRequest) { r.StartKey, r.StopKey = key("b", ""), key("a", "") }, "[]", 0},
		"the stop key itself": {func(r *idl.GetScannerRequest) { r.StopKey, r.StopInclusive, r.BatchSize = key("aa", "1"), true, 1 }, "[aa1]", -1},
		"count":               {func(r *idl.GetScannerRequest) { r.OnlyReturnCount = new(true) }, "[]", -1},
	} {
		t.Run(name, func(t *testing.T) {
			req := fullScan(100)
			test.change(req)
			resp := tc.getScanner(0, req)
			if got := keysOf(resp); got != test.want || resp.Error != idl.StatusOK || resp.ContextID != test.id {
				t.Errorf("%s, %v, context %d; want %s, context %d", got, resp.Error, resp.ContextID, test.want, test.id)
			}
			if (resp.KvCount != nil) != (req.OnlyReturnCount != nil) {
				t.Errorf("kv_count %v", resp.KvCount)
			}
			if resp.KvCount != nil && *resp.KvCount != 9 {
				t.Errorf("kv_count %d", *resp.KvCount)
			}
		})
	}
}

func TestScanWithoutValuesOrExpiry(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.put("k", "s", "value", 2_000_000_000)
	req := fullScan(10)
	req.NoValue, req.ReturnExpireTs = true, nil
	if kv := tc.getScanner(0, req).Kvs[0]; len(kv.Value) != 0 || kv.HasExpireTs {
		t.Errorf("row %+v", kv)
	}
	if kv := tc.getScanner(0, fullScan(10)).Kvs[0]; string(kv.Value) != "value" || kv.ExpireTs != 2_000_000_000 {
		t.Errorf("row %+v", kv)
	}
}

func TestUnknownFilterIsInvalid(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	req := fullScan(10)
	req.SortKeyFilterType = 9
	if resp := tc.getScanner(0, req); resp.Error != idl.StatusInvalidArgument {
		t.Errorf("answer %+v", resp)
	}
}

func TestIncompleteScanLosesItsContext(t *testing.T) {
	cfg := fast()
	cfg.Hook = func(call Call) Verdict {
		if call.RPC == idl.NameScan && call.Phase == Before {
			return Status(idl.StatusIncomplete)
		}
		return Pass()
	}
	tc := open(t, start(t, cfg), TableSpec{Name: "t", Partitions: 1})
	tc.fill(100)
	resp := tc.scan(0, tc.getScanner(0, fullScan(10)).ContextID)
	if resp.Error != idl.StatusIncomplete || resp.ContextID != 0 || len(resp.Kvs) != 5 {
		t.Errorf("%v, context %d, %d rows", resp.Error, resp.ContextID, len(resp.Kvs))
	}
}

// slowClock lets time pass with every look at it.
type slowClock struct{ *ManualClock }

func TestIterationLimit(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	tc.fill(2000)
	p := tc.c.tables[0].partitions[0]
	sc := &scanContext{it: p.data.store.iter(), kr: keyRange{stop: []byte{0xff, 0xff}}, batch: 1000}
	sc.valid = sc.it.Seek(lookupRow([]byte{0, 0}))
	ticks := NewManualClock(clockStart)
	limit := &scanLimit{iterations: 1000, started: clockStart, duration: 1, clock: slowClock{ticks}}
	ticks.Advance(2)
	b := sc.fill(limit, func(row) {})
	if !b.incomplete || b.count != 99 {
		t.Errorf("%+v; the clock is looked at every 100 rows", b)
	}
}

func TestForeignRowsAreHiddenOnlyWithTheEnv(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t", Partitions: 4})
	stray := key("stray", "")
	home := pegkey.Partition(pegkey.HashRaw(stray), 4)
	away := (home + 1) % 4
	if err := c.PutAt("t", Row{Partition: away, Key: stray, Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	rows := func() int { return len(tc.getScanner(away, fullScan(10)).Kvs) }
	if rows() != 1 {
		t.Error("a row in the wrong partition is not found by a scan")
	}
	if _, st := tc.get("stray", ""); st != idl.StatusNotFound {
		t.Errorf("a row in the wrong partition is found by its key: %v", st)
	}
	if err := c.SetEnvs("t", map[string]string{envValidateHash: "true"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	if rows() != 0 {
		t.Error("a row in the wrong partition is found although hashes are checked")
	}
	req := fullScan(10)
	req.ValidatePartitionHash = new(false)
	if len(tc.getScanner(away, req).Kvs) != 1 {
		t.Error("the client asked for no check")
	}
	code := tc.at(away).try(tc.header(away, pegkey.HashRaw(stray)), idl.NameGet, &idl.BlobRequest{Key: stray}, &idl.GetResponse{})
	if code != idl.ErrParentPartitionMisused {
		t.Errorf("misrouted read: %s", string(code))
	}
}
