package pegkey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestValueLayout(t *testing.T) {
	for _, c := range []struct {
		version int
		raw     string
		want    Value
	}{
		{0, "147e3dda6869", Value{Expire: 0x147e3dda, Data: []byte("hi")}},
		{0, "00000000", Value{Data: []byte{}}},
		{1, "147e3dda0102030405060708" + "6869", Value{Expire: 0x147e3dda, Timetag: 0x0102030405060708, Data: []byte("hi")}},
		// The servers' own empty write: 12 bytes.
		{1, "000000000102030405060708", Value{Timetag: 0x0102030405060708, Data: []byte{}}},
	} {
		raw, err := hex.DecodeString(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeValue(c.version, raw)
		if err != nil || got.Expire != c.want.Expire || got.Timetag != c.want.Timetag || !bytes.Equal(got.Data, c.want.Data) {
			t.Errorf("DecodeValue(%d, %s) = %+v, %v", c.version, c.raw, got, err)
		}
		if again, err := EncodeValue(nil, c.version, got); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("EncodeValue of %s = %x, %v", c.raw, again, err)
		}
	}
}

func TestValueErrors(t *testing.T) {
	for version, size := range map[int]int{0: 3, 1: 11} {
		if _, err := DecodeValue(version, make([]byte, size)); !errors.Is(err, ErrMalformedValue) {
			t.Errorf("%d bytes of version %d: %v", size, version, err)
		}
	}
	for _, version := range []int{-1, 2, 3} {
		if _, err := DecodeValue(version, make([]byte, 20)); !errors.Is(err, ErrDataVersion) {
			t.Errorf("DecodeValue of version %d: %v", version, err)
		}
		if got, err := EncodeValue([]byte("kept"), version, Value{}); !errors.Is(err, ErrDataVersion) || string(got) != "kept" {
			t.Errorf("EncodeValue of version %d: %q, %v", version, got, err)
		}
	}
}

func TestValueRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.IntRange(0, 1).Draw(t, "version")
		v := Value{Expire: rapid.Uint32().Draw(t, "expire"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data")}
		if version == 1 {
			v.Timetag = rapid.Uint64().Draw(t, "timetag")
		}
		raw, err := EncodeValue(nil, version, v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeValue(version, raw)
		if err != nil || got.Expire != v.Expire || got.Timetag != v.Timetag || !bytes.Equal(got.Data, v.Data) {
			t.Fatalf("round trip of %+v gives %+v, %v", v, got, err)
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(0, []byte{})
	f.Add(1, []byte("\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08data"))
	f.Fuzz(func(t *testing.T, version int, raw []byte) {
		v, err := DecodeValue(version, raw)
		if err != nil {
			return
		}
		if again, err := EncodeValue(nil, version, v); err != nil || !bytes.Equal(again, raw) {
			t.Errorf("version %d: %x encodes to %x, %v", version, raw, again, err)
		}
	})
}
