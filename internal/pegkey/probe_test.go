package pegkey

import (
	"math"
	"strings"
	"testing"
)

func TestProbeKey(t *testing.T) {
	const prefix = "pegmigrate.probe."
	for _, count := range []int32{1, 2, 3, 4, 64, 1000, 4096} {
		for partition := range min(count, 70) {
			key := ProbeKey(prefix, partition, count)
			if !strings.HasPrefix(string(key), prefix) {
				t.Fatalf("ProbeKey(%d, %d) = %q", partition, count, key)
			}
			if got := Partition(Hash(key, nil), count); got != partition {
				t.Errorf("ProbeKey(%d, %d) = %q, in partition %d", partition, count, key, got)
			}
			if again := ProbeKey(prefix, partition, count); string(again) != string(key) {
				t.Errorf("ProbeKey(%d, %d) = %q, then %q", partition, count, key, again)
			}
		}
	}
	if got := ProbeKey(prefix, 0, 1); string(got) != prefix+"0" {
		t.Errorf("the first number is not taken: %q", got)
	}
}

func TestProbeKeyRefuses(t *testing.T) {
	for _, c := range []struct{ partition, count int32 }{
		{0, 0}, {0, -1}, {-1, 4}, {4, 4}, {math.MaxInt32, math.MaxInt32}, {0, math.MinInt32},
	} {
		if got := ProbeKey("p", c.partition, c.count); got != nil {
			t.Errorf("ProbeKey(%d, %d) = %q", c.partition, c.count, got)
		}
	}
	if got := ProbeKey(strings.Repeat("x", MaxHashKey), 0, 1); got != nil {
		t.Errorf("a prefix that leaves no room gives %d bytes", len(got))
	}
}
