package apply_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

func indexTable() plan.TableRef {
	return plan.TableRef{Cluster: target().Cluster, Table: target().Table + "_geo"}
}

// fakeIndexes has a row "@key" for every row but those whose value is "nowhere".
type fakeIndexes struct{ w *fakeWorld }

func (f fakeIndexes) Build(ctx context.Context, job apply.IndexJob) error {
	for p := range f.w.table(job.Table).partitions {
		var c fakeCursor
		if data := job.Cursors[strconv.Itoa(int(p))]; data != nil {
			if err := json.Unmarshal(data, &c); err != nil {
				return err
			}
		}
		for !c.Done {
			if err := f.batch(ctx, job, p, &c); err != nil {
				return err
			}
			data, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if err := job.Save(map[string]json.RawMessage{strconv.Itoa(int(p)): data}); err != nil {
				return err
			}
			job.Report(event.MoveProgress{Kind: "copy", Rows: c.Rows})
		}
	}
	return nil
}

func (f fakeIndexes) batch(ctx context.Context, job apply.IndexJob, p int32, c *fakeCursor) error {
	if !sleep(ctx, f.w.batchTime) {
		return ctx.Err()
	}
	return f.w.around(ctx, call{name: "index", table: job.Index, detail: fmt.Sprint(" partition ", p), changes: true}, func() error {
		src, err := f.w.find(job.Table)
		if err != nil {
			return err
		}
		dst, err := f.w.find(job.Index)
		if err != nil {
			return err
		}
		keys := keysOf(src, p, c.After)
		c.Done = len(keys) <= batchRows
		for _, k := range keys[:min(len(keys), batchRows)] {
			switch {
			case src.rows[k].Value != "nowhere":
				if err := dst.put("@"+k, src.rows[k]); err != nil {
					return err
				}
			case !job.Geo.Skip:
				return fmt.Errorf("%s: %w", k, apply.ErrNoPosition)
			}
			c.After, c.Rows = k, c.Rows+1
		}
		return nil
	})
}

func (f fakeIndexes) Prove(ctx context.Context, job apply.IndexJob) (out apply.IndexOutcome, err error) {
	if !sleep(ctx, f.w.verifyTime) {
		return out, ctx.Err()
	}
	return out, f.w.around(ctx, call{name: "prove", table: job.Index}, func() error {
		src, err := f.w.find(job.Table)
		if err != nil {
			return err
		}
		dst, err := f.w.find(job.Index)
		if err != nil {
			return err
		}
		want := entriesOf(src.rows)
		out.Rows, out.Held, out.Unplaced = uint64(len(src.rows)), uint64(len(dst.rows)), uint64(len(src.rows)-len(want))
		if !maps.Equal(want, dst.rows) {
			out.Differences, out.Differing = 1, []int32{3}
		}
		return nil
	})
}

func entriesOf(rows map[string]fakeRow) map[string]fakeRow {
	out := map[string]fakeRow{}
	for k, r := range rows {
		if r.Value != "nowhere" {
			out["@"+k] = r
		}
	}
	return out
}

// newIndexScene is a fenced copy with an index.
func newIndexScene(t *testing.T) *scene {
	s := newScene(t, schema.SourceWritesFenced)
	s.decl.Method = &schema.CopyMethod{SourceWrites: schema.SourceWritesFenced, CopyOptions: schema.CopyOptions{
		Geo: &schema.Geo{LatitudeIndex: 5, LongitudeIndex: 4, MinLevel: 12, OnUndecodable: schema.UndecodableFail}}}
	s.observe = func(f *plan.Facts) { f.Index = &plan.IndexFacts{} }
	return s
}

// indexed checks the end: the index has what it should, and the envs of the target came after it.
func (s *scene) indexed() {
	s.t.Helper()
	index, table := s.world.table(indexTable()), s.world.table(target())
	if index == nil || table == nil {
		s.t.Fatalf("tables are missing\n%s", s.story())
	}
	if diff := cmp.Diff(entriesOf(table.rows), index.rows); diff != "" {
		s.t.Errorf("index (-want +got)\n%s\n%s", diff, s.story())
	}
	if table.envs[plan.EnvDefaultTTL] != "86400" || len(index.envs) != 0 {
		s.t.Errorf("envs of the target %v, of the index %v", table.envs, index.envs)
	}
	if doc := s.document(); doc.Outcome != state.OutcomeDone {
		s.t.Errorf("outcome %q\n%s", doc.Outcome, s.story())
	}
}

