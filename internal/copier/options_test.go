package copier

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/scan/scantest"
)

// match reads a filter.
func match(t *testing.T, s string) rowfilter.Match {
	t.Helper()
	m, err := rowfilter.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mixed is a table with rows of all kinds: with and without hash key, with and without expiry under one
// hash key.
func mixed(partitions int32) *scantest.Table {
	src := scantest.New(partitions)
	for h := range 60 {
		for s := range 7 {
			row := Row{Key: key(fmt.Sprintf("%s_%03d", []string{"user", "order", "x_user"}[h%3], h), fmt.Sprintf("s%d", s)),
				Value: fmt.Appendf(nil, "v%d-%d", h, s)}
			if s%2 == 1 {
				row.Expire = 4_000_000_000
			}
			src.Put(row)
		}
		src.Put(Row{Key: key("", fmt.Sprintf("user_%03d", h)), Value: []byte("no hash key")})
	}
	return src
}

// Filters take exactly the rows that they say, whether the servers know filters or not.
func TestCopyFilters(t *testing.T) {
	for name, f := range map[string]struct{ hash, sort, value string }{
		"hash prefix":     {hash: "prefix:user_"},
		"hash anywhere":   {hash: "anywhere:user_0"},
		"hash postfix":    {hash: "postfix:7"},
		"hash exact":      {hash: "exact:order_001"},
		"no hash key":     {hash: "exact:"},
		"sort exact":      {sort: "exact:s3"},
		"sort and hash":   {hash: "prefix:order", sort: "postfix:2"},
		"value anywhere":  {value: "anywhere:-4"},
		"all three":       {hash: "anywhere:user", sort: "prefix:s", value: "postfix:-1"},
		"nothing matches": {hash: "prefix:nobody"},
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deaf %v", name, deaf), func(t *testing.T) {
				src := mixed(4)
				src.Deaf = deaf
				src.Chaos(1)
				filter := rowfilter.Filter{HashKey: match(t, f.hash), SortKey: match(t, f.sort), Value: match(t, f.value)}
				want := wanted(src)
				all := len(want)
				maps.DeleteFunc(want, func(_ string, row Row) bool {
					hashKey, sortKey, _ := pegkey.Decode(row.Key)
					return !filter.Takes(hashKey, sortKey, row.Value)
				})
				dst := newTarget(2, 1)
				defer dst.close()
				j := newJournal(src, dst)
				j.filter = filter
				opts := quick()
				opts.Filter = filter
				result, err := Run(t.Context(), src, dst, nil, opts, j.save, nil)
				if err != nil {
					t.Fatal(err)
				}
				if d := diff(dst.rows, want); d != "" || len(j.errors) > 0 {
					t.Error(d, j.errors)
				}
				left := uint64(all - len(want))
				if filter.HashKey.Kind == rowfilter.Exact {
					left = 0 // nothing else is read
				}
				if result.Rows != uint64(len(want)) || deaf && result.Filtered != left {
					t.Errorf("%d rows, %d filtered; want %d, %d", result.Rows, result.Filtered, len(want), left)
				}
			})
		}
	}
}

func TestCopyOfSomePartitions(t *testing.T) {
	src := mixed(8)
	dst := newTarget(2, 1)
	defer dst.close()
	j := newJournal(src, dst)
	opts := quick()
	opts.Partitions = []int32{5, 2}
	var last Progress
	result, err := Run(t.Context(), src, dst, nil, opts, j.save, ReporterFunc(func(p Progress) { last = p }))
	if err != nil {
		t.Fatal(err)
	}
	want := wanted(src)
	maps.DeleteFunc(want, func(_ string, row Row) bool {
		p := pegkey.Partition(pegkey.HashRaw(row.Key), 8)
		return p != 2 && p != 5
	})
	if d := diff(dst.rows, want); d != "" || len(j.errors) > 0 {
		t.Error(d, j.errors)
	}
	if len(result.Cursors) != 2 || result.Cursors[0].Partition != 2 || !result.Cursors[1].Done || len(last.Partitions) != 2 || last.PartitionsDone != 2 {
		t.Errorf("%+v, %+v", result.Cursors, last)
	}
	for _, partitions := range [][]int32{{8}, {-1}, {1, 1}} {
		opts.Partitions = partitions
		if _, err := Run(t.Context(), src, dst, nil, opts, j.save, nil); err == nil {
			t.Errorf("%v: accepted", partitions)
		}
	}
	opts.Partitions = []int32{5}
	if _, err := Run(t.Context(), src, dst, j.cursors(), opts, j.save, nil); err == nil || !strings.Contains(err.Error(), "leaves out") {
		t.Errorf("got %v", err)
	}
}

