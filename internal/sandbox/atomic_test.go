package sandbox

import (
	"strconv"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

func TestIncr(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	raw := key("counter", "n")
	incr := func(by int64, expire int32) *idl.IncrResponse {
		resp := &idl.IncrResponse{}
		tc.call(raw, idl.NameIncr, &idl.IncrRequest{Key: raw, Increment: by, ExpireTsSeconds: expire}, resp)
		return resp
	}
	if r := incr(5, 0); r.NewValue != 5 || r.Error != idl.StatusOK {
		t.Errorf("%+v", r)
	}
	if r := incr(-7, 2_000_000_000); r.NewValue != -2 {
		t.Errorf("%+v", r)
	}
	if r := incr(1, 0); r.NewValue != -1 || tc.expiry(raw) != 2_000_000_000 {
		t.Errorf("%+v, expiry %d; 0 keeps it", r, tc.expiry(raw))
	}
	if r := incr(1, -1); r.NewValue != 0 || tc.expiry(raw) != 0 {
		t.Errorf("%+v, expiry %d; -1 clears it", r, tc.expiry(raw))
	}
	tc.put("counter", "n", strconv.FormatInt(1<<62, 10), 0)
	if r := incr(1<<62, 0); r.Error != idl.StatusInvalidArgument || r.NewValue != 1<<62 {
		t.Errorf("overflow: %+v", r)
	}
	tc.put("counter", "n", "text", 0)
	if r := incr(1, 0); r.Error != idl.StatusInvalidArgument {
		t.Errorf("no number: %+v", r)
	}
}

// expiry looks into the store.
func (tc *tableClient) expiry(raw []byte) uint32 {
	tc.t.Helper()
	found := uint32(0)
	err := tc.c.Dump(tc.name, func(r Row) error {
		if string(r.Key) == string(raw) {
			found = r.Expire
		}
		return nil
	})
	if err != nil {
		tc.t.Fatal(err)
	}
	return found
}

func TestCheckAndSet(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	cas := func(check idl.CheckType, operand, value string) *idl.CheckAndSetResponse {
		resp := &idl.CheckAndSetResponse{}
		tc.call(key("cas", ""), idl.NameCheckAndSet, &idl.CheckAndSetRequest{
			HashKey: []byte("cas"), CheckSortKey: []byte("k"), CheckType: check, CheckOperand: []byte(operand),
			SetSortKey: []byte("k"), SetValue: []byte(value), ReturnCheckValue: true,
		}, resp)
		return resp
	}
	first := cas(idl.CheckValueNotExist, "", "first")
	if first.Error != idl.StatusOK || !first.CheckValueReturned || first.CheckValueExist {
		t.Errorf("%+v", first)
	}
	second := cas(idl.CheckValueNotExist, "", "second")
	if second.Error != idl.StatusTryAgain || string(second.CheckValue) != "first" || second.Decree <= first.Decree {
		t.Errorf("%+v", second)
	}
	if r := cas(idl.CheckValueIntLess, "5", "x"); r.Error != idl.StatusInvalidArgument {
		t.Errorf("comparison of text as number: %+v", r)
	}
	if r := cas(99, "", "x"); r.Error != idl.StatusInvalidArgument {
		t.Errorf("unknown check: %+v", r)
	}
	if v, _ := tc.get("cas", "k"); v != "first" {
		t.Errorf("value %q", v)
	}
}

func TestChecks(t *testing.T) {
	for _, test := range []struct {
		check          idl.CheckType
		operand, value string
		exist, want    bool
	}{
		{idl.CheckNone, "", "", false, true},
		{idl.CheckValueNotExistOrEmpty, "", "", true, true},
		{idl.CheckValueNotExistOrEmpty, "", "v", true, false},
		{idl.CheckValueExist, "", "", true, true},
		{idl.CheckValueNotEmpty, "", "", true, false},
		{idl.CheckValueMatchAnywhere, "b", "abc", true, true},
		{idl.CheckValueMatchPrefix, "b", "abc", true, false},
		{idl.CheckValueMatchPostfix, "c", "abc", true, true},
		{idl.CheckValueBytesLess, "b", "a", true, true},
		{idl.CheckValueBytesLessOrEqual, "a", "a", true, true},
		{idl.CheckValueBytesEqual, "a", "b", true, false},
		{idl.CheckValueBytesGreaterOrEqual, "a", "b", true, true},
		{idl.CheckValueBytesGreater, "a", "a", true, false},
		{idl.CheckValueIntLess, "10", "9", true, true},
		{idl.CheckValueIntEqual, "10", "10", true, true},
		{idl.CheckValueIntGreater, "9", "10", true, true},
		{idl.CheckValueIntGreater, "9", "10", false, false},
	} {
		if got, _ := checkPasses(test.check, []byte(test.operand), []byte(test.value), test.exist); got != test.want {
			t.Errorf("%v %q against %q (exists: %v): %v", test.check, test.value, test.operand, test.exist, got)
		}
	}
}

func TestCheckAndMutate(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	tc.put("h", "old", "v", 0)
	mutate := func(check idl.CheckType, list ...idl.Mutate) *idl.CheckAndMutateResponse {
		resp := &idl.CheckAndMutateResponse{}
		tc.call(key("h", ""), idl.NameCheckAndMutate, &idl.CheckAndMutateRequest{
			HashKey: []byte("h"), CheckSortKey: []byte("old"), CheckType: check, MutateList: list,
		}, resp)
		return resp
	}
	put := idl.Mutate{Operation: idl.MutatePut, SortKey: []byte("new"), Value: []byte("w")}
	del := idl.Mutate{Operation: idl.MutateDelete, SortKey: []byte("old")}
	if r := mutate(idl.CheckValueNotExist, put); r.Error != idl.StatusTryAgain {
		t.Errorf("%+v", r)
	}
	if r := mutate(idl.CheckValueExist, put, del); r.Error != idl.StatusOK {
		t.Errorf("%+v", r)
	}
	if v, _ := tc.get("h", "new"); v != "w" {
		t.Errorf("put in the list: %q", v)
	}
	if _, st := tc.get("h", "old"); st != idl.StatusNotFound {
		t.Errorf("delete in the list: %v", st)
	}
	if r := mutate(idl.CheckNone); r.Error != idl.StatusInvalidArgument {
		t.Errorf("empty list: %+v", r)
	}
	if r := mutate(idl.CheckNone, idl.Mutate{Operation: 7}); r.Error != idl.StatusInvalidArgument {
		t.Errorf("unknown operation: %+v", r)
	}
}

func TestMultiPutHasOneExpiry(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	tc.call(key("h", ""), idl.NameMultiPut, &idl.MultiPutRequest{
		HashKey: []byte("h"), ExpireTsSeconds: 2_000_000_000,
		Kvs: []idl.KeyValue{{Key: []byte("a"), Value: []byte("1"), ExpireTs: 2_000_000_001, HasExpireTs: true}, {Key: []byte("b")}},
	}, &idl.UpdateResponse{})
	if tc.expiry(key("h", "a")) != 2_000_000_000 || tc.expiry(key("h", "b")) != 2_000_000_000 {
		t.Error("the expiry of the request does not hold for all rows")
	}
	resp := &idl.UpdateResponse{}
	tc.call(key("h", ""), idl.NameMultiPut, &idl.MultiPutRequest{HashKey: []byte("h")}, resp)
	if resp.Error != idl.StatusInvalidArgument {
		t.Errorf("no rows: %+v", resp)
	}
}

func TestMultiRemoveCountsItsKeys(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	tc.put("h", "a", "1", 0)
	resp := &idl.MultiRemoveResponse{}
	tc.call(key("h", ""), idl.NameMultiRemove, &idl.MultiRemoveRequest{HashKey: []byte("h"), SortKeys: [][]byte{[]byte("a"), []byte("none")}}, resp)
	if resp.Count != 2 || resp.Error != idl.StatusOK {
		t.Errorf("%+v", resp)
	}
	tc.call(key("h", ""), idl.NameMultiRemove, &idl.MultiRemoveRequest{HashKey: []byte("h")}, resp)
	if resp.Error != idl.StatusInvalidArgument {
		t.Errorf("no keys: %+v", resp)
	}
}

func TestReads(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	for i, s := range []string{"a", "b", "c", "d"} {
		tc.put("h", s, strconv.Itoa(i), 0)
	}
	tc.load(Row{Key: key("h", "dead"), Expire: 1})
	count := &idl.CountResponse{}
	tc.call(key("h", ""), idl.NameSortkeyCount, &idl.BlobRequest{Key: []byte("h")}, count)
	if count.Count != 4 {
		t.Errorf("sortkey_count: %+v", count)
	}
	ttl := &idl.TTLResponse{}
	tc.call(key("h", "a"), idl.NameTTL, &idl.BlobRequest{Key: key("h", "a")}, ttl)
	if ttl.TTLSeconds != -1 || ttl.Error != idl.StatusOK {
		t.Errorf("ttl: %+v", ttl)
	}
	tc.call(key("h", "dead"), idl.NameTTL, &idl.BlobRequest{Key: key("h", "dead")}, ttl)
	if ttl.Error != idl.StatusNotFound {
		t.Errorf("ttl of an expired row: %+v", ttl)
	}
	batch := &idl.BatchGetResponse{}
	tc.call(key("h", ""), idl.NameBatchGet, &idl.BatchGetRequest{Keys: []idl.FullKey{
		{HashKey: []byte("h"), SortKey: []byte("b")}, {HashKey: []byte("h"), SortKey: []byte("dead")}, {HashKey: []byte("h"), SortKey: []byte("none")},
	}}, batch)
	if len(batch.Data) != 1 || string(batch.Data[0].Value) != "1" {
		t.Errorf("batch_get: %+v", batch)
	}
}

func TestMultiGet(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	for i, s := range []string{"a1", "a2", "b1", "b2"} {
		tc.put("h", s, strconv.Itoa(i), 0)
	}
	tc.put("i", "z", "other hash key", 0)
	for name, test := range map[string]struct {
		req    idl.MultiGetRequest
		want   string
		status idl.Status
	}{
		"all":        {idl.MultiGetRequest{StartInclusive: true}, "a1 a2 b1 b2 ", idl.StatusOK},
		"keys":       {idl.MultiGetRequest{SortKeys: [][]byte{[]byte("b2"), []byte("x"), []byte("a1")}}, "b2 a1 ", idl.StatusOK},
		"range":      {idl.MultiGetRequest{StartSortkey: []byte("a1"), StopSortkey: []byte("b1"), StopInclusive: true}, "a2 b1 ", idl.StatusOK},
		"prefix":     {idl.MultiGetRequest{StartInclusive: true, SortKeyFilterType: idl.FilterPrefix, SortKeyFilterPattern: []byte("b")}, "b1 b2 ", idl.StatusOK},
		"two":        {idl.MultiGetRequest{StartInclusive: true, MaxKvCount: 2}, "a1 a2 ", idl.StatusIncomplete},
		"four":       {idl.MultiGetRequest{StartInclusive: true, MaxKvCount: 4}, "a1 a2 b1 b2 ", idl.StatusOK},
		"cut range":  {idl.MultiGetRequest{StartInclusive: true, MaxKvCount: 2, StopSortkey: []byte("b1")}, "a1 a2 ", idl.StatusIncomplete},
		"just full":  {idl.MultiGetRequest{StartInclusive: true, MaxKvCount: 3, StopSortkey: []byte("b1"), StopInclusive: true}, "a1 a2 b1 ", idl.StatusOK},
		"last two":   {idl.MultiGetRequest{StartInclusive: true, MaxKvCount: 2, Reverse: true}, "b1 b2 ", idl.StatusIncomplete},
		"reverse":    {idl.MultiGetRequest{StartInclusive: true, Reverse: true, StopSortkey: []byte("b1")}, "a1 a2 ", idl.StatusOK},
		"bad filter": {idl.MultiGetRequest{SortKeyFilterType: 9}, "", idl.StatusInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			resp := &idl.MultiGetResponse{}
			test.req.HashKey = []byte("h")
			tc.call(key("h", ""), idl.NameMultiGet, &test.req, resp)
			got := ""
			for _, kv := range resp.Kvs {
				got += string(kv.Key) + " "
			}
			if got != test.want || resp.Error != test.status {
				t.Errorf("%q, %v; want %q, %v", got, resp.Error, test.want, test.status)
			}
		})
	}
}

func TestEmptyHashKey(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t"})
	tc.put("", "only a sort key", "v", 0)
	if v, st := tc.get("", "only a sort key"); v != "v" || st != idl.StatusOK {
		t.Errorf("%q, %v", v, st)
	}
	p := pegkey.Partition(pegkey.HashRaw(key("", "only a sort key")), 4)
	if got := keysOf(tc.getScanner(p, fullScan(10))); got != "[only a sort key]" {
		t.Errorf("scan: %s", got)
	}
}
