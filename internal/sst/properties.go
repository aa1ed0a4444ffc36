package sst

import "encoding/binary"

// properties of a table, as far as a reader needs them. Numbers that are absent are 0, as RocksDB takes them.
type properties struct {
	entries      uint64
	hasEntries   bool
	merges       uint64
	ranges       uint64
	comparator   string
	indexType    uint32
	indexDelta   bool
	family       uint64
	hasFamily    bool
	tsDropped    bool
	external     uint32 // version of an external file
	hasExternal  bool
	globalSeq    uint64
	hasGlobalSeq bool
}

// propTimestampsKept is only there, with 0, when timestamps were cut off the keys.
const propTimestampsKept = "rocksdb.user.defined.timestamps.persisted"

// The index types (BlockBasedTableOptions::IndexType of include/rocksdb/table.h). A hash index is a binary search index
// with more blocks beside it.
const (
	indexTwoLevel = 2
	indexFirstKey = 3
)

// readProperties gives them, and where in the block the global sequence number stands, nil when there is none.
func readProperties(block []byte) (properties, []byte, error) {
	var p properties
	var sequence []byte
	var e entries
	if err := e.reset(block); err != nil {
		return p, nil, err
	}
	for {
		ok, err := e.next()
		if err != nil || !ok {
			return p, sequence, err
		}
		if string(e.key) == propGlobalSeqno && len(e.value) == 8 {
			sequence = e.value
		}
		if !p.set(string(e.key), e.value) {
			return p, nil, damaged("the property %s cannot be read", e.key)
		}
	}
}

// set is false when the value is not of the form that the property has.
func (p *properties) set(name string, value []byte) bool {
	number := func(v *uint64) bool {
		in := fields{b: value}
		*v = in.uvarint()
		return !in.bad
	}
	fixed32 := func(v *uint32) bool {
		if len(value) != 4 {
			return false
		}
		*v = binary.LittleEndian.Uint32(value)
		return true
	}
	var n uint64
	switch name {
	case propNumEntries:
		p.hasEntries = true
		return number(&p.entries)
	case propMergeOperands:
		return number(&p.merges)
	case propNumRangeDeletions:
		return number(&p.ranges)
	case propComparator:
		p.comparator = string(value)
	case propIndexType:
		return fixed32(&p.indexType)
	case propIndexDelta:
		ok := number(&n)
		p.indexDelta = n != 0
		return ok
	case propColumnFamilyID:
		p.hasFamily = true
		return number(&p.family)
	case propTimestampsKept:
		ok := number(&n)
		p.tsDropped = n == 0
		return ok
	case propExternalVersion:
		p.hasExternal = true
		return fixed32(&p.external)
	case propGlobalSeqno:
		if len(value) != 8 {
			return false
		}
		p.globalSeq, p.hasGlobalSeq = littleEndian(value), true
	}
	return true
}

// check refuses tables whose rows this package would not understand.
func (p properties) check() error {
	switch {
	case p.merges > 0:
		return unsupported("has %d merge operands", p.merges)
	case p.ranges > 0:
		return unsupported("has %d range deletions", p.ranges)
	case p.indexType == indexTwoLevel:
		return unsupported("has a partitioned index")
	case p.indexType > indexFirstKey:
		return unsupported("has an index of type %d", p.indexType)
	case p.comparator != bytewiseComparator:
		return unsupported("is ordered by %q", p.comparator)
	case p.tsDropped:
		return unsupported("had timestamps in its keys")
	}
	return nil
}

// sequence is that of all rows of an ingested file, whose rows have 0. The MANIFEST knows it, for the server does not write
// it into the file (rocksdb_write_global_seqno of Pegasus). The rules are those of GetGlobalSequenceNumber in
// table/block_based/block_based_table_reader.cc.
func (p properties) sequence(inManifest uint64) (uint64, bool, error) {
	if !p.hasExternal || p.external < 2 {
		if p.hasGlobalSeq || (p.hasExternal && p.external != 1) {
			return 0, false, damaged("has version %d of an ingested file and a sequence number", p.external)
		}
		return 0, false, nil
	}
	if p.globalSeq != 0 && p.globalSeq != inManifest {
		return 0, false, damaged("says that its sequence number is %d; the MANIFEST says %d", p.globalSeq, inManifest)
	}
	return inManifest, true, nil
}
