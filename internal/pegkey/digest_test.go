package pegkey

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// digestRow is a row to digest.
type digestRow struct {
	Key, Value []byte
	Expire     uint32
}

// drawRows draws rows.
func drawRows(t *rapid.T) []digestRow {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) digestRow {
		return digestRow{
			Key:    rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key"),
			Value:  rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "value"),
			Expire: rapid.Uint32().Draw(t, "expire"),
		}
	}), 1, 30).Draw(t, "rows")
}

// digestOf adds all rows.
func digestOf(rows []digestRow) Digest {
	var d Digest
	for _, r := range rows {
		d.Add(r.Key, r.Value, r.Expire)
	}
	return d
}

func TestDigestIgnoresOrderAndSplits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		want := digestOf(rows)
		cut := rapid.IntRange(0, len(rows)).Draw(t, "cut")
		left, right := digestOf(rows[cut:]), digestOf(rows[:cut])
		left.Merge(right)
		if !left.Equal(want) {
			t.Fatalf("merged %+v, want %+v", left, want)
		}
		shuffled := append([]digestRow(nil), rows...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := digestOf(shuffled); !got.Equal(want) || got.Rows != uint64(len(rows)) {
			t.Fatalf("shuffled %+v, want %+v", got, want)
		}
	})
}

func TestDigestSeesEveryChange(t *testing.T) {
	base := []digestRow{{[]byte("k1"), []byte("v1"), 1}, {[]byte("k2"), []byte("v2"), 2}}
	want := digestOf(base)
	for name, rows := range map[string][]digestRow{
		"value":           {{[]byte("k1"), []byte("v1x"), 1}, base[1]},
		"expiry":          {{[]byte("k1"), []byte("v1"), 3}, base[1]},
		"key":             {{[]byte("k3"), []byte("v1"), 1}, base[1]},
		"swapped values":  {{[]byte("k1"), []byte("v2"), 1}, {[]byte("k2"), []byte("v1"), 2}},
		"swapped expiry":  {{[]byte("k1"), []byte("v1"), 2}, {[]byte("k2"), []byte("v2"), 1}},
		"moved border":    {{[]byte("k1v"), []byte("1"), 1}, base[1]},
		"missing row":     base[:1],
		"row twice":       {base[0], base[1], base[1]},
		"another instead": {base[0], base[0]},
	} {
		if got := digestOf(rows); got.Equal(want) {
			t.Errorf("%s: digest is the same", name)
		}
	}
}

func TestDigestCarries(t *testing.T) {
	d := Digest{Lo: 1<<64 - 1, Hi: 1<<64 - 1, Rows: 1}
	d.Merge(Digest{Lo: 1, Rows: 2})
	if d != (Digest{Rows: 3}) {
		t.Errorf("sum is %+v", d)
	}
}

// TestDigestIsStable pins the definition: digests are stored between runs.
func TestDigestIsStable(t *testing.T) {
	var d Digest
	d.Add([]byte("\x00\x04hashsort"), []byte("value"), 345)
	want := Digest{Lo: 0xd81133263b8486d0, Hi: 0xa7db0892b73a2cc3, Rows: 1}
	if d != want {
		t.Errorf("digest is %#v", d)
	}
}

func TestDigestDoesNotAllocate(t *testing.T) {
	var d Digest
	key, value := make([]byte, 32), make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { d.Add(key, value, 7) }); n != 0 {
		t.Errorf("%v allocations per row", n)
	}
}

func BenchmarkDigestAdd(b *testing.B) {
	var d Digest
	key, value := make([]byte, 32), make([]byte, 100)
	b.SetBytes(int64(len(key) + len(value)))
	b.ReportAllocs()
	for b.Loop() {
		d.Add(key, value, 7)
	}
}
