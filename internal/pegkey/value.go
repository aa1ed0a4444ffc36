package pegkey

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of the header in front of a stored value (src/base/pegasus_value_schema.h).
const (
	headerV0 = 4     // u32 expiry
	headerV1 = 4 + 8 // u32 expiry, u64 timetag
)

// ErrDataVersion is wrapped when a data version other than 0 or 1 is asked for.
// Version 2 exists in the servers' sources only as a skeleton; they abort on it.
var ErrDataVersion = errors.New("unknown data version")

// ErrMalformedValue is wrapped when a stored value is shorter than its header.
var ErrMalformedValue = errors.New("malformed stored value")

// Value is a value as RocksDB stores it, taken apart.
type Value struct {
	// Expire is seconds since EpochUnix, 0 for never.
	Expire uint32
	// Timetag is microseconds since 1970 << 8 | cluster id << 1 | deleted bit.
	// Always 0 with data version 0, which has no room for it.
	Timetag uint64
	// Data is what the user wrote.
	Data []byte
}

// DecodeValue takes a stored value apart. Data aliases raw. The data version is a
// property of the RocksDB instance (its key pegasus_data_version), never visible
// in the value itself: a wrong one yields garbage, not an error.
func DecodeValue(version int, raw []byte) (Value, error) {
	n, err := headerSize(version)
	if err != nil {
		return Value{}, err
	}
	if len(raw) < n {
		return Value{}, fmt.Errorf("%w: %d bytes, data version %d needs %d", ErrMalformedValue, len(raw), version, n)
	}
	v := Value{Expire: binary.BigEndian.Uint32(raw), Data: raw[n:]}
	if version == 1 {
		v.Timetag = binary.BigEndian.Uint64(raw[headerV0:])
	}
	return v, nil
}

// EncodeValue appends the stored form of v to dst. With data version 0 the
// timetag is dropped. The error wraps ErrDataVersion; then dst is returned as it
// came.
func EncodeValue(dst []byte, version int, v Value) ([]byte, error) {
	if _, err := headerSize(version); err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint32(dst, v.Expire)
	if version == 1 {
		dst = binary.BigEndian.AppendUint64(dst, v.Timetag)
	}
	return append(dst, v.Data...), nil
}

// headerSize is the number of bytes in front of the user's data.
func headerSize(version int) (int, error) {
	switch version {
	case 0:
		return headerV0, nil
	case 1:
		return headerV1, nil
	default:
		return 0, fmt.Errorf("%w %d", ErrDataVersion, version)
	}
}
