package pegkey

import "hash/crc64"

// hashPoly is the reflected crc64 polynomial of src/utils/crc.cpp. Changing it
// would send every row to the wrong partition.
const hashPoly = 0x9a6c9329ac4bc9b5

// hashTable is read only. hash/crc64 builds its slicing-8 tables for it per call
// above 2 KiB and works bytewise below, which is what keys are.
var hashTable = crc64.MakeTable(hashPoly)

// Hash is the partition hash of a row: the crc64 of the hash key, or of the sort
// key when the hash key is empty (src/base/pegasus_key_schema.h).
func Hash(hashKey, sortKey []byte) uint64 {
	if len(hashKey) == 0 {
		return crc64.Checksum(sortKey, hashTable)
	}
	return crc64.Checksum(hashKey, hashTable)
}

// HashRaw is Hash of a raw key. For a key that Decode refuses it is the hash of
// the empty key, 0; a caller that must tell them apart decodes first.
func HashRaw(raw []byte) uint64 {
	hashKey, sortKey, err := Decode(raw)
	if err != nil {
		return 0
	}
	return Hash(hashKey, sortKey)
}

// Partition is the index of the partition that a hash selects, in [0, count).
// The server masks with count-1, which is the same for the powers of two that it
// allows. A count below 1 yields 0.
func Partition(hash uint64, count int32) int32 {
	if count < 1 {
		return 0
	}
	return int32(hash % uint64(count))
}
