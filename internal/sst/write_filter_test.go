package sst

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"
)

// inFilter asks a filter block as RocksDB's reader does: number of lines and probes from its end.
func inFilter(block []byte, key string) bool {
	tail := block[len(block)-filterTrailer:]
	lines := binary.LittleEndian.Uint32(tail[1:])
	h := filterHash([]byte(key))
	delta := bits.RotateLeft32(h, 15)
	line := block[int(h%lines)*filterLine:][:filterLine]
	for range tail[0] {
		if bit := h % (8 * filterLine); line[bit/8]>>(bit%8)&1 == 0 {
			return false
		}
		h += delta
	}
	return true
}

// TestFilterHash with values of hash_test.cc.
func TestFilterHash(t *testing.T) {
	for text, want := range map[string]uint32{"": 0xbc9f1d34, "\x62": 0xef1345c4, "\xe1\x80\xb9\x32": 0xed21633a} {
		if got := filterHash([]byte(text)); got != want {
			t.Errorf("%q: %#x instead of %#x", text, got, want)
		}
	}
}

// TestFilterHoldsItsKeys, and few others: with ten bits per key about one of a hundred.
func TestFilterHoldsItsKeys(t *testing.T) {
	for _, n := range []int{1, 2, 50, 51, 52, 1000, 20_000} {
		var f filterBuilder
		f.reset(DefaultFilterBits)
		for i := range n {
			f.add(fmt.Appendf(nil, "key %d", i))
		}
		block := f.finish()
		lines := binary.LittleEndian.Uint32(block[len(block)-4:])
		if lines%2 != 1 || int(lines)*filterLine+filterTrailer != len(block) || int(lines)*filterLine*8 < n*DefaultFilterBits {
			t.Errorf("%d keys: %d lines, %d bytes", n, lines, len(block))
		}
		others := 0
		for i := range n {
			if !inFilter(block, fmt.Sprintf("key %d", i)) {
				t.Fatalf("%d keys: key %d is missing", n, i)
			}
			if inFilter(block, fmt.Sprintf("another %d", i)) {
				others++
			}
		}
		if n >= 1000 && others*50 > n {
			t.Errorf("%d keys: %d others seem to be there", n, others)
		}
	}
}

// TestNoFilter where none is wanted, and where keys repeat one hash.
func TestNoFilter(t *testing.T) {
	keys, values := benchRows(100)
	file, _ := written(t, WriterOptions{FilterBits: -1}, keys, values)
	_, metas, props := propsOf(t, file)
	if _, there := props[propFilterPolicy]; there || len(metas) != 1 || props[propFilterSize] != uvarint(0) {
		t.Errorf("metaindex %v, filter %q of %q bytes", metas, props[propFilterPolicy], props[propFilterSize])
	}
	f := filterBuilder{}
	f.reset(DefaultFilterBits)
	f.add([]byte("a"))
	f.add([]byte("a"))
	if len(f.hashes) != 1 {
		t.Errorf("%d hashes of one key", len(f.hashes))
	}
	f.reset(1000)
	if f.bits != maxFilterBits || f.finish() != nil {
		t.Errorf("%d bits", f.bits)
	}
}
