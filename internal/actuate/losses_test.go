package actuate

import (
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/plan"
)

// What servers up to 2.5 lost is added up once per period, what later ones keep is taken as it is.
func TestLossesAddUp(t *testing.T) {
	at := func(second int64, kept bool, n float64) pegasus.LossCounts {
		return pegasus.LossCounts{At: time.Unix(second, 0), Kept: kept, Partitions: map[int32]float64{1: n}}
	}
	var forgets, keeps lostOn
	for i, step := range []struct {
		now  pegasus.LossCounts
		want float64
	}{{at(10, false, 3), 3}, {at(10, false, 3), 3}, {at(20, false, 0), 3}, {at(30, false, 3), 6}, {at(30, false, 4), 10}} {
		if forgets = forgets.plus(step.now); forgets.sum != step.want {
			t.Errorf("%d: %v, want %v", i, forgets.sum, step.want)
		}
	}
	for i, n := range []float64{5, 5, 7, 0} {
		if keeps = keeps.plus(at(int64(i), true, n)); keeps.sum != n {
			t.Errorf("%d: %v, want %v", i, keeps.sum, n)
		}
	}
}

func TestLossOfACluster(t *testing.T) {
	w := newDupWorld(t, nil)
	w.ship()
	got, err := w.dups.Lost(t.Context(), ref())
	if err != nil || got != (apply.Loss{}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.dups.Lost(t.Context(), plan.TableRef{Cluster: "south", Table: "t"}); !errors.Is(err, apply.ErrRefused) {
		t.Error(err)
	}
	if _, err := w.dups.Lost(t.Context(), plan.TableRef{Cluster: "east", Table: "none"}); err == nil {
		t.Error("a table that is not there has lost nothing")
	}
}
