package traffic

import "testing"

// TestStale goes through what a read may show while writes come and go.
func TestStale(t *testing.T) {
	k := Key{"h", "s"}
	for name, c := range map[string]struct {
		before, after expectation
		value         []byte
		stale         bool
	}{
		"as acknowledged":          {expectation{k, 5, 5, false}, expectation{k, 5, 5, false}, valueOf(5, 10), false},
		"newer, on its way":        {expectation{k, 6, 5, false}, expectation{k, 6, 5, false}, valueOf(6, 10), false},
		"newer, acknowledged then": {expectation{k, 5, 5, false}, expectation{k, 6, 6, false}, valueOf(6, 10), false},
		"older":                    {expectation{k, 5, 5, false}, expectation{k, 6, 6, false}, valueOf(4, 10), true},
		"somebody else's":          {expectation{k, 5, 5, false}, expectation{k, 5, 5, false}, []byte("x"), true},
		"gone":                     {expectation{k, 5, 5, false}, expectation{k, 5, 5, false}, nil, true},
		"gone, a delete under way": {expectation{k, 6, 5, false}, expectation{k, 6, 5, false}, nil, false},
		"gone, deleted meanwhile":  {expectation{k, 5, 5, false}, expectation{k, 6, 6, true}, nil, false},
		"deleted":                  {expectation{k, 5, 5, true}, expectation{k, 5, 5, true}, nil, false},
		"back from the dead":       {expectation{k, 5, 5, true}, expectation{k, 5, 5, true}, valueOf(4, 10), true},
		"written again":            {expectation{k, 5, 5, true}, expectation{k, 6, 6, false}, valueOf(6, 10), false},
		"old behind a delete":      {expectation{k, 5, 5, true}, expectation{k, 6, 6, false}, valueOf(4, 10), true},
		"never written":            {expectation{k, 0, 0, false}, expectation{k, 0, 0, false}, nil, false},
		"left alone meanwhile":     {expectation{k, 5, 5, false}, expectation{Key{"h2", "s"}, 0, 0, false}, nil, false},
	} {
		if got := stale(c.before, c.after, c.value); got != c.stale {
			t.Errorf("%s: %v", name, got)
		}
	}
	if n := written(valueOf(77, 100)); n != 77 || len(valueOf(77, 100)) != 100 || len(valueOf(77, 1)) != 3 {
		t.Errorf("%d", n)
	}
}
