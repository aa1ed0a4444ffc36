package actuate

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// A table that stops being the one that was opened while its rows are read, without any request that fails: its
// servers go on answering for its id, as those of a table that is split go on answering for its parents.
func TestTableThatChangesWithoutAFailedRequest(t *testing.T) {
	report := func(event.MoveProgress) {}
	for name, work := range map[string]func(w *liveWorld) error{
		"copy": func(w *liveWorld) error {
			_, err := w.live.engine.Copy(t.Context(), apply.CopyJob{Source: ref(), Target: west(), Report: report,
				Save: func(map[string]json.RawMessage) error { return nil }})
			return err
		},
		"verify": func(w *liveWorld) error {
			_, err := w.live.engine.Verify(t.Context(), apply.VerifyJob{Source: ref(), Target: west(), Report: report})
			return err
		},
		"count": func(w *liveWorld) error {
			_, err := w.live.engine.Verify(t.Context(), apply.VerifyJob{Source: ref(), Target: west(), Mode: "count", Report: report})
			return err
		},
		"sample": func(w *liveWorld) error {
			_, err := w.live.Sample(t.Context(), Comparison{Source: ref(), Target: west(), Report: report}, 0.5)
			return err
		},
		"catch up": func(w *liveWorld) error {
			_, err := w.catchUp(apply.CatchUpJob{})
			return err
		},
		"compare at rest": func(w *liveWorld) error {
			_, err := w.live.CompareLive(t.Context(), apply.LiveJob{Source: ref(), Target: west(), Still: true, Report: report})
			return err
		},
		"compare": func(w *liveWorld) error {
			_, err := w.live.Compare(t.Context(), Comparison{Source: ref(), Target: west(), Report: report})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveWorld(t, sandbox.Config{}, 4)
			if err := work(w); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			east, err := w.live.engine.clusters.cluster("east")
			if err != nil {
				t.Fatal(err)
			}
			// Envs are read by name where default_ttl matters: the name has to lead somewhere.
			if err := east.RenameTable(t.Context(), ref().Table, "elsewhere"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.east.CreateTable(sandbox.TableSpec{Name: ref().Table, Partitions: 8}); err != nil {
				t.Fatal(err)
			}
			var changed *pegasus.TableChangedError
			if err := work(w); !errors.As(err, &changed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What was found of tables that were dropped and made again since proves nothing.
func TestComparisonOfOtherTablesIsNotGoneOnWith(t *testing.T) {
	for name, tc := range map[string]struct {
		tables string
		units  int
	}{
		"the same":           {`"tables":[3,4],`, 1},
		"another target":     {`"tables":[3,5],`, 0},
		"another source":     {`"tables":[2,4],`, 0},
		"an older program's": {``, 1},
	} {
		job := Comparison{Before: json.RawMessage(`{"version":1,` + tc.tables + `"units":[{"version":1,"unit":0,"units":4}]}`)}
		kept, err := job.before([2]int32{3, 4})
		if err != nil || len(kept.Units) != tc.units || kept.Tables != [2]int32{3, 4} {
			t.Errorf("%s: %+v, %v", name, kept, err)
		}
	}
}
