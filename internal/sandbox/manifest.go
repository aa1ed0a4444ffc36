package sandbox

import (
	"encoding/binary"
	"hash/crc32"
)

// Column families of a replica (src/server/pegasus_server_impl_init.cpp).
const (
	cfDefault = 0
	cfMeta    = 1
	cfMetaTag = "pegasus_meta_cf"
)

// manifestFile is a file as a MANIFEST lists it.
type manifestFile struct {
	family            uint32
	level             int
	number            uint64
	size              int64
	smallest, largest []byte // user keys
	// seqno is the sequence number of every row in the file.
	seqno uint64
}

// manifest is what a version of a database consists of.
type manifest struct {
	files []manifestFile
	next  uint64 // file number
	last  uint64 // sequence number
}

// Tags of a version edit, and of what follows a new file in it (db/version_edit.h of RocksDB).
const (
	tagComparator     = 1
	tagLogNumber      = 2
	tagNextFile       = 3
	tagLastSequence   = 4
	tagPrevLogNumber  = 9
	tagNewFile4       = 103
	tagColumnFamily   = 200
	tagFamilyAdd      = 201
	tagMaxFamily      = 203
	endOfCustomFields = 1
)

const bytewiseComparator = "leveldb.BytewiseComparator"

// encode is the MANIFEST: what RocksDB writes into a new one, an edit per column family
// that makes it and one that has all of its files.
func (m manifest) encode() []byte {
	var records logWriter
	first := stringField(nil, tagComparator, bytewiseComparator)
	records.add(numbers(first, 0, m.next, m.last))
	second := stringField(nil, tagComparator, bytewiseComparator)
	second = numbers(second, 0, m.next, m.last)
	second = binary.AppendUvarint(binary.AppendUvarint(second, tagMaxFamily), cfMeta)
	second = binary.AppendUvarint(binary.AppendUvarint(second, tagColumnFamily), cfMeta)
	records.add(stringField(second, tagFamilyAdd, cfMetaTag))
	for _, family := range []uint32{cfDefault, cfMeta} {
		edit := numbers(nil, 3, m.next, m.last)
		for _, f := range m.files {
			if f.family == family {
				edit = f.append(edit)
			}
		}
		if family != cfDefault {
			edit = binary.AppendUvarint(binary.AppendUvarint(edit, tagColumnFamily), uint64(family))
		}
		records.add(edit)
	}
	return records.out
}

// numbers are the numbers that every edit has.
func numbers(b []byte, log, next, last uint64) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, tagLogNumber), log)
	b = binary.AppendUvarint(binary.AppendUvarint(b, tagPrevLogNumber), 0)
	b = binary.AppendUvarint(binary.AppendUvarint(b, tagNextFile), next)
	return binary.AppendUvarint(binary.AppendUvarint(b, tagLastSequence), last)
}

func stringField(b []byte, tag uint64, s string) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(b, tag), uint64(len(s))), s...)
}

// typeValue is the kind of a key that has a value, in the lowest byte behind a user key.
const typeValue = 1

func (f manifestFile) append(b []byte) []byte {
	b = binary.AppendUvarint(b, tagNewFile4)
	b = binary.AppendUvarint(b, uint64(f.level))
	b = binary.AppendUvarint(b, f.number)
	b = binary.AppendUvarint(b, uint64(f.size))
	for _, key := range [][]byte{f.smallest, f.largest} {
		b = append(binary.AppendUvarint(b, uint64(len(key)+8)), key...)
		b = binary.LittleEndian.AppendUint64(b, f.seqno<<8|typeValue)
	}
	b = binary.AppendUvarint(b, f.seqno)
	b = binary.AppendUvarint(b, f.seqno)
	return binary.AppendUvarint(b, endOfCustomFields)
}

// logWriter writes records as RocksDB's log files have them: blocks of 32 KiB, each piece
// of a record with a masked CRC32C in front (db/log_writer.cc).
type logWriter struct{ out []byte }

const (
	logBlock      = 32 << 10
	logHeader     = 7
	pieceFull     = 1
	pieceFirst    = 2
	pieceMiddle   = 3
	pieceLast     = 4
	crcMaskOffset = 0xa282ead8
)

func (l *logWriter) add(record []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for first := true; ; first = false {
		room := logBlock - len(l.out)%logBlock
		if room < logHeader {
			l.out = append(l.out, make([]byte, room)...)
			room = logBlock
		}
		n := min(len(record), room-logHeader)
		piece, last := record[:n], n == len(record)
		kind := byte(pieceMiddle)
		switch {
		case first && last:
			kind = pieceFull
		case first:
			kind = pieceFirst
		case last:
			kind = pieceLast
		}
		crc := crc32.Update(crc32.Checksum([]byte{kind}, table), table, piece)
		masked := (crc>>15 | crc<<17) + crcMaskOffset
		l.out = binary.LittleEndian.AppendUint32(l.out, masked)
		l.out = binary.LittleEndian.AppendUint16(l.out, uint16(n))
		l.out = append(append(l.out, kind), piece...)
		if record = record[n:]; last {
			return
		}
	}
}