// TestIndexCrashEverywhere kills apply at every point, applies again, and expects the index.
func TestIndexCrashEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 150, 24, func(t *testing.T, k int) bool {
		s := newIndexScene(t)
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			s.indexed()
			return false
		}
		s.reboot(k)
		if doc := s.document(); doc == nil || doc.Outcome == state.OutcomeOpen {
			s.must(s.apply(t.Context()))
		}
		s.indexed()
		return true
	})
}

// takesIndexBack rolls back and expects that the index is gone.
func (s *scene) takesIndexBack() {
	s.t.Helper()
	s.must(s.rollback(s.t.Context()))
	if s.world.table(indexTable()) != nil {
		s.t.Errorf("the index is left\n%s", s.story())
	}
}

// TestIndexRollbackEverywhere kills apply at every point and rolls back: neither table is left.
func TestIndexRollbackEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 150, 24, func(t *testing.T, k int) bool {
		s := newIndexScene(t)
		before := s.show()
		killed, _ := s.killedAt(k, s.apply)
		if !killed {
			return false
		}
		s.reboot(k)
		if doc := s.document(); doc == nil || doc.Outcome != state.OutcomeOpen || doc.Step("disown").Attempts > 0 {
			return true
		}
		s.takesIndexBack()
		s.same(before)
		return true
	})
}

// seesIndex has facts tell what the world has of the index.
func (s *scene) seesIndex() {
	s.observe = func(f *plan.Facts) { f.Index = &plan.IndexFacts{Table: tableFacts(s.world.table(indexTable()))} }
}

// TestIndexAdoptEverywhere kills apply at every point and loses the state file: the rebuilt one makes the index, or takes
// it away again.
func TestIndexAdoptEverywhere(t *testing.T) {
	t.Parallel()
	everywhere(t, 150, 48, func(t *testing.T, k int) bool {
		s := newIndexScene(t)
		s.seesIndex()
		time.Sleep(2 * syncInterval)
		before := s.show()
		killed, err := s.killedAt(k, s.apply)
		if !killed {
			s.must(err)
			s.indexed()
			return false
		}
		s.reboot(k)
		if !s.adopt() {
			return true
		}
		if k%2 == 0 {
			s.must(s.apply(t.Context()))
			s.indexed()
			return true
		}
		s.takesIndexBack()
		s.rolledBack(before)
		return true
	})
}

// TestIndexOfSomebodyElseIsNotAdopted: one that has rows and no marker of the lost run, or that of another one.
func TestIndexOfSomebodyElseIsNotAdopted(t *testing.T) {
	for name, change := range map[string]func(*fakeTable){
		"rows, no marker": func(t *fakeTable) { delete(t.envs, marker.Env) },
		"another run's": func(t *fakeTable) {
			t.envs[marker.Env] = strings.Replace(t.envs[marker.Env], `"lineage":"1`, `"lineage":"9`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newIndexScene(t)
				s.seesIndex()
				s.waits.Transient = 0
				s.world.hook = func(_ context.Context, c call) error {
					if c.name == "prove" && !c.after {
						return errors.New("not now")
					}
					return nil
				}
				if err := s.apply(t.Context()); err == nil {
					t.Fatal("not stopped")
				}
				s.world.mu.Lock()
				change(s.world.clusters[indexTable().Cluster].tables[indexTable().Table])
				s.world.mu.Unlock()
				m, err := marker.Parse(s.world.table(source()).envs[marker.Env])
				s.must(err)
				p, doc, err := apply.Adopt(s.decl, s.facts(), m, "test")
				s.must(err)
				if doc != nil || !slices.ContainsFunc(p.Checks, func(c plan.Check) bool { return c.Code == plan.CodeIndexExists }) {
					t.Errorf("adopted: %+v", p.Checks)
				}
			})
		})
	}
}

