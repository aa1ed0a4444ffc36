package main

import (
	"bytes"
	"iter"
	"maps"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

func only(row sandbox.Row) iter.Seq[sandbox.Row] {
	return func(yield func(sandbox.Row) bool) { yield(row) }
}

// TestRowAboveTheWriteLimit copies a row that is as large as servers accept, and stops at one that is
// a byte larger, naming it: it can only have come there while the limit was another.
func TestRowAboveTheWriteLimit(t *testing.T) {
	t.Parallel()
	s := newStage(t, 10, 100_000, "stopped", "full")
	row := sandbox.Row{Key: pegkey.Encode(nil, []byte("huge"), []byte("one"))}
	row.Value = bytes.Repeat([]byte{'x'}, writeLimit-putFrame-len(row.Key)+1)
	if err := s.a.Load("t", only(row)); err != nil {
		t.Fatal(err)
	}
	cmd, out := s.start(t, "apply", "-auto-approve")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "huge") {
		t.Errorf("exit code %d, want 1 and the key of the row:\n%s", code, out)
	}
	row.Value = row.Value[1:]
	if err := s.a.Load("t", only(row)); err != nil {
		t.Fatal(err)
	}
	cmd, out = s.start(t, "apply", "-auto-approve")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n, err := s.b.Count("t"); n != 11 || err != nil {
		t.Errorf("%d rows on the target, want 11; %v", n, err)
	}
}

// TestStoppedWritersWereNotStopped changes one row of the source while rows are copied, although the
// declaration promises that nobody writes. Whatever the moment, the run must not call the tables equal
// when they are not.
func TestStoppedWritersWereNotStopped(t *testing.T) {
	for _, at := range []int64{1, 500, 1990} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 2000, 100_000, "stopped", "full")
			row := sandbox.Row{Key: pegkey.Encode(nil, []byte("user000777"), nil), Value: []byte("changed meanwhile")}
			// The write happens before a put is answered: nothing is compared by then.
			s.onPut.Store(new(func(n int64) {
				if n == at {
					if err := s.a.Load("t", only(row)); err != nil {
						t.Error(err)
					}
				}
			}))
			for range 2 {
				cmd, out := s.start(t, "apply", "-auto-approve")
				_ = cmd.Wait()
				equal := maps.Equal(dumpOf(s.a, "t"), dumpOf(s.b, "t"))
				if code := cmd.ProcessState.ExitCode(); code == 0 && equal {
					return
				} else if code != 7 && code != 1 || code == 0 {
					t.Fatalf("exit code %d, and the tables are equal: %t\n%s", code, equal, out)
				}
			}
			t.Error("the second run, with nobody writing, did not end well")
		})
	}
}
