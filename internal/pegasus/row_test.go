package pegasus

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Neighbours on both sides, one of them with the key as its prefix, must not be taken for the row.
func TestRowReadsOneKeyWithItsExpiry(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	k.fill(0, row("a", "1"), row("aaa", "3"), Row{Key: row("b", "").Key, Value: []byte("2"), Expire: 77})
	k.rows[0][string(row("b", "").Key)+"x"] = Row{Key: append(row("b", "").Key, 'x'), Value: []byte("4")}
	tab := k.table()
	got, found, err := tab.Row(t.Context(), row("b", "").Key)
	if err != nil || !found || string(got.Value) != "2" || got.Expire != 77 {
		t.Fatalf("%+v, %v, %v", got, found, err)
	}
	if _, found, err := tab.Row(t.Context(), row("aa", "").Key); found || err != nil {
		t.Errorf("a missing row: %v, %v", found, err)
	}
	if len(k.contexts) != 0 {
		t.Errorf("%d contexts are left", len(k.contexts))
	}
	// An answer that was cut short says nothing about the row.
	n := 0
	k.scanHook(func(i int, r *request) bool {
		n = i
		if i > 2 {
			return false
		}
		r.reply(&idl.ScanResponse{Error: idl.StatusIncomplete})
		return true
	})
	if _, found, err := tab.Row(t.Context(), row("a", "").Key); !found || err != nil || n != 3 {
		t.Errorf("after answers that were cut short: %v, %v, %d requests", found, err, n)
	}
}