// TestIndexOfRowsWithoutPosition: they end the run, or are told of.
func TestIndexOfRowsWithoutPosition(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newIndexScene(t)
		s.world.table(source()).rows["k07"] = fakeRow{Value: "nowhere"}
		s.stepError(s.apply(t.Context()), apply.CodeIndex)
		if n := len(s.world.table(target()).rows); n != 24 {
			t.Errorf("%d rows are copied", n)
		}
		s.change(func(d *state.Document) {
			d.Plan.Data = json.RawMessage(strings.Replace(string(d.Plan.Data), `"min_level":12`, `"min_level":12,"skip":true`, 1))
		})
		s.must(s.apply(t.Context()))
		s.indexed()
		s.warned(apply.CodeIndex, "1 row of "+target().String())
	})
}

// TestIndexThatDiffers: what is missing or wrong is written again by the next run, what is too many has to go by hand.
func TestIndexThatDiffers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newIndexScene(t)
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "prove" && !c.after {
				s.world.mu.Lock()
				defer s.world.mu.Unlock()
				delete(s.world.clusters[indexTable().Cluster].tables[indexTable().Table].rows, "@k03")
			}
			return nil
		}
		var differ *apply.DifferencesError
		if err := s.apply(t.Context()); !errors.As(err, &differ) || !strings.Contains(err.Error(), "holds 23 rows, and 24 rows") {
			t.Fatalf("got %v\n%s", err, s.story())
		}
		s.world.hook = nil
		s.must(s.apply(t.Context()))
		s.indexed()
	})
}

// TestIndexTableOfSomebodyElse: one that was made again, and one that would stamp rows.
func TestIndexTableOfSomebodyElse(t *testing.T) {
	for name, tt := range map[string]struct {
		code   string
		change func(*fakeTable)
	}{
		"another id":    {apply.CodeTargetStolen, func(t *fakeTable) { t.id += 7 }},
		"a default_ttl": {apply.CodeTTL, func(t *fakeTable) { t.envs[plan.EnvDefaultTTL] = "60" }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newIndexScene(t)
				s.sink = func(e event.Event) {
					if e, ok := e.(event.StepStarted); ok && e.Step == "build-index" {
						s.world.mu.Lock()
						defer s.world.mu.Unlock()
						tt.change(s.world.clusters[indexTable().Cluster].tables[indexTable().Table])
					}
				}
				s.stepError(s.apply(t.Context()), tt.code)
				if n := len(s.world.table(indexTable()).rows); n != 0 {
					t.Errorf("%d rows were written into it", n)
				}
			})
		})
	}
}

// TestIndexOfRowsThatWereMended: a source that stays fenced, a fence that leaked while nobody was at work, and rows
// that are compared and mended again: the index follows.
func TestIndexOfRowsThatWereMended(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newIndexScene(t)
		s.decl.After.Source = schema.AfterKeepFenced
		s.world.hook = func(_ context.Context, c call) error {
			if c.name == "SetEnvs" && c.table == target() && s.done("build-index") {
				return errors.New("not now")
			}
			return nil
		}
		s.waits.Transient = 0
		if err := s.apply(t.Context()); err == nil || !s.done("build-index") {
			t.Fatalf("%v\n%s", err, s.story())
		}
		s.world.hook = nil
		// What a leak leads to: the comparison is done again, and mends.
		s.world.mu.Lock()
		row := fakeRow{Value: "leaked"}
		s.world.clusters[source().Cluster].tables[source().Table].rows["k03"] = row
		s.world.clusters[target().Cluster].tables[target().Table].rows["k03"] = row
		s.world.mu.Unlock()
		s.change(func(d *state.Document) { d.Step("verify").Status = state.Pending })
		s.must(s.apply(t.Context()))
		s.world.mu.Lock()
		got := s.world.clusters[indexTable().Cluster].tables[indexTable().Table].rows["@k03"]
		s.world.mu.Unlock()
		if got != row {
			t.Errorf("the index has %+v\n%s", got, s.story())
		}
	})
}

// done says whether a step is recorded as done.
func (s *scene) done(step string) bool {
	doc := s.document()
	return doc != nil && doc.Step(step) != nil && doc.Step(step).Status == state.Done
}
