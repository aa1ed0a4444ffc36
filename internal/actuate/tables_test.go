package actuate

import (
	"errors"
	"testing"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
)

func TestNewestTableOfAName(t *testing.T) {
	table := func(id int32, name, status string) pegasus.TableInfo {
		return pegasus.TableInfo{ID: id, Name: name, Status: status}
	}
	for name, c := range map[string]struct {
		list []pegasus.TableInfo
		want int32
	}{
		"none":                      {[]pegasus.TableInfo{table(1, "other", "AVAILABLE")}, 0},
		"dropped":                   {[]pegasus.TableInfo{table(1, "t", "DROPPED")}, 0},
		"again after a drop":        {[]pegasus.TableInfo{table(1, "t", "DROPPED"), table(5, "t", "AVAILABLE")}, 5},
		"again while being dropped": {[]pegasus.TableInfo{table(1, "t", "DROPPING"), table(5, "t", "CREATING")}, 5},
		"recalled":                  {[]pegasus.TableInfo{table(1, "t", "AVAILABLE"), table(5, "t", "DROPPED")}, 1},
	} {
		if got, ok := newest(c.list, "t"); got.ID != c.want || ok != (c.want != 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestShortNames(t *testing.T) {
	got := shortNames(map[string]float64{"replica1*app.pegasus*rdb.estimate_num_keys@7.0": 3, "plain": 4})
	if len(got) != 2 || got["rdb.estimate_num_keys@7.0"] != 3 || got["plain"] != 4 {
		t.Error(got)
	}
}

func TestChangeOfEnvsThatIsRefused(t *testing.T) {
	_, clusters := open(t, sandbox.Config{})
	tables := NewTables(clusters)
	for key, value := range map[string]string{plan.EnvDeny: "nonsense", "no.such.env": "1"} {
		if err := tables.SetEnvs(t.Context(), ref(), map[string]string{key: value}); !errors.Is(err, apply.ErrRefused) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
	if err := tables.SetEnvs(t.Context(), ref(), map[string]string{plan.EnvBusinessInfo: `{"a":"b,c=d"}`}); err != nil {
		t.Error(err)
	}
	if err := tables.DeleteEnvs(t.Context(), ref(), []string{plan.EnvBusinessInfo, plan.EnvDeny}); err != nil {
		t.Error(err)
	}
}
