package sst

import (
	"maps"
	"math"
	"slices"
)

// compressionOptions is what 6.6.4 writes for its defaults (CompressionOptionsToString of util/compression.h). It is only shown.
const compressionOptions = "window_bits=-14; level=32767; strategy=0; max_dict_bytes=0; zstd_max_train_bytes=0; enabled=0; "

// properties are those that SstFileWriter of 6.6.4 writes when it knows no column family; those of index and filter are put
// in later. Identities of database and session, which newer releases write, are left out on purpose: with them RocksDB 7 and
// later take them as the name of the file's blocks in the cache, and a name that repeats would mix up files.
func (w *Writer) properties() map[string]string {
	return map[string]string{
		propDataSize:          uvarint(w.offset),
		propNumDataBlocks:     uvarint(w.blocks),
		propNumEntries:        uvarint(w.entries),
		propRawKeySize:        uvarint(w.rawKeys),
		propRawValueSize:      uvarint(w.rawValues),
		propNumDeletions:      uvarint(0),
		propMergeOperands:     uvarint(0),
		propNumRangeDeletions: uvarint(0),
		propFilterSize:        uvarint(0),
		propIndexKeyIsUserKey: uvarint(0),
		propIndexDelta:        uvarint(0),
		propFormatVersion:     uvarint(0), // RocksDB writes 0 here whatever the footer says
		propFixedKeyLen:       uvarint(0),
		propColumnFamilyID:    uvarint(unknownColumnFamily),
		propCreationTime:      uvarint(0), // unknown, as SstFileWriter has it
		propOldestKeyTime:     uvarint(0),
		propComparator:        bytewiseComparator,
		propMergeOperator:     "nullptr",
		propPrefixExtractor:   "nullptr",
		propCollectors:        "[]",
		propCompression:       w.o.Compression.String(),
		propCompressionOpts:   compressionOptions,
		propIndexType:         "\x00\x00\x00\x00",
		propWholeKeyFiltering: "1",
		propPrefixFiltering:   "0",
		propExternalVersion:   "\x02\x00\x00\x00",
		propGlobalSeqno:       "\x00\x00\x00\x00\x00\x00\x00\x00",
	}
}

// propertiesBlock is a block without compression, for RocksDB may write the sequence number into it, with its keys in order.
func propertiesBlock(props map[string]string) []byte {
	b := blockBuilder{interval: math.MaxInt32}
	b.reset()
	last := ""
	for _, name := range slices.Sorted(maps.Keys(props)) {
		b.add(commonPrefix([]byte(last), []byte(name)), []byte(name), "", []byte(props[name]))
		last = name
	}
	return b.finish()
}
