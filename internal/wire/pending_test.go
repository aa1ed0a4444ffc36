package wire

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestPendingAgainstMap holds the ring to what a map does, with ids that run over
// the end of their range and calls that stay for long.
func TestPendingAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pending
		model := make(map[int32]*Call)
		seq := rapid.SampledFrom([]int32{0, math.MaxInt32 - 300}).Draw(t, "start")
		for range rapid.IntRange(1, 2000).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "op") < 6 {
				if seq == math.MaxInt32 {
					seq = 0
				}
				seq++
				c := &Call{seq: seq}
				p.add(c)
				model[seq] = c
			} else {
				at := rapid.Int32Range(max(seq-700, -1), seq).Draw(t, "take")
				if got := p.take(at); got != model[at] {
					t.Fatalf("take(%d) = %v, want %v", at, got, model[at])
				}
				delete(model, at)
			}
		}
		n := 0
		p.each(func(c *Call) {
			if model[c.seq] != c {
				t.Fatalf("each gives %d", c.seq)
			}
			p.remove(c.seq)
			n++
		})
		if n != len(model) || p.n != 0 {
			t.Fatalf("each gave %d of %d calls, %d left", n, len(model), p.n)
		}
	})
}
