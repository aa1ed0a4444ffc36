package pegkey

import "strconv"

// ProbePrefix begins the hash key of every row that probes of ours touch. A probe of a fence deletes such a
// key, which is harmless whether it is accepted or not, with an empty sort key.
const ProbePrefix = "pegmigrate.probe."

// ProbeSortTTL is the sort key of the row that a probe of default_ttl writes, reads and removes again under the
// hash key of a partition. A run that is killed in between leaves it.
const ProbeSortTTL = "ttl"

// probeTries bounds the search of ProbeKey per partition. A try hits with
// probability 1/count, so 64*count tries miss with probability e^-64.
const probeTries = 64

// ProbeKey is the reserved hash key that a fence probe of one partition uses:
// prefix followed by the smallest decimal number such that the key (with an empty
// sort key) hashes into the partition. The same arguments always give the same
// key, so that a later run finds and recognises it. It is nil when count is below
// 1, partition is outside [0, count) or the key would exceed MaxHashKey. It costs
// about count hashes.
func ProbeKey(prefix string, partition, count int32) (hashKey []byte) {
	const digits = 20
	if count < 1 || partition < 0 || partition >= count || len(prefix)+digits > MaxHashKey {
		return nil
	}
	key := make([]byte, len(prefix), len(prefix)+digits)
	copy(key, prefix)
	for n := range uint64(count)*probeTries + 1024 {
		key = strconv.AppendUint(key[:len(prefix)], n, 10)
		if Partition(Hash(key, nil), count) == partition {
			return key
		}
	}
	return nil
}
