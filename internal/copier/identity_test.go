package copier

import (
	"strings"
	"testing"
)

// A source that was dropped and made again has other rows in front of a cursor, whatever its partitions are.
func TestCopyRefusesCursorsOfAnotherTable(t *testing.T) {
	src := fill(2, 1, 1, 1)
	run := func(cursors []Cursor, id int32) (Result, error) {
		dst := newTarget(1, 1)
		defer dst.close()
		return Run(t.Context(), src, dst, cursors, Options{SourceID: id}, func([]Cursor) error { return nil }, nil)
	}
	first, err := run(nil, 7)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range first.Cursors {
		if c.SourceID != 7 {
			t.Errorf("cursor %+v", c)
		}
	}
	if _, err := run(first.Cursors, 7); err != nil {
		t.Errorf("of the same table: %v", err)
	}
	if _, err := run(first.Cursors, 8); err == nil || !strings.Contains(err.Error(), "with id 7, which has id 8 now") {
		t.Errorf("of another table: %v", err)
	}
	old, err := run([]Cursor{{Version: 2}}, 8) // of a program that took no id down
	if err != nil || old.Cursors[0].SourceID != 8 {
		t.Errorf("of an older program: %+v, %v", old.Cursors, err)
	}
}
