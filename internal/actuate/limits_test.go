package actuate

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

func TestSmallestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   int
	}{
		"nobody tells":      {[]string{"", "no number", "-1"}, 0},
		"the default":       {[]string{"1048576", "1048576"}, 1 << 20},
		"mixed":             {[]string{"4194304", "", "65536"}, 65536},
		"0 is no limit":     {[]string{"0", "0"}, noLimit},
		"0 and a limit":     {[]string{"0", "2097152"}, 2 << 20},
		"above what counts": {[]string{"18446744073709551615"}, noLimit},
	} {
		if got := smallestLimit(c.values); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestMaxWriteIsRead(t *testing.T) {
	_, clusters := open(t, sandbox.Config{})
	if got := NewEngine(clusters, nil).maxWrite(t.Context(), ref()); got != 1<<20 {
		t.Errorf("%d", got)
	}
}

func TestSyncIntervalIsTheLongest(t *testing.T) {
	s, clusters := open(t, sandbox.Config{})
	got, err := NewFences(clusters).SyncInterval(t.Context(), ref().Cluster)
	if want := s.Timing().ConfigSync; err != nil || got.Milliseconds() != want.Milliseconds() {
		t.Errorf("%v instead of %v: %v", got, want, err)
	}
	if configSync("") != defaultConfigSync || configSync("0") != defaultConfigSync || configSync("5000").Seconds() != 5 {
		t.Error("a node that does not tell counts as one with the default")
	}
}
