package sst

import (
	"encoding/binary"
)

// Sizes and magic numbers of a block-based table (table/format.h, table/block_based/block_based_table_builder.cc).
const (
	blockTrailerSize = 5 // compression, checksum

	legacyMagic uint64 = 0xdb4775248b80fb57 // format_version 0, LevelDB's
	tableMagic  uint64 = 0x88e241b785f4cff7 // format_version 1 and later
	plainMagic  uint64 = 0x8242229663bf9564 // plain table; not read
	cuckooMagic uint64 = 0x926789d0c5f17873 // cuckoo table; not read

	footerHandles    = 40 // two block handles, padded
	legacyFooterSize = footerHandles + 8
	footerSize       = 1 + footerHandles + 4 + 8

	// maxFormatVersion is the last whose footer has this form: 6 put the index's handle into the metaindex.
	maxFormatVersion = 5
	// compressFormatSince is the format_version since which LZ4 blocks have a varint32 of their size in front
	// (GetCompressFormatForVersion of util/compression.h); before it was eight bytes.
	compressFormatSince = 2
)

// valueType is the last byte of an internal key, in the little end of its eight byte trailer: sequence << 8 | type
// (db/dbformat.h). The numbers are part of the format.
type valueType uint8

const (
	typeDeletion       valueType = 0x0
	typeValue          valueType = 0x1
	typeMerge          valueType = 0x2
	typeSingleDeletion valueType = 0x7
	typeRangeDeletion  valueType = 0xf
	typeBlobIndex      valueType = 0x11
	typeDeletionWithTS valueType = 0x14
	typeWideColumn     valueType = 0x16

	internalTrailer = 8
	maxSequence     = uint64(1)<<56 - 1
)

// Names in the metaindex block.
const (
	metaProperties = "rocksdb.properties"
	metaCompressed = "rocksdb.compression_dict"
	metaRangeDel   = "rocksdb.range_del"
	metaFullFilter = "fullfilter."
)

// Names of properties (table/table_properties.cc, table/sst_file_writer.cc, block_based_table_factory.cc).
const (
	propDataSize          = "rocksdb.data.size"
	propIndexSize         = "rocksdb.index.size"
	propIndexPartitions   = "rocksdb.index.partitions"
	propIndexKeyIsUserKey = "rocksdb.index.key.is.user.key"
	propIndexDelta        = "rocksdb.index.value.is.delta.encoded"
	propFilterSize        = "rocksdb.filter.size"
	propFilterPolicy      = "rocksdb.filter.policy"
	propRawKeySize        = "rocksdb.raw.key.size"
	propRawValueSize      = "rocksdb.raw.value.size"
	propNumDataBlocks     = "rocksdb.num.data.blocks"
	propNumEntries        = "rocksdb.num.entries"
	propNumDeletions      = "rocksdb.deleted.keys"
	propMergeOperands     = "rocksdb.merge.operands"
	propNumRangeDeletions = "rocksdb.num.range-deletions"
	propFormatVersion     = "rocksdb.format.version"
	propFixedKeyLen       = "rocksdb.fixed.key.length"
	propColumnFamilyID    = "rocksdb.column.family.id"
	propColumnFamilyName  = "rocksdb.column.family.name"
	propComparator        = "rocksdb.comparator"
	propMergeOperator     = "rocksdb.merge.operator"
	propPrefixExtractor   = "rocksdb.prefix.extractor.name"
	propCollectors        = "rocksdb.property.collectors"
	propCompression       = "rocksdb.compression"
	propCompressionOpts   = "rocksdb.compression_options"
	propCreationTime      = "rocksdb.creation.time"
	propOldestKeyTime     = "rocksdb.oldest.key.time"
	propIndexType         = "rocksdb.block.based.table.index.type"          // fixed32: 0 binary search, 2 two levels
	propWholeKeyFiltering = "rocksdb.block.based.table.whole.key.filtering" // "1" or "0"
	propPrefixFiltering   = "rocksdb.block.based.table.prefix.filtering"    // "1" or "0"
	propExternalVersion   = "rocksdb.external_sst_file.version"             // fixed32
	propGlobalSeqno       = "rocksdb.external_sst_file.global_seqno"        // fixed64
	bytewiseComparator    = "leveldb.BytewiseComparator"
	unknownColumnFamily   = uint64(1)<<31 - 1 // TablePropertiesCollectorFactory::Context::kUnknownColumnFamily
)

// blockHandle tells where a block stands, its trailer not counted.
type blockHandle struct{ offset, size uint64 }

// append writes two varints.
func (h blockHandle) append(dst []byte) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, h.offset), h.size)
}

// decodeBlockHandle reads a handle from the front of b and tells how many bytes it took; 0 when it is not one.
func decodeBlockHandle(b []byte) (blockHandle, int) {
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return blockHandle{}, 0
	}
	size, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return blockHandle{}, 0
	}
	return blockHandle{offset, size}, n + m
}

// within tells whether block and trailer lie before end.
func (h blockHandle) within(end uint64) bool {
	return h.size <= end && h.offset <= end && end-h.offset >= blockTrailerSize && h.size <= end-h.offset-blockTrailerSize
}

// footer is the end of a table file.
type footer struct {
	version   uint32 // format_version
	checksum  checksumType
	metaIndex blockHandle
	index     blockHandle
	size      int // bytes that it takes
}

// decodeFooter reads a footer from the last bytes of a file; tail should have footerSize of them, or all there are.
func decodeFooter(tail []byte) (footer, error) {
	if len(tail) < legacyFooterSize {
		return footer{}, damaged("%d bytes are too few for a table", len(tail))
	}
	var f footer
	var handles []byte
	switch magic := binary.LittleEndian.Uint64(tail[len(tail)-8:]); magic {
	case legacyMagic:
		f = footer{checksum: checksumCRC32c, size: legacyFooterSize}
		handles = tail[len(tail)-legacyFooterSize:][:footerHandles]
	case tableMagic:
		if len(tail) < footerSize {
			return footer{}, damaged("%d bytes are too few for a table", len(tail))
		}
		tail = tail[len(tail)-footerSize:]
		f = footer{checksum: checksumType(tail[0]), size: footerSize}
		f.version = binary.LittleEndian.Uint32(tail[1+footerHandles:])
		handles = tail[1:][:footerHandles]
	case plainMagic, cuckooMagic:
		return footer{}, unsupported("is a plain or cuckoo table; only block-based tables are read")
	default:
		return footer{}, damaged("its last bytes %#x are not the mark of a table", magic)
	}
	if f.version > maxFormatVersion {
		return footer{}, unsupported("has format_version %d; up to %d are read", f.version, maxFormatVersion)
	}
	if !f.checksum.known() {
		return footer{}, unsupported("has block checksums of type %d", f.checksum)
	}
	var n int
	if f.metaIndex, n = decodeBlockHandle(handles); n == 0 {
		return footer{}, damaged("the footer has no handle of the metaindex")
	}
	if f.index, n = decodeBlockHandle(handles[n:]); n == 0 {
		return footer{}, damaged("the footer has no handle of the index")
	}
	return f, nil
}

// append writes a footer of format_version 1 or later.
func (f footer) append(dst []byte) []byte {
	var b [footerSize]byte
	b[0] = byte(f.checksum)
	f.index.append(f.metaIndex.append(b[1:1]))
	binary.LittleEndian.PutUint32(b[1+footerHandles:], f.version)
	binary.LittleEndian.PutUint64(b[footerSize-8:], tableMagic)
	return append(dst, b[:]...)
}
