package sandbox

import (
	"bytes"
	"math/bits"
	"slices"
)

// baseRows are the rows of a pattern that one partition has, as bits. Like store it is guarded
// by the partition's lock; it has no snapshots, so a scan sees what is written behind it.
type baseRows struct {
	pattern *pattern
	// slots are those of the partition, perSlot how many rows the largest has.
	first, step, slots int
	perSlot            int64
	present            []uint64
	arena              arena
}

func newBaseRows(p *pattern, index, count int) *baseRows {
	b := &baseRows{pattern: p, first: index, step: count, slots: p.spec.Slots / count, perSlot: p.rowsOf(0)}
	b.present = make([]uint64, (int64(b.slots)*b.perSlot+63)/64)
	if !p.spec.Empty {
		for s := range b.slots {
			for i := range p.rowsOf(b.slot(s)) {
				b.mark(s, i, true)
			}
		}
	}
	return b
}

// slot is the s-th slot of the partition.
func (b *baseRows) slot(s int) int { return b.first + s*b.step }

func (b *baseRows) has(s int, i int64) bool {
	n := int64(s)*b.perSlot + i
	return i < b.perSlot && b.present[n>>6]>>(n&63)&1 == 1
}

func (b *baseRows) mark(s int, i int64, there bool) {
	n := int64(s)*b.perSlot + i
	if word := &b.present[n>>6]; there {
		*word |= 1 << (n & 63)
	} else {
		*word &^= 1 << (n & 63)
	}
}

// locate is pattern.locate for the partition's own slots.
func (b *baseRows) locate(raw []byte) (s int, i int64, ok bool) {
	slot, i, ok := b.pattern.locate(raw)
	if !ok || slot%b.step != b.first {
		return 0, 0, false
	}
	return slot / b.step, i, true
}

// set tells whether the row is as the pattern has it and is kept by its bit. Otherwise the pattern's
// row is gone: the caller stores another one.
func (b *baseRows) set(key, value []byte, expire uint32) bool {
	s, i, ok := b.locate(key)
	if !ok {
		return false
	}
	want := make([]byte, 0, 128)
	want = slices.Grow(want, b.pattern.spec.ValueSize)[:b.pattern.spec.ValueSize]
	b.pattern.fill(want, b.slot(s), i)
	same := expire == 0 && bytes.Equal(want, value)
	b.mark(s, i, same)
	return same
}

// remove forgets the row with this key, if it is there.
func (b *baseRows) remove(key []byte) {
	if s, i, ok := b.locate(key); ok {
		b.mark(s, i, false)
	}
}

// find is store.find.
func (b *baseRows) find(key []byte) (row, bool) {
	s, i, ok := b.locate(key)
	if !ok || !b.has(s, i) {
		return row{}, false
	}
	return newRow(b.pattern.record(&b.arena, (*[patternHash]byte)(key[2:]), b.slot(s), i)), true
}

// len counts the rows.
func (b *baseRows) len() (n int) {
	for _, word := range b.present {
		n += bits.OnesCount64(word)
	}
	return n
}

// baseIter walks up baseRows. Rows of one number stand in the order of their suffixes.
type baseIter struct {
	b     *baseRows
	i     int64
	at    int // in order, of number i
	order []baseKey
	arena arena
}

// baseKey is one key of a number.
type baseKey struct {
	hashKey [patternHash]byte
	slot    int // of the partition
}

// load gets the keys of number i, in order; false behind the last one.
func (it *baseIter) load(i int64) bool {
	it.i, it.at, it.order = i, 0, it.order[:0]
	if i >= it.b.perSlot {
		return false
	}
	for s := range it.b.slots {
		if it.b.has(s, i) {
			k := baseKey{slot: s}
			it.b.pattern.hashKey(&k.hashKey, it.b.slot(s), i)
			it.order = append(it.order, k)
		}
	}
	if len(it.order) > 1 {
		slices.SortFunc(it.order, func(a, b baseKey) int { return bytes.Compare(a.hashKey[:], b.hashKey[:]) })
	}
	return true
}

// settle moves on to a number that has a key left; false at the end.
func (it *baseIter) settle() bool {
	for it.at >= len(it.order) {
		if !it.load(it.i + 1) {
			return false
		}
	}
	return true
}

// seek moves to the first row that is not before a raw key.
func (it *baseIter) seek(raw []byte) bool {
	if !it.load(it.numberFrom(raw)) {
		return false
	}
	for it.settle() {
		if bytes.Compare(it.rawKey(), raw) >= 0 {
			return true
		}
		it.at++
	}
	return false
}

// numberFrom is the last number all of whose predecessors' keys are before a raw key, found by
// bisection.
func (it *baseIter) numberFrom(raw []byte) int64 {
	low, high := int64(0), it.b.perSlot
	for low < high {
		mid := (low + high) / 2
		var k [patternHash]byte
		it.b.pattern.hashKey(&k, it.b.first, mid)
		probe := append([]byte{0, patternHash}, k[:patternDigits]...)
		probe = append(probe, 0xff, 0xff, 0xff)
		if bytes.Compare(probe, raw) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (it *baseIter) rawKey() []byte {
	k := append([]byte{0, patternHash}, it.order[it.at].hashKey[:]...)
	return append(k, patternSort)
}

func (it *baseIter) next() bool {
	it.at++
	return it.settle()
}

func (it *baseIter) item() row {
	k := &it.order[it.at]
	return newRow(it.b.pattern.record(&it.arena, &k.hashKey, it.b.slot(k.slot), it.i))
}
