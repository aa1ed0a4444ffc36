package sst

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// rocksFooters are those that RocksDB 7.8.3 wrote with each format_version, for the same three rows.
func rocksFooters(t testing.TB) map[uint32][]byte {
	t.Helper()
	pad := strings.Repeat("00", footerHandles-5)
	all := map[uint32][]byte{}
	for version, text := range map[uint32]string{
		0: "ab07202916" + pad + "57fb808b247547db",
		1: "01ab07202916" + pad + "01000000f7cff485b741e288",
		2: "01ab07202916" + pad + "02000000f7cff485b741e288",
		3: "01a30720290e" + pad + "03000000f7cff485b741e288",
		4: "01a20720290d" + pad + "04000000f7cff485b741e288",
		5: "01a20720290d" + pad + "05000000f7cff485b741e288",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		all[version] = b
	}
	return all
}

// TestFootersOfRocksDB of every version that is read, with and without what stands in front.
func TestFootersOfRocksDB(t *testing.T) {
	for version, tail := range rocksFooters(t) {
		for _, front := range []string{"", "bytes of a block"} {
			f, err := decodeFooter(append([]byte(front), tail...))
			if err != nil {
				t.Errorf("version %d: %v", version, err)
				continue
			}
			index, size := map[uint32]uint64{3: 14, 4: 13, 5: 13}[version], footerSize
			if index == 0 {
				index = 22
			}
			if version == 0 {
				size = legacyFooterSize
			}
			if f.version != version || f.checksum != checksumCRC32c || f.index != (blockHandle{41, index}) || f.metaIndex.size != 32 || f.size != size {
				t.Errorf("version %d: %+v", version, f)
			}
			if version > 0 && !bytes.Equal(f.append(nil), tail) {
				t.Errorf("version %d is written as %x", version, f.append(nil))
			}
		}
	}
}

// TestFootersThatCannotBe: each with the code that tells whether another tool could read the file.
func TestFootersThatCannotBe(t *testing.T) {
	good := rocksFooters(t)[2]
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	plain := binary.LittleEndian.AppendUint64(bytes.Clone(good[:footerSize-8]), plainMagic)
	for name, test := range map[string]struct {
		tail []byte
		code Code
	}{
		"nothing":        {nil, CodeDamaged},
		"too short":      {good[len(good)-legacyFooterSize+1:], CodeDamaged},
		"without a type": {good[1:], CodeDamaged},
		"another mark":   {change(footerSize-1, 0x89), CodeDamaged},
		"plain table":    {plain, CodeUnsupported},
		"version 6":      {change(footerSize-12, 6), CodeUnsupported},
		"version 2^24":   {change(footerSize-9, 1), CodeUnsupported},
		"checksum 5":     {change(0, 5), CodeUnsupported},
		"no handle":      {append(append(good[:1:1], bytes.Repeat([]byte{0xff}, 40)...), good[41:]...), CodeDamaged},
		"half a handle":  {append(append(append(good[:1:1], 1, 1), bytes.Repeat([]byte{0x80}, 38)...), good[41:]...), CodeDamaged},
	} {
		if f, err := decodeFooter(test.tail); CodeOf(err) != test.code {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

// TestHandleWithin: places beyond the file, also such that overflow.
func TestHandleWithin(t *testing.T) {
	const most = ^uint64(0)
	for _, test := range []struct {
		h    blockHandle
		want bool
	}{
		{blockHandle{0, 0}, true}, {blockHandle{0, 95}, true}, {blockHandle{0, 96}, false}, {blockHandle{95, 0}, true},
		{blockHandle{96, 0}, false}, {blockHandle{50, 45}, true}, {blockHandle{50, 46}, false}, {blockHandle{most, 1}, false},
		{blockHandle{1, most}, false}, {blockHandle{most - 3, 4}, false}, {blockHandle{most, most}, false},
	} {
		if got := test.h.within(100); got != test.want {
			t.Errorf("%+v: %v", test.h, got)
		}
	}
}

// FuzzDecodeFooter: any bytes give a footer or an error with a code; a footer of a later version comes back as it was read.
func FuzzDecodeFooter(f *testing.F) {
	for _, tail := range rocksFooters(f) {
		f.Add(tail)
	}
	f.Fuzz(func(t *testing.T, tail []byte) {
		got, err := decodeFooter(tail)
		if err != nil {
			if CodeOf(err) == "" {
				t.Fatal(err)
			}
			return
		}
		if got.version == 0 {
			return
		}
		again, err := decodeFooter(got.append(nil))
		if err != nil || again != got {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

// TestErrorsNameTheFile, the cause and the code, however they are wrapped.
func TestErrorsNameTheFile(t *testing.T) {
	if inFile(nil, "1.sst") != nil {
		t.Error("no error became one")
	}
	err := fmt.Errorf("partition 3: %w", inFile(damaged("block %d is torn", 7), "000012.sst"))
	if err.Error() != "partition 3: 000012.sst: block 7 is torn" || CodeOf(err) != CodeDamaged {
		t.Error(err)
	}
	if again := inFile(err, "other.sst"); again.Error() != err.Error() {
		t.Error(again)
	}
	io := inFile(fs.ErrNotExist, "CURRENT")
	if CodeOf(io) != CodeIO || !errors.Is(io, fs.ErrNotExist) || io.Error() != "CURRENT: cannot be read: file does not exist" {
		t.Error(io)
	}
	if CodeOf(fs.ErrNotExist) != "" {
		t.Error("an error of another package has no code")
	}
}
