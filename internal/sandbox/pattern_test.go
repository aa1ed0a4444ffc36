package sandbox

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// patterned is a cluster with one table of a pattern.
func patterned(t *testing.T, partitions int32, spec PatternSpec) (*Cluster, *tableClient) {
	t.Helper()
	c := start(t, Config{Name: "alpha", TimeFactor: 1000, Seed: 1, Replicas: 1})
	tc := open(t, c, TableSpec{Name: "t", Partitions: partitions, Replicas: 1})
	if err := c.FillPattern("t", spec); err != nil {
		t.Fatal(err)
	}
	return c, tc
}

// rows scans a partition with pages of a size, as clients do.
func (tc *tableClient) rows(partition int32, page int32) (list []idl.KeyValue) {
	tc.t.Helper()
	req := &idl.GetScannerRequest{StartKey: []byte{0, 0}, StartInclusive: true, StopKey: []byte{0xff, 0xff}, BatchSize: page, FullScan: new(true)}
	resp := &idl.ScanResponse{}
	tc.at(partition).call(tc.header(partition, 0), idl.NameGetScanner, req, resp)
	for {
		for _, kv := range resp.Kvs {
			list = append(list, idl.KeyValue{Key: bytes.Clone(kv.Key), Value: bytes.Clone(kv.Value)})
		}
		if resp.ContextID == scanDone {
			return list
		}
		next := &idl.ScanResponse{}
		tc.at(partition).call(tc.header(partition, 0), idl.NameScan, &idl.ScanRequest{ContextID: resp.ContextID}, next)
		resp = next
	}
}

// TestPattern copies the rows of a pattern from 16 partitions to 4 and finds the same rows in
// both, each where its hash belongs and in the order of keys.
func TestPattern(t *testing.T) {
	spec := PatternSpec{Rows: 1003, ValueSize: 20, Slots: 16}
	_, source := patterned(t, 16, spec)
	spec.Empty = true
	c, target := patterned(t, 4, spec)
	all := map[string]string{}
	for p := range int32(16) {
		var last []byte
		for _, kv := range source.rows(p, 7) {
			if pegkey.Partition(pegkey.HashRaw(kv.Key), 16) != p || bytes.Compare(last, kv.Key) >= 0 || len(kv.Value) != 20 {
				t.Fatalf("partition %d has %q behind %q, value %d bytes", p, kv.Key, last, len(kv.Value))
			}
			last = kv.Key
			all[string(kv.Key)] = string(kv.Value)
			target.call(kv.Key, idl.NamePut, &idl.UpdateRequest{Key: kv.Key, Value: kv.Value}, &idl.UpdateResponse{})
		}
	}
	if len(all) != 1003 {
		t.Errorf("%d rows", len(all))
	}
	if n, err := c.Count("t"); n != 1003 || err != nil {
		t.Errorf("%d rows on the target, %v", n, err)
	}
	for p := range int32(4) {
		var last []byte
		for _, kv := range target.rows(p, 100) {
			if all[string(kv.Key)] != string(kv.Value) || bytes.Compare(last, kv.Key) >= 0 {
				t.Errorf("partition %d has %q behind %q", p, kv.Key, last)
			}
			last = kv.Key
			delete(all, string(kv.Key))
		}
		if stored := target.c.Primary("t", int(p)); stored == "" {
			t.Fatal("no primary")
		}
	}
	if len(all) != 0 {
		t.Errorf("%d rows are missing on the target", len(all))
	}
	for _, p := range c.tables[0].partitions {
		if n := p.data.store.tree.Len(); n > 1 {
			t.Errorf("partition %d keeps %d rows of the pattern", p.index, n)
		}
	}
}

// TestPatternRowsChange overwrites, removes and restores rows of a pattern.
func TestPatternRowsChange(t *testing.T) {
	c, tc := patterned(t, 4, PatternSpec{Rows: 40, ValueSize: 8, Slots: 4})
	rows := tc.rows(1, 100)
	if len(rows) != 10 {
		t.Fatalf("%d rows", len(rows))
	}
	first, second := rows[0], rows[1]
	value := func(raw []byte) string {
		resp := &idl.GetResponse{}
		tc.call(raw, idl.NameGet, &idl.BlobRequest{Key: raw}, resp)
		return fmt.Sprint(resp.Error, string(resp.Value))
	}
	if got := value(first.Key); got != fmt.Sprint(idl.StatusOK, string(first.Value)) {
		t.Errorf("get: %s", got)
	}
	put := func(raw, v []byte) {
		tc.call(raw, idl.NamePut, &idl.UpdateRequest{Key: raw, Value: v}, &idl.UpdateResponse{})
	}
	put(first.Key, []byte("other"))
	tc.call(second.Key, idl.NameRemove, &idl.BlobRequest{Key: second.Key}, &idl.UpdateResponse{})
	own := key("longer than a pattern's", "s") // so it is the last one
	put(own, []byte("own"))
	if got := value(first.Key); got != fmt.Sprint(idl.StatusOK, "other") {
		t.Errorf("overwritten: %s", got)
	}
	if got := value(second.Key); got != fmt.Sprint(idl.StatusNotFound, "") {
		t.Errorf("removed: %s", got)
	}
	if now := tc.rows(1, 3); len(now) < 9 || string(now[0].Value) != "other" {
		t.Errorf("%d rows, first %q", len(now), now[0].Value)
	}
	if n, err := c.Count("t"); n != 40 || err != nil { // one removed, one of its own
		t.Errorf("%d rows, %v", n, err)
	}
	put(first.Key, first.Value)
	put(second.Key, second.Value)
	if now := tc.rows(1, 100); !bytes.Equal(now[0].Value, first.Value) || !bytes.Equal(now[1].Key, second.Key) {
		t.Error("the rows of the pattern do not come back")
	}
	for _, bad := range []PatternSpec{{Rows: 1, ValueSize: 8, Slots: 2}, {Rows: 1, ValueSize: 8, Slots: 12}, {Rows: 1, Slots: 4}} {
		if err := c.FillPattern("t", bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestPatternOfAnotherProcess asks for a pattern, and for a capacity, over the control socket.
func TestPatternOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	up(t, dir)
	remote := Remote{Dir: dir}
	table := LoadRequest{Cluster: "a", Table: "t", Partitions: 4, Replicas: 1}
	if err := remote.Pattern(t.Context(), table, PatternSpec{Rows: 100, ValueSize: 8, Slots: 8}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := remote.Dump(t.Context(), "a", "t", &out); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 100 {
		t.Errorf("%d lines, %v", bytes.Count(out.Bytes(), []byte("\n")), err)
	}
	if err := remote.Pattern(t.Context(), table, PatternSpec{Rows: 100, ValueSize: 8, Slots: 6}); err == nil {
		t.Error("six slots are taken")
	}
	out.Reset()
	if err := remote.Inject(t.Context(), "a", Fault{Kind: FaultCapacity, Rows: 100, Bytes: 1e6}, &out); err != nil || out.String() != "fault 1: capacity\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := remote.Clear(t.Context(), "a", 1); err != nil {
		t.Error(err)
	}
}
