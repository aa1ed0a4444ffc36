package sandbox

import (
	"bytes"
	"encoding/binary"

	"github.com/tidwall/btree"
)

// rowHeader is the size of what precedes the key in a row: expiry and key length.
const rowHeader = 8

// row is one stored row: u32 expiry, u32 key length, key, value. Rows never change
// once stored, so snapshots and replies may read them without a lock.
type row struct {
	// hi and lo are the first 16 bytes of the key as numbers, zeros behind a shorter
	// one: most comparisons end there, without a cache miss on the row itself.
	hi, lo uint64
	rec    []byte
}

// newRow is a row over rec, which holds expiry, key length, key and value.
func newRow(rec []byte) row {
	r := row{rec: rec}
	r.hi, r.lo = prefixOf(r.key())
	return r
}

// prefixOf is the order-preserving prefix of a key.
func prefixOf(key []byte) (hi, lo uint64) {
	if len(key) >= 16 {
		return binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
	}
	var b [16]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
}

func (r row) expire() uint32 { return binary.BigEndian.Uint32(r.rec) }

func (r row) key() []byte {
	return r.rec[rowHeader : rowHeader+binary.BigEndian.Uint32(r.rec[4:])]
}

func (r row) value() []byte {
	return r.rec[rowHeader+binary.BigEndian.Uint32(r.rec[4:]):]
}

// expired tells whether a row with this expiry is dead at now, both in seconds
// since 2016 (check_if_ts_expired).
func expired(expire, now uint32) bool { return expire > 0 && expire <= now }

// lookupRow makes a row that is only good for finding another one by its key.
func lookupRow(key []byte) row {
	rec := make([]byte, rowHeader, rowHeader+len(key))
	binary.BigEndian.PutUint32(rec[4:], uint32(len(key)))
	return newRow(append(rec, key...))
}

// rowLess orders rows by raw key, bytewise, as RocksDB does.
func rowLess(a, b row) bool {
	if a.hi != b.hi {
		return a.hi < b.hi
	}
	if a.lo != b.lo {
		return a.lo < b.lo
	}
	return bytes.Compare(a.key(), b.key()) < 0
}

// store holds the rows of one partition in the order of their raw keys. It is not
// safe for concurrent use; snapshots are.
type store struct {
	tree  *btree.BTreeG[row]
	arena arena
	probe []byte // buffer of find, so that lookups do not allocate
	// hint is where the last row was stored: copies come in the order of keys, so the next one goes
	// there, too.
	hint btree.PathHint
	// last has the largest key so far: what comes in order is appended without a search.
	last  row
	bytes int // of all rows
	// tombs are the keys that were deleted and whose deletion is still in the files, nil where
	// nothing can come from behind it.
	tombs map[string]struct{}
	// base are rows of a pattern besides those in the tree, nil for most stores.
	base *baseRows
}

// storeDegree is the B-tree degree: wide nodes, since copies are rare.
const storeDegree = 64

func newStore() *store {
	return &store{tree: btree.NewBTreeGOptions(rowLess, btree.Options{Degree: storeDegree, NoLocks: true})}
}

// set stores a copy of key and value.
func (s *store) set(key, value []byte, expire uint32) {
	if s.base != nil && s.base.set(key, value, expire) {
		old, _ := s.tree.Delete(s.probeRow(key))
		s.bytes -= len(old.rec)
		return
	}
	rec := s.arena.take(rowHeader + len(key) + len(value))
	binary.BigEndian.PutUint32(rec, expire)
	binary.BigEndian.PutUint32(rec[4:], uint32(len(key)))
	copy(rec[rowHeader:], key)
	copy(rec[rowHeader+len(key):], value)
	r := newRow(rec)
	var old row
	if s.last.rec == nil || rowLess(s.last, r) {
		old, _ = s.tree.Load(r)
		s.last = r
	} else {
		old, _ = s.tree.SetHint(r, &s.hint)
	}
	s.bytes += len(rec) - len(old.rec)
	delete(s.tombs, string(key))
}

// deleted tells whether the deletion of a key is still in the files.
func (s *store) deleted(key []byte) bool {
	_, ok := s.tombs[string(key)]
	return ok
}

// find returns the row with this key, expired or not.
func (s *store) find(key []byte) (row, bool) {
	r, ok := s.tree.Get(s.probeRow(key))
	if !ok && s.base != nil {
		return s.base.find(key)
	}
	return r, ok
}

// remove deletes the row with this key, if any.
func (s *store) remove(key []byte) {
	if s.base != nil {
		s.base.remove(key)
	}
	old, _ := s.tree.Delete(s.probeRow(key))
	s.bytes -= len(old.rec)
	if s.tombs != nil {
		s.tombs[string(key)] = struct{}{}
	}
}

// probeRow is lookupRow in a buffer that the next call reuses.
func (s *store) probeRow(key []byte) row {
	s.probe = append(s.probe[:0], 0, 0, 0, 0)
	s.probe = binary.BigEndian.AppendUint32(s.probe, uint32(len(key)))
	s.probe = append(s.probe, key...)
	return newRow(s.probe)
}

// snapshot is a view of the store as it is now, which later writes do not change.
// It costs no copy of rows.
func (s *store) snapshot() *btree.BTreeG[row] { return s.tree.Copy() }

// len counts rows, expired ones and the empty-key row included.
func (s *store) len() int {
	if s.base != nil {
		return s.tree.Len() + s.base.len()
	}
	return s.tree.Len()
}

// ascend calls f with the rows from a key on until it says false.
func (s *store) ascend(from row, f func(row) bool) {
	if s.base == nil {
		s.tree.Ascend(from, f)
		return
	}
	it := s.iter()
	for ok := it.Seek(from); ok && f(it.Item()); ok = it.Next() {
	}
}
