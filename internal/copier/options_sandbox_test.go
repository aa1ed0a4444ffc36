package copier_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// row is what a table holds under a key.
type row struct {
	value  string
	expire uint32
}

// later is an expiry that no test reaches.
const later = 4_000_000_000

// rows of every kind: single ones, many of one hash key with and without expiry, without hash key, expired.
func rows() map[string]row {
	out := map[string]row{}
	for i := range 300 {
		out[key(fmt.Sprintf("user_%03d", i), "name")] = row{fmt.Sprintf("n%d", i), uint32(i%2) * later}
		out[key("", fmt.Sprintf("user_%03d", i))] = row{value: "no hash key"}
		out[key("run", fmt.Sprintf("%03d", i))] = row{fmt.Sprintf("r%d", i), uint32(i%2) * later}
	}
	out[key("user_old", "name")] = row{"expired", 1000}
	return out
}

func key(hash, sort string) string {
	return string(pegkey.Encode(nil, []byte(hash), []byte(sort)))
}

// put stores rows in a table.
func put(t *testing.T, c *sandbox.Cluster, rows map[string]row) {
	t.Helper()
	if err := c.Load("t", func(yield func(sandbox.Row) bool) {
		for k, r := range rows {
			if !yield(sandbox.Row{Key: []byte(k), Value: []byte(r.value), Expire: r.expire}) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// check compares a table with what it should hold.
func check(t *testing.T, c *sandbox.Cluster, want map[string]row) {
	t.Helper()
	got := map[string]row{}
	if err := c.Dump("t", func(r sandbox.Row) error {
		got[string(r.Key)] = row{string(r.Value), r.Expire}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for k, w := range want {
		if g, ok := got[k]; !ok || g != w {
			t.Fatalf("%q is %+v (there: %v), want %+v", k, g, ok, w)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
}

// Every option of copy_data, between two clusters.
func TestCopyOptionsBetweenClusters(t *testing.T) {
	prefix := func(s string) rowfilter.Match { return rowfilter.Match{Kind: rowfilter.Prefix, Pattern: []byte(s)} }
	have := map[string]row{key("user_007", "name"): {value: "theirs"}, key("", "user_007"): {value: "theirs too"}}
	for name, c := range map[string]struct {
		opts   copier.Options
		have   map[string]row
		faults []sandbox.Fault
		want   func(all map[string]row)
		kept   uint64
	}{
		"as it is":   {want: func(map[string]row) {}},
		"hash key":   {opts: copier.Options{Filter: rowfilter.Filter{HashKey: prefix("user_")}}, want: only(func(h, _, _ string) bool { return strings.HasPrefix(h, "user_") })},
		"sort key":   {opts: copier.Options{Filter: rowfilter.Filter{SortKey: rowfilter.Match{Kind: rowfilter.Exact, Pattern: []byte("name")}}}, want: only(func(_, s, _ string) bool { return s == "name" })},
		"value":      {opts: copier.Options{Filter: rowfilter.Filter{Value: rowfilter.Match{Kind: rowfilter.Postfix, Pattern: []byte("7")}}}, want: only(func(_, _, v string) bool { return strings.HasSuffix(v, "7") })},
		"exact hash": {opts: copier.Options{Filter: rowfilter.Filter{HashKey: rowfilter.Match{Kind: rowfilter.Exact, Pattern: []byte("run")}}}, want: only(func(h, _, _ string) bool { return h == "run" })},
		"partitions": {opts: copier.Options{Partitions: []int32{1, 3}}, want: func(all map[string]row) {
			keepIf(all, func(k string) bool {
				return slices.Contains([]int32{1, 3}, pegkey.Partition(pegkey.HashRaw([]byte(k)), 4))
			})
		}},
		"no ttl": {opts: copier.Options{DropTTL: true}, want: func(all map[string]row) {
			for k, r := range all {
				all[k] = row{value: r.value}
			}
		}},
		"no value": {opts: copier.Options{DropValue: true}, want: func(all map[string]row) {
			for k, r := range all {
				all[k] = row{expire: r.expire}
			}
		}},
		"multi_set":         {opts: copier.Options{MultiSet: copier.MultiSetOn, MultiPutRows: 7, MultiSetConcurrency: 2}, want: func(map[string]row) {}},
		"no multi_set":      {opts: copier.Options{MultiSet: copier.MultiSetOff, ScanBatch: 10, Timeout: 2 * time.Second}, want: func(map[string]row) {}},
		"always":            {have: have, want: func(map[string]row) {}},
		"never":             {opts: copier.Options{Overwrite: copier.OverwriteNever}, have: have, kept: 2, want: also(have)},
		"never, unatomic":   {opts: copier.Options{Overwrite: copier.OverwriteNeverUnatomic}, have: have, kept: 2, want: also(have)},
		"never, lost reply": {opts: copier.Options{Overwrite: copier.OverwriteNever, Timeout: 300 * time.Millisecond}, have: have, kept: 2, want: also(have), faults: []sandbox.Fault{{Kind: sandbox.FaultDrop, RPC: "check_and_set", Share: 0.02, After: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			a, src := startTable(ctx, t, "a", 4)
			b, dst := startTable(ctx, t, "b", 8)
			all := rows()
			put(t, a, all)
			put(t, b, c.have)
			for _, f := range c.faults {
				if _, err := b.Inject(f); err != nil {
					t.Fatal(err)
				}
			}
			delete(all, key("user_old", "name")) // expired: no server shows it
			c.want(all)
			result, err := copier.Run(ctx, scan.Table(src), dst, nil, c.opts, func([]copier.Cursor) error { return nil }, nil)
			if err != nil {
				t.Fatal(err)
			}
			check(t, b, all)
			if result.Rows != uint64(len(all)) || result.Kept != c.kept {
				t.Errorf("%d rows, %d kept; want %d, %d", result.Rows, result.Kept, len(all), c.kept)
			}
		})
	}
}

// keepIf deletes the other rows.
func keepIf(all map[string]row, take func(key string) bool) {
	for k := range all {
		if !take(k) {
			delete(all, k)
		}
	}
}

func only(take func(hash, sort, value string) bool) func(map[string]row) {
	return func(all map[string]row) {
		keepIf(all, func(k string) bool {
			h, s, _ := pegkey.Decode([]byte(k))
			return take(string(h), string(s), all[k].value)
		})
	}
}

func also(have map[string]row) func(map[string]row) {
	return func(all map[string]row) {
		for k, r := range have {
			all[k] = r
		}
	}
}

// A target with default_ttl stamps rows that come without expiry, and leaves those alone that have one.
func TestCopyIntoADefaultTTL(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, src := startTable(ctx, t, "a", 2)
	b, dst := startTable(ctx, t, "b", 2)
	put(t, a, map[string]row{key("h", "a"): {value: "never"}, key("h", "b"): {"later", later}, key("g", "b"): {"later", later}})
	if err := b.SetEnvs("t", map[string]string{"default_ttl": "1000"}); err != nil {
		t.Fatal(err)
	}
	b.SyncEnvs()
	if _, err := copier.Run(ctx, scan.Table(src), dst, nil, copier.Options{MultiSet: copier.MultiSetOn}, func([]copier.Cursor) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Dump("t", func(r sandbox.Row) error {
		if own := string(r.Value) == "later"; own != (r.Expire == later) || r.Expire == 0 {
			t.Errorf("%q expires at %d", r.Key, r.Expire)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A target that refuses writes with a condition says so at once, and takes them in two steps.
func TestCopyIntoATableThatRefusesConditions(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, src := startTable(ctx, t, "a", 2)
	b, dst := startTable(ctx, t, "b", 2)
	all := rows()
	put(t, a, all)
	put(t, b, map[string]row{key("run", "000"): {value: "theirs"}})
	fault := sandbox.Fault{Kind: sandbox.FaultFail, RPC: "check_and_set", Share: 1, Code: idl.ErrOperationDisabled}
	if _, err := b.Inject(fault); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := copier.Run(ctx, scan.Table(src), dst, nil, copier.Options{Overwrite: copier.OverwriteNever}, func([]copier.Cursor) error { return nil }, nil)
	var write *copier.WriteError
	if !errors.As(err, &write) || !errors.Is(err, idl.ErrOperationDisabled) || !strings.Contains(err.Error(), "never_unatomic") || time.Since(began) > 30*time.Second {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
	result, err := copier.Run(ctx, scan.Table(src), dst, nil, copier.Options{Overwrite: copier.OverwriteNeverUnatomic}, func([]copier.Cursor) error { return nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	delete(all, key("user_old", "name"))
	all[key("run", "000")] = row{value: "theirs"}
	check(t, b, all)
	if result.Rows != uint64(len(all)) || result.Kept < 1 {
		t.Errorf("%d rows, %d kept", result.Rows, result.Kept)
	}
}
