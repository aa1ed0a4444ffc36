package pegkey

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashKey := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "hash key")
		sortKey := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "sort key")
		dst := []byte("kept")
		raw := Encode(dst, hashKey, sortKey)[len(dst):]
		gotHash, gotSort, err := Decode(raw)
		if err != nil || !bytes.Equal(gotHash, hashKey) || !bytes.Equal(gotSort, sortKey) {
			t.Fatalf("Decode(%x) = %x, %x, %v", raw, gotHash, gotSort, err)
		}
		if HashRaw(raw) != Hash(hashKey, sortKey) {
			t.Fatalf("HashRaw and Hash differ for %x", raw)
		}
	})
}

func TestKeyLimits(t *testing.T) {
	longest := make([]byte, MaxHashKey)
	raw := Encode(nil, longest, []byte("s"))
	hashKey, sortKey, err := Decode(raw)
	if err != nil || len(hashKey) != MaxHashKey || string(sortKey) != "s" {
		t.Errorf("the longest hash key: %d, %q, %v", len(hashKey), sortKey, err)
	}
	for _, n := range []int{MaxHashKey + 1, MaxHashKey + 2} {
		if got := Encode([]byte("kept"), make([]byte, n), nil); string(got) != "kept" {
			t.Errorf("a hash key of %d bytes appends %d bytes", n, len(got)-4)
		}
	}
	// 0xffff is refused by servers even when the bytes are there.
	tooLong := binary.BigEndian.AppendUint16(nil, 0xffff)
	if _, _, err := Decode(append(tooLong, make([]byte, 0xffff)...)); !errors.Is(err, ErrMalformedKey) {
		t.Errorf("hash key length 65535: %v", err)
	}
}

func TestDecodeDoesNotLetTheHashKeyGrowIntoTheSortKey(t *testing.T) {
	raw := Encode(nil, []byte("h"), []byte("sort"))
	hashKey, sortKey, err := Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(hashKey, 'X')
	if string(sortKey) != "sort" {
		t.Errorf("append to the hash key changed the sort key to %q", sortKey)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte("\x00\x07user000s1"))
	f.Add([]byte("\x00\x00sort"))
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		hashKey, sortKey, err := Decode(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformedKey) || HashRaw(raw) != 0 {
				t.Errorf("Decode(%x): %v", raw, err)
			}
			return
		}
		if again := Encode(nil, hashKey, sortKey); !bytes.Equal(again, raw) {
			t.Errorf("%x encodes to %x", raw, again)
		}
		if p := Partition(HashRaw(raw), 8); p < 0 || p > 7 {
			t.Errorf("partition %d of 8", p)
		}
	})
}
