package pegkey

import (
	"bytes"
	"hash/crc64"
	"testing"

	"pgregory.net/rapid"
)

func TestHashVectors(t *testing.T) {
	// Computed outside of this project from the definition in src/utils/crc.cpp.
	for key, want := range map[string]uint64{
		"":          0x0,
		"a":         0x8c2f8445b4cbfc3c,
		"hello":     0x3377857006524257,
		"123456789": 0xae8b14860a799888,
		"hash_key":  0x65641f36e9f6a96d,
	} {
		if got := Hash([]byte(key), []byte("ignored")); key != "" && got != want {
			t.Errorf("Hash(%q) = %#x, want %#x", key, got, want)
		}
		if got := Hash(nil, []byte(key)); got != want {
			t.Errorf("Hash of sort key %q = %#x, want %#x", key, got, want)
		}
		if got := HashRaw(Encode(nil, nil, []byte(key))); got != want {
			t.Errorf("HashRaw of sort key %q = %#x, want %#x", key, got, want)
		}
	}
}

func TestHashEqualsStandardLibrary(t *testing.T) {
	table := crc64.MakeTable(hashPoly)
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "p")
		if got, want := crc64Sum(p), crc64.Checksum(p, table); got != want {
			t.Fatalf("crc64Sum = %#x, want %#x", got, want)
		}
	})
}

func TestHashRawOfMalformedKeys(t *testing.T) {
	for _, raw := range [][]byte{nil, {}, {0}, {0, 1}, {0xff, 0xff, 1, 2}} {
		if got := HashRaw(raw); got != 0 {
			t.Errorf("HashRaw(%x) = %#x", raw, got)
		}
	}
}

func TestPartition(t *testing.T) {
	for _, c := range []struct {
		hash  uint64
		count int32
		want  int32
	}{
		{0, 1, 0}, {7, 4, 3}, {1<<64 - 1, 8, 7}, {1<<64 - 1, 1, 0},
		{10, 3, 1}, {1 << 63, 1<<31 - 1, int32((1 << 63) % (1<<31 - 1))},
		{5, 0, 0}, {5, -3, 0},
	} {
		if got := Partition(c.hash, c.count); got != c.want {
			t.Errorf("Partition(%d, %d) = %d, want %d", c.hash, c.count, got, c.want)
		}
	}
}

func BenchmarkHashRaw(b *testing.B) {
	raw := Encode(nil, bytes.Repeat([]byte("user"), 6), []byte("sort"))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		HashRaw(raw)
	}
}
