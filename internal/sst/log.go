package sst

import "encoding/binary"

// The log format (db/log_format.h): blocks of 32 KiB, in them fragments with a header of CRC32c, length and type.
const (
	logBlock  = 32 << 10
	logHeader = 4 + 2 + 1

	logZero   = 0 // room that was taken in advance and not written
	logFull   = 1
	logFirst  = 2
	logMiddle = 3
	logLast   = 4
)

// readLog gives each record of a file in the log format to fn, valid until fn returns. RocksDB passes over a record that is
// cut off at the end, because a crash may have left it. In a checkpoint, whose MANIFEST was copied up to the end of a
// record, it can only be damage, and behind it may have stood what changes which files count; so it is an error here.
func readLog(b []byte, fn func(record []byte) error) error {
	var parts []byte
	open := false
	for pos := 0; pos < len(b); {
		left := logBlock - pos%logBlock
		if left < logHeader {
			pos += left // the trailer of a block, too short for a header
			continue
		}
		if zeroes(b[pos:]) {
			break
		}
		if len(b)-pos < logHeader {
			return damaged("a record is cut off at byte %d", pos)
		}
		size, kind := int(binary.LittleEndian.Uint16(b[pos+4:])), b[pos+6]
		end := pos + logHeader + size
		if logHeader+size > left || end > len(b) {
			return damaged("a record is cut off at byte %d", pos)
		}
		if kind == logZero || kind > logLast {
			return unsupported("a record at byte %d has type %d", pos, kind)
		}
		if want, got := binary.LittleEndian.Uint32(b[pos:]), maskedCRC(b[pos+6:end]); want != got {
			return damaged("the checksum of the record at byte %d is %#x, but %#x is written in front of it", pos, got, want)
		}
		starts := kind == logFull || kind == logFirst
		if starts == open {
			return damaged("the parts of a record at byte %d do not belong together", pos)
		}
		body := b[pos+logHeader : end]
		pos = end
		if kind == logFull {
			if err := fn(body); err != nil {
				return err
			}
			continue
		}
		if starts {
			parts = parts[:0]
		}
		parts, open = append(parts, body...), kind != logLast
		if !open {
			if err := fn(parts); err != nil {
				return err
			}
		}
	}
	if open {
		return damaged("the last record has no end")
	}
	return nil
}

func zeroes(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
