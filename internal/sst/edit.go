package sst

import "bytes"

// Tags of a VersionEdit (db/version_edit.h of RocksDB 6.6.4, 8.5.3 and 11.9). The numbers are part of the format.
const (
	tagComparator      = 1
	tagLogNumber       = 2
	tagNextFile        = 3
	tagLastSequence    = 4
	tagCompactCursor   = 5
	tagDeletedFile     = 6
	tagPrevLogNumber   = 9
	tagMinLogNumber    = 10
	tagNewFile2        = 100
	tagNewFile3        = 102
	tagNewFile4        = 103
	tagFamily          = 200
	tagFamilyAdd       = 201
	tagFamilyDrop      = 202
	tagMaxFamily       = 203
	tagInAtomicGroup   = 300
	tagBlobAddition    = 400
	tagBlobGarbage     = 401
	tagSafeIgnore      = 1 << 13 // tags with this bit have a length, and may be passed over
	tagBlobAdditionOld = tagSafeIgnore + 2
	tagBlobGarbageOld  = tagSafeIgnore + 3
	tagWALAdditionOld  = tagSafeIgnore + 4 // of 6.12 to 6.15: the bit is set, but no length is written
	tagWALDeletionOld  = tagSafeIgnore + 5
	tagFullHistoryTS   = tagSafeIgnore + 6

	fileEnd            = 1
	fileMinLogNumber   = 3
	fileOldestBlob     = 4
	fileMinTimestamp   = 10
	fileMaxTimestamp   = 11
	fileTimestampsKept = 16
	filePathID         = 1<<6 + 1
	fileNonSafeIgnore  = 1 << 6 // custom fields with this bit must be understood

	blobNone = 0 // kInvalidBlobFileNumber
)

// tableMeta is what the MANIFEST says of one table file.
type tableMeta struct {
	level                   int
	number, size            uint64
	smallest, largest       []byte // internal keys
	smallestSeq, largestSeq uint64
}

// levelFile names a file of a level.
type levelFile struct {
	level  int
	number uint64
}

// versionEdit is one record of the MANIFEST, as far as it changes which rows there are.
type versionEdit struct {
	comparator    []byte
	logNumber     uint64
	minLogNumber  uint64
	lastSequence  uint64
	hasComparator bool
	hasLog        bool
	hasMinLog     bool
	hasSequence   bool

	family  uint32
	add     bool
	name    string
	drop    bool
	inGroup bool
	// remaining records of the atomic group, behind this one.
	remaining uint32
	deleted   []levelFile
	added     []tableMeta
}

// decodeEdit reads one record. The result shares no memory with it.
func decodeEdit(record []byte) (versionEdit, error) {
	var e versionEdit
	in := fields{b: bytes.Clone(record)}
	for len(in.b) > 0 {
		tag := in.uvarint32()
		if in.bad {
			return e, damaged("a tag cannot be read")
		}
		if err := e.field(&in, tag); err != nil {
			return e, err
		}
		if in.bad {
			return e, damaged("the field with tag %d is cut off", tag)
		}
	}
	return e, nil
}

func (e *versionEdit) field(in *fields, tag uint32) error {
	switch tag {
	case tagComparator:
		e.comparator, e.hasComparator = in.slice(), true
	case tagLogNumber:
		e.logNumber, e.hasLog = in.uvarint(), true
	case tagMinLogNumber:
		e.minLogNumber, e.hasMinLog = in.uvarint(), true
	case tagLastSequence:
		e.lastSequence, e.hasSequence = in.uvarint(), true
	case tagNextFile, tagPrevLogNumber:
		in.uvarint()
	case tagMaxFamily:
		in.uvarint32()
	case tagCompactCursor:
		in.uvarint32()
		in.internalKey()
	case tagDeletedFile:
		level := in.uvarint32()
		e.deleted = append(e.deleted, levelFile{int(level), in.uvarint()})
	case tagNewFile2, tagNewFile3, tagNewFile4:
		return e.newFile(in, tag)
	case tagFamily:
		e.family = in.uvarint32()
	case tagFamilyAdd:
		e.name, e.add = string(in.slice()), true
	case tagFamilyDrop:
		e.drop = true
	case tagInAtomicGroup:
		e.remaining, e.inGroup = in.uvarint32(), true
	case tagBlobAddition, tagBlobGarbage, tagBlobAdditionOld, tagBlobGarbageOld:
		return unsupported("values are kept in blob files")
	case tagFullHistoryTS:
		return unsupported("keys have timestamps")
	case tagWALAdditionOld, tagWALDeletionOld:
		return unsupported("a record has tag %d, which is not understood", tag)
	default:
		if tag&tagSafeIgnore == 0 {
			return unsupported("a record has tag %d, which is not understood", tag)
		}
		in.slice()
	}
	return nil
}

// newFile reads the three forms of "this file is new" that RocksDB has written since column families exist.
func (e *versionEdit) newFile(in *fields, tag uint32) error {
	f := tableMeta{level: int(in.uvarint32()), number: in.uvarint()}
	path := uint32(0)
	if tag == tagNewFile3 {
		path = in.uvarint32()
	}
	f.size, f.smallest, f.largest = in.uvarint(), in.internalKey(), in.internalKey()
	f.smallestSeq, f.largestSeq = in.uvarint(), in.uvarint()
	for tag == tagNewFile4 && !in.bad {
		custom := in.uvarint32()
		if custom == fileEnd {
			break
		}
		if err := e.custom(custom, in.slice(), f.number); err != nil {
			return err
		}
	}
	if in.bad {
		return nil // the caller says so
	}
	if path != 0 {
		return unsupported("file %d lies in another folder (path %d)", f.number, path)
	}
	if f.largestSeq > maxSequence || f.smallestSeq > f.largestSeq {
		return damaged("file %d has the sequence numbers %d to %d", f.number, f.smallestSeq, f.largestSeq)
	}
	if f.level > maxLevel || f.size > maxTable {
		return damaged("file %d has level %d and %d bytes", f.number, f.level, f.size)
	}
	e.added = append(e.added, f)
	return nil
}

// custom reads a field of a new file that later releases added.
func (e *versionEdit) custom(tag uint32, value []byte, number uint64) error {
	in := fields{b: value}
	switch tag {
	case fileMinLogNumber: // a fixed64, of the whole database
		if len(value) != 8 {
			return damaged("file %d has a log number of %d bytes", number, len(value))
		}
		e.minLogNumber, e.hasMinLog = littleEndian(value), true
	case fileOldestBlob:
		if in.uvarint() != blobNone || in.bad {
			return unsupported("values of file %d are kept in blob files", number)
		}
	case fileMinTimestamp, fileMaxTimestamp, fileTimestampsKept:
		return unsupported("the keys of file %d have timestamps", number)
	case filePathID:
		if len(value) != 1 || value[0] != 0 {
			return unsupported("file %d lies in another folder", number)
		}
	default:
		if tag&fileNonSafeIgnore != 0 {
			return unsupported("file %d has a field %d, which is not understood", number, tag)
		}
	}
	return nil
}
