package pegkey

import (
	"encoding/binary"
	"errors"
)

// MaxHashKey is the longest hash key in bytes. The server asserts a length
// below UINT16_MAX (src/base/pegasus_key_schema.h), so 65535 is already too long.
const MaxHashKey = 65534

// lenPrefix is the size of the hash key length in front of a raw key.
const lenPrefix = 2

// ErrMalformedKey is wrapped by every error of Decode.
var ErrMalformedKey = errors.New("malformed raw key")

// Encode appends the raw key of (hashKey, sortKey) to dst and returns the
// extended slice: two bytes big-endian length of the hash key, the hash key, the
// sort key. Bytewise order of raw keys is the order of a scan.
//
// Callers must have checked that hashKey has at most MaxHashKey bytes. A longer
// one cannot be written down; then nothing is appended.
func Encode(dst, hashKey, sortKey []byte) []byte {
	if len(hashKey) > MaxHashKey {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(hashKey)))
	dst = append(dst, hashKey...)
	return append(dst, sortKey...)
}

// Decode splits a raw key. Both results alias raw. The error wraps
// ErrMalformedKey when the length prefix is missing, is larger than MaxHashKey or
// points behind the end; the empty key that every RocksDB column family of a
// table holds (the server's own empty write) is such a key.
func Decode(raw []byte) (hashKey, sortKey []byte, err error) {
	if len(raw) < lenPrefix {
		return nil, nil, keyError("shorter than its length prefix", len(raw))
	}
	n := int(binary.BigEndian.Uint16(raw))
	body := raw[lenPrefix:]
	if n > MaxHashKey || n > len(body) {
		return nil, nil, keyError("hash key length exceeds the key", len(raw))
	}
	return body[:n:n], body[n:], nil
}