// Without expiry, rows of one hash key share a request whatever their expiries were.
func TestCopyDropsExpiry(t *testing.T) {
	src := scantest.New(1)
	for s := range 20 {
		src.Put(Row{Key: key("h", fmt.Sprintf("%02d", s)), Value: []byte("v"), Expire: uint32(s%3) * 1_500_000_000})
	}
	dst := newTarget(1, 1)
	defer dst.close()
	opts := quick()
	opts.DropTTL, opts.MultiSet = true, MultiSetOn
	result, err := Run(t.Context(), src, dst, nil, opts, newJournal(src, dst).save, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, row := range dst.rows {
		if row.Expire != 0 {
			t.Errorf("%q has expiry %d", k, row.Expire)
		}
	}
	// The first page has 8 rows, the second the others.
	if len(dst.rows) != 20 || dst.multi != 2 || dst.singles != 0 || result.Rows != 20 {
		t.Errorf("%d rows, %d multi_puts, %d puts", len(dst.rows), dst.multi, dst.singles)
	}
}

// Rows with and without expiry under one hash key never share a request.
func TestCopyKeepsExpiriesApart(t *testing.T) {
	for _, how := range []MultiSet{MultiSetAuto, MultiSetOn, MultiSetOff} {
		src := mixed(4)
		for s := range 100 {
			src.Put(Row{Key: key("run", fmt.Sprintf("%03d", s)), Value: []byte("v"), Expire: uint32(s/40) * 1_400_000_000})
		}
		dst := newTarget(2, 1)
		opts := quick()
		opts.MultiSet = how
		if _, err := Run(t.Context(), src, dst, nil, opts, newJournal(src, dst).save, nil); err != nil {
			t.Fatal(err)
		}
		dst.close()
		if d := diff(dst.rows, wanted(src)); d != "" {
			t.Error(d)
		}
		if off := how == MultiSetOff; off != (dst.multi == 0) {
			t.Errorf("%v: %d multi_puts", how, dst.multi)
		}
	}
}

func TestCopyDropsValues(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		src := mixed(4)
		src.Deaf = deaf
		dst := newTarget(2, 1)
		opts := quick()
		opts.DropValue = true
		if _, err := Run(t.Context(), src, dst, nil, opts, func([]Cursor) error { return nil }, nil); err != nil {
			t.Fatal(err)
		}
		dst.close()
		want := wanted(src)
		for k, row := range want {
			row.Value = nil
			want[k] = row
		}
		if d := diff(dst.rows, want); d != "" {
			t.Error(d)
		}
	}
}

