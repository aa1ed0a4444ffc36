package sst

import (
	"encoding/hex"
	"testing"
)

// rocksBlock is the data block of a table with the rows a=1, b=2, c=3, as RocksDB 7.8.3 wrote it, with the byte that says
// that it is not compressed. Behind it stands the checksum.
const rocksBlock = "00090161010000000000000031" + "00090162010000000000000032" + "00090163010000000000000033" + "0000000001000000" + "00"

// TestChecksumsOfRocksDB: every kind of sum over the same block.
func TestChecksumsOfRocksDB(t *testing.T) {
	for kind, sum := range map[checksumType]string{
		checksumNone: "00000000", checksumCRC32c: "ae6c88f0", checksumXXH32: "11ad5822", checksumXXH64: "b2bf4a46", checksumXXH3: "0e622d07",
	} {
		raw, err := hex.DecodeString(rocksBlock + sum)
		if err != nil {
			t.Fatal(err)
		}
		if err := kind.verify(raw); err != nil || !kind.known() {
			t.Errorf("type %d: %v", kind, err)
		}
		for at := range raw {
			raw[at] ^= 0x10
			if err := kind.verify(raw); (CodeOf(err) != CodeDamaged) != (kind == checksumNone) {
				t.Errorf("type %d with byte %d changed: %v", kind, at, err)
			}
			raw[at] ^= 0x10
		}
		if err := kind.verify(raw[:blockTrailerSize-1]); CodeOf(err) != CodeDamaged {
			t.Errorf("type %d without room for a trailer: %v", kind, err)
		}
	}
	if checksumType(5).known() {
		t.Error("there is no checksum of type 5")
	}
	if checksumXXH3.sum(nil) != 0 {
		t.Error("XXH3 of nothing is 0 in RocksDB")
	}
}

// TestXXH32 with the values of the reference implementation: below and above its stripes of 16 bytes.
func TestXXH32(t *testing.T) {
	for text, want := range map[string]uint32{
		"": 0x02cc5d05, "a": 0x550d7456, "abc": 0x32d153ff, "Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := xxh32([]byte(text)); got != want {
			t.Errorf("%q: %#x instead of %#x", text, got, want)
		}
	}
}
