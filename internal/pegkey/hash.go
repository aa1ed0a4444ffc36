package pegkey

// Hash is the partition hash of a row: the crc64 of the hash key, or of the sort
// key when the hash key is empty (src/base/pegasus_key_schema.h).
func Hash(hashKey, sortKey []byte) uint64 {
	if len(hashKey) == 0 {
		return crc64Sum(sortKey)
	}
	return crc64Sum(hashKey)
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
// The server masks with count-1, which is the same for powers of two. A count
// below 1 yields 0.
func Partition(hash uint64, count int32) int32 {
	if count < 1 {
		return 0
	}
	return int32(hash % uint64(count))
}
