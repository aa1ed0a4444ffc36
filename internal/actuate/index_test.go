package actuate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/copier"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/geo"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

// indexWorld is a cluster with a table of places and an empty index of another partition count.
type indexWorld struct {
	t       *testing.T
	west    *sandbox.Cluster
	indexes *Indexes
	job     apply.IndexJob
}

const (
	places   = 4000
	unplaced = 40
)

// place is the row of a number: every hundredth has no position, every third an expiry.
func place(i int) sandbox.Row {
	r := sandbox.Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "u%d", i/3), fmt.Appendf(nil, "s%d", i)),
		Value: fmt.Appendf(nil, "a|b|c|d|%.6f|%.6f|%d", float64(i%360)-180, float64(i%180)-90+float64(i)/1e5, i)}
	if i%100 == 0 {
		r.Value = fmt.Appendf(nil, "nowhere %d", i)
	}
	if i%3 == 0 {
		r.Expire = pegkey.ExpireTs(time.Now().Add(time.Duration(1+i%50) * time.Hour))
	}
	return r
}

func newIndexWorld(t *testing.T) *indexWorld {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Config{Name: "west", TimeFactor: 300, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	for name, partitions := range map[string]int32{"places": 4, "places_geo": 8} {
		if _, err := s.CreateTable(sandbox.TableSpec{Name: name, Partitions: partitions}); err != nil {
			t.Fatal(err)
		}
		if err := s.WaitHealthy(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Load("places", func(yield func(sandbox.Row) bool) {
		for i := range places {
			if !yield(place(i)) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	c, err := pegasus.Open(ctx, pegasus.Config{Name: "west", MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &indexWorld{t: t, west: s, indexes: NewIndexes(NewClusters(map[string]*pegasus.Cluster{"west": c}), time.Now),
		job: apply.IndexJob{Table: plan.TableRef{Cluster: "west", Table: "places"}, Index: plan.TableRef{Cluster: "west", Table: "places_geo"},
			Geo:    plan.GeoOptions{LatitudeIndex: 5, LongitudeIndex: 4, MinLevel: 12, Skip: true},
			Save:   func(map[string]json.RawMessage) error { return nil },
			Report: func(event.MoveProgress) {}}}
}

func (w *indexWorld) prove() apply.IndexOutcome {
	w.t.Helper()
	out, err := w.indexes.Prove(w.t.Context(), w.job)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// entries are the rows of the index by key.
func (w *indexWorld) entries() map[string]sandbox.Row {
	w.t.Helper()
	out := map[string]sandbox.Row{}
	if err := w.west.Dump("places_geo", func(r sandbox.Row) error {
		r.Key, r.Value = slices.Clone(r.Key), slices.Clone(r.Value)
		out[string(r.Key)] = r
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *indexWorld) load(rows ...sandbox.Row) {
	w.t.Helper()
	if err := w.west.Load("places_geo", slices.Values(rows)); err != nil {
		w.t.Fatal(err)
	}
}

// TestIndexIsBuiltAndProven: every row with a position, no other, and what a proof finds when one is not as it
// should be.
func TestIndexIsBuiltAndProven(t *testing.T) {
	w := newIndexWorld(t)
	if out := w.prove(); out.Differences < places-unplaced || len(out.Differing) != 8 || out.Held != 0 {
		t.Errorf("an empty index is proven: %+v", out)
	}
	if err := w.indexes.Build(t.Context(), w.job); err != nil {
		t.Fatal(err)
	}
	if out := w.prove(); out.Differences != 0 || out.Rows != places || out.Unplaced != unplaced || out.Held != places-unplaced || out.Fleeting != 0 {
		t.Errorf("%+v", out)
	}
	entries := w.entries()
	spec := geo.Spec{LatitudeIndex: 5, LongitudeIndex: 4, MinLevel: 12}
	for i := range places {
		r := place(i)
		key, err := spec.Key(nil, r.Key, r.Value)
		if err != nil {
			continue
		}
		got, ok := entries[string(key)]
		if !ok || string(got.Value) != string(r.Value) || (got.Expire == 0) != (r.Expire == 0) {
			t.Fatalf("the entry of %q is %+v", r.Key, got)
		}
		if back, err := spec.Original(got.Key); err != nil || string(back) != string(r.Key) {
			t.Fatalf("%q leads to %q, %v", got.Key, back, err)
		}
	}
	one := entries[slices.Sorted(maps.Keys(entries))[7]]
	for name, r := range map[string]sandbox.Row{
		"another value":  {Key: one.Key, Value: []byte("changed"), Expire: one.Expire},
		"another expiry": {Key: one.Key, Value: one.Value, Expire: one.Expire + 200_000_000},
		"a row too many": {Key: pegkey.Encode(nil, []byte("0/000000000000"), []byte("x")), Value: []byte("x")},
	} {
		w.load(r)
		if out := w.prove(); out.Differences != 1 || len(out.Differing) != 1 {
			t.Errorf("%s: %+v", name, out)
		}
		if name == "a row too many" {
			c, err := w.indexes.engine.clusters.open(t.Context(), w.job.Index)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Remove(t.Context(), r.Key); err != nil {
				t.Fatal(err)
			}
		}
		w.load(one)
	}
	if out := w.prove(); out.Differences != 0 {
		t.Errorf("put right again: %+v", out)
	}
}

// TestIndexRefusesRowsWithoutPosition: the error names the row, and says what it is.
func TestIndexRefusesRowsWithoutPosition(t *testing.T) {
	w := newIndexWorld(t)
	w.job.Geo.Skip = false
	err := w.indexes.Build(t.Context(), w.job)
	var row *copier.WriteError
	if !errors.Is(err, apply.ErrNoPosition) || !errors.As(err, &row) || !strings.Contains(err.Error(), "no position in the value") {
		t.Errorf("got %v", err)
	}
	w.job.Geo.MinLevel = 30
	if err := w.indexes.Build(t.Context(), w.job); err == nil || errors.Is(err, apply.ErrNoPosition) {
		t.Errorf("a level that is none: %v", err)
	}
	if _, err := w.indexes.Prove(t.Context(), w.job); err == nil {
		t.Error("a level that is none is proven")
	}
}

// TestIndexGoesOn: a build that ends in the middle goes on from its cursors, and writes what was not acknowledged.
func TestIndexGoesOn(t *testing.T) {
	w := newIndexWorld(t)
	w.job.Limits.RowsPerSecond = places / 2
	stop := errors.New("the disk is full")
	cursors := map[string]json.RawMessage{}
	w.job.Save = func(m map[string]json.RawMessage) error {
		maps.Copy(cursors, m)
		return stop
	}
	if err := w.indexes.Build(t.Context(), w.job); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	if n := len(w.entries()); n == 0 || n == places-unplaced || len(cursors) == 0 {
		t.Fatalf("%d entries and %d cursors when it ended", n, len(cursors))
	}
	w.job.Limits.RowsPerSecond = 0
	w.job.Cursors, w.job.Save = cursors, func(map[string]json.RawMessage) error { return nil }
	if err := w.indexes.Build(t.Context(), w.job); err != nil {
		t.Fatal(err)
	}
	if out := w.prove(); out.Differences != 0 || out.Held != places-unplaced {
		t.Errorf("%+v", out)
	}
}

// heard is a copier.Acker and a copier.Target that fails every second row.
type heard struct {
	rows []copier.Row
	acks []error
}

func (h *heard) Acked(_ uint64, err error) { h.acks = append(h.acks, err) }

func (h *heard) Send(_ context.Context, row copier.Row, _ *copier.PutOptions, to copier.Acker, tag uint64) {
	h.rows = append(h.rows, row)
	if strings.HasSuffix(string(row.Value), "bad") {
		to.Acked(tag, errors.New("bad"))
		return
	}
	to.Acked(tag, nil)
}

func (h *heard) SendMulti(context.Context, []byte, []copier.KV, uint32, *copier.PutOptions, copier.Acker, uint64) {
	panic("index rows have no hash key in common")
}

// TestPlacerTakesRowsOfOneHashKey: one acknowledgement for all, with the first error.
func TestPlacerTakesRowsOfOneHashKey(t *testing.T) {
	for name, tt := range map[string]struct {
		skip   bool
		values []string
		rows   int
		err    string
	}{
		"all":                      {false, []string{"1|2", "3|4|x"}, 2, ""},
		"none":                     {false, nil, 0, ""},
		"one is refused":           {false, []string{"1|2", "3|4|bad", "5|6"}, 3, "bad"},
		"one has no position":      {false, []string{"1|2", "here"}, 1, "no position"},
		"one that is skipped":      {true, []string{"1|2", "here", "5|6"}, 2, ""},
		"skipped, another refused": {true, []string{"here", "5|6|bad"}, 1, "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &heard{}
			p := &placer{spec: geo.Spec{LatitudeIndex: 0, LongitudeIndex: 1, MinLevel: 12}, skip: tt.skip, index: h}
			var kvs []copier.KV
			for i, v := range tt.values {
				kvs = append(kvs, copier.KV{SortKey: fmt.Appendf(nil, "s%d", i), Value: []byte(v)})
			}
			p.SendMulti(t.Context(), []byte("h"), kvs, 77, &copier.PutOptions{}, h, 5)
			if len(h.acks) != 1 || len(h.rows) != tt.rows {
				t.Fatalf("%d acknowledgements, %d rows", len(h.acks), len(h.rows))
			}
			if err := h.acks[0]; (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v", err)
			}
			for _, r := range h.rows {
				if r.Expire != 77 {
					t.Errorf("%q expires at %d", r.Key, r.Expire)
				}
			}
		})
	}
}