// What the target has stays as it is and is counted.
func TestCopyKeepsWhatTheTargetHas(t *testing.T) {
	for _, how := range []Overwrite{OverwriteNever, OverwriteNeverUnatomic} {
		src := mixed(4)
		want := wanted(src)
		dst := newTarget(2, 1)
		kept := 0
		for k, row := range want {
			if bytes.HasSuffix(row.Key, []byte("s3")) {
				row.Value, row.Expire = []byte("theirs"), 0
				want[k], dst.rows[k] = row, row
				kept++
			}
		}
		opts := quick()
		opts.Overwrite = how
		result, err := Run(t.Context(), src, dst, nil, opts, func([]Cursor) error { return nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		dst.close()
		if d := diff(dst.rows, want); d != "" {
			t.Error(d)
		}
		if result.Kept != uint64(kept) || result.Rows != uint64(len(want)) || dst.multi != 0 {
			t.Errorf("kept %d of %d rows, want %d of %d; %d multi_puts", result.Kept, result.Rows, kept, len(want), dst.multi)
		}
	}
}

// A copy does not go on with options that say something else.
func TestCopyRefusesOtherOptions(t *testing.T) {
	src := mixed(1)
	dst := newTarget(2, 1)
	defer dst.close()
	j := newJournal(src, dst)
	opts := quick()
	opts.Overwrite, opts.DropTTL, opts.Filter.HashKey = OverwriteNever, true, match(t, "prefix:user")
	j.filter = opts.Filter
	if _, err := Run(t.Context(), src, dst, nil, opts, j.save, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), src, dst, j.cursors(), opts, j.save, nil); err != nil {
		t.Error(err)
	}
	same := opts
	same.ScanBatch, same.Timeout, same.MultiPutRows = 7, time.Second, 3
	if _, err := Run(t.Context(), src, dst, j.cursors(), same, j.save, nil); err != nil {
		t.Error(err)
	}
	other := opts
	other.DropTTL = false
	_, err := Run(t.Context(), src, dst, j.cursors(), other, j.save, nil)
	var differs *OptionsError
	if !errors.As(err, &differs) || differs.Begun != "hash_key=prefix:user keep_ttl=false overwrite=never" || differs.Now != "hash_key=prefix:user overwrite=never" {
		t.Errorf("got %v", err)
	}
	for _, bad := range []Options{
		{DropValue: true, Filter: rowfilter.Filter{Value: match(t, "prefix:a")}},
		{MultiSet: MultiSetOn, Overwrite: OverwriteNever},
	} {
		if _, err := Run(t.Context(), src, dst, nil, bad, j.save, nil); err == nil {
			t.Errorf("%+v: accepted", bad)
		}
	}
}

// Neighbours share requests where that pays.
func TestCopyMeasuresWhetherToShare(t *testing.T) {
	single, pairs := fill(1, 500, 1, 10).Rows(0), fill(1, 300, 2, 10).Rows(0)
	lonePair := append(append([]Row{}, single[:100]...), fill(1, 1, 2, 10).Rows(0)...)
	for name, c := range map[string]struct {
		o    Options
		rows []Row
		want int
	}{
		"single rows": {rows: single, want: longRun}, "pairs": {rows: pairs, want: 2}, "a lone pair": {rows: lonePair, want: longRun},
		"on": {o: Options{MultiSet: MultiSetOn}, rows: single, want: 2}, "off": {o: Options{MultiSet: MultiSetOff}, rows: pairs, want: never},
		"never": {o: Options{Overwrite: OverwriteNever}, rows: pairs, want: never},
	} {
		if got := c.o.leastShared(c.rows); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// No more multi_puts of one source partition are in flight than declared.
func TestCopyBoundsMultiPutsInFlight(t *testing.T) {
	src := fill(2, 400, 4, 10)
	dst := newTarget(1, 1)
	opts := quick()
	opts.MultiSet, opts.MultiSetConcurrency = MultiSetOn, 3
	if _, err := Run(t.Context(), src, dst, nil, opts, newJournal(src, dst).save, nil); err != nil {
		t.Fatal(err)
	}
	dst.close()
	if d := diff(dst.rows, wanted(src)); d != "" || dst.peak > 2*3+2 || dst.multi < 400 {
		t.Errorf("%s; %d in flight, %d multi_puts", d, dst.peak, dst.multi)
	}
}

// An exact hash key is read where it lies, whatever its bytes; rows nearby are left out.
func TestCopyOfOneHashKey(t *testing.T) {
	hashes := []string{"", "\x00", "\x00\x00", "\x01", "a", "a\x00", "a\x01", "a\xff", "b", "b\x00", "\xff", "\xff\xff", "\xff\xff\xff"}
	for _, hash := range hashes {
		src := scantest.New(3)
		for _, h := range hashes {
			for _, s := range []string{"", "\x00", "s", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
				src.Put(Row{Key: key(h, s), Value: []byte("v")})
			}
		}
		want := wanted(src)
		maps.DeleteFunc(want, func(_ string, row Row) bool {
			h, _, _ := pegkey.Decode(row.Key)
			return string(h) != hash
		})
		read := 0
		src.Visit = func(_ int32, rows int) error { read += rows; return nil }
		src.Deaf = true
		dst := newTarget(1, 1)
		opts := quick()
		opts.Workers, opts.Filter.HashKey = 1, rowfilter.Match{Kind: rowfilter.Exact, Pattern: []byte(hash)}
		result, err := Run(t.Context(), src, dst, nil, opts, func([]Cursor) error { return nil }, nil)
		dst.close()
		if d := diff(dst.rows, want); d != "" || err != nil {
			t.Errorf("%q: %s, %v", hash, d, err)
		}
		if result.Rows != 4 || read > 10 || !result.Cursors[0].Done || !result.Cursors[2].Done {
			t.Errorf("%q: %d rows, %d read, %+v", hash, result.Rows, read, result.Cursors)
		}
	}
}
