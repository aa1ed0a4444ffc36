package sandbox

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func TestPutGet(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "demo"})
	first := tc.put("user", "a", "1", 0)
	if first.Error != idl.StatusOK || first.AppID != tc.id || first.Server == "" {
		t.Fatalf("put answered %+v", first)
	}
	if second := tc.put("user", "a", "2", 0); second.Decree <= first.Decree {
		t.Errorf("decree %d after %d", second.Decree, first.Decree)
	}
	if v, st := tc.get("user", "a"); v != "2" || st != idl.StatusOK {
		t.Errorf("get: %q, %v", v, st)
	}
	if _, st := tc.get("user", "b"); st != idl.StatusNotFound {
		t.Errorf("get of a row that is not there: %v", st)
	}
}
