package sandbox

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// LoadSpec says what rows to make. The same spec makes the same rows, always: hash
// keys and sort keys depend on Rows and the bounds of sort keys alone, values and
// expiry on Seed too.
type LoadSpec struct {
	// Rows is how many rows, at least 0.
	Rows int64 `json:"rows"`
	// ValueSize is the size of each value in bytes, 0 to 1 MiB.
	ValueSize int `json:"value_size"`
	// MinSortKeys and MaxSortKeys bound the rows per hash key; both 0 mean 1, a zero
	// MinSortKeys means the same as MaxSortKeys.
	MinSortKeys int `json:"min_sort_keys"`
	MaxSortKeys int `json:"max_sort_keys"`
	// TTLShare is the share of rows with an expiry, 0 to 1. It lies between the years
	// 2035 and 2045.
	TTLShare float64 `json:"ttl_share"`
	// Seed makes values and expiry different.
	Seed uint64 `json:"seed"`
}

// Expiry of loaded rows: seconds since 2016 of 2035-01-05, and the width of the
// range.
const (
	loadExpireFrom  = 600_000_000
	loadExpireWidth = 315_000_000
)

// withDefaults fills what was left out and refuses what makes no rows.
func (s LoadSpec) withDefaults() (LoadSpec, error) {
	s.MaxSortKeys = orDefault(s.MaxSortKeys, orDefault(s.MinSortKeys, 1))
	s.MinSortKeys = orDefault(s.MinSortKeys, s.MaxSortKeys)
	switch {
	case s.Rows < 0:
		return s, fmt.Errorf("sandbox: load: %d rows", s.Rows)
	case s.ValueSize < 0 || s.ValueSize > maxWriteSize:
		return s, fmt.Errorf("sandbox: load: value size %d is not between 0 and %d", s.ValueSize, maxWriteSize)
	case s.MinSortKeys < 1 || s.MaxSortKeys < s.MinSortKeys:
		return s, fmt.Errorf("sandbox: load: %d to %d sort keys per hash key", s.MinSortKeys, s.MaxSortKeys)
	case !(s.TTLShare >= 0 && s.TTLShare <= 1):
		return s, fmt.Errorf("sandbox: load: TTL share %v is not between 0 and 1", s.TTLShare)
	}
	return s, nil
}

// Generate makes the rows of a spec one after the other. A row is valid until the
// next one.
func Generate(spec LoadSpec) (iter.Seq[Row], error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	return func(yield func(Row) bool) {
		random := rand.NewPCG(spec.Seed, 0x726f7773)
		value := make([]byte, spec.ValueSize)
		var raw []byte
		for made, group := int64(0), int64(0); made < spec.Rows; group++ {
			hashKey := fmt.Appendf(nil, "user%08d", group)
			for i := range sortKeysOf(spec, group) {
				if made >= spec.Rows {
					return
				}
				made++
				raw = pegkey.Encode(raw[:0], hashKey, fmt.Appendf(nil, "s%04d", i))
				fillText(value, random)
				if !yield(Row{Key: raw, Value: value, Expire: expireOf(spec, random)}) {
					return
				}
			}
		}
	}, nil
}

// sortKeysOf is how many rows a hash key gets.
func sortKeysOf(spec LoadSpec, group int64) int {
	width := uint64(spec.MaxSortKeys - spec.MinSortKeys + 1)
	return spec.MinSortKeys + int(rand.NewPCG(uint64(group), 0x736f7274).Uint64()%width)
}

func expireOf(spec LoadSpec, random *rand.PCG) uint32 {
	draw, when := random.Uint64(), random.Uint64()
	if float64(draw>>11)/(1<<53) >= spec.TTLShare {
		return 0
	}
	return loadExpireFrom + uint32(when%loadExpireWidth)
}

// fillText fills b with letters and digits.
func fillText(b []byte, random *rand.PCG) {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	for i := 0; i < len(b); {
		for bits := random.Uint64(); bits != 0 && i < len(b); bits >>= 6 {
			b[i] = letters[bits&63]
			i++
		}
	}
}

// Fill loads the rows of a spec into a table.
func (c *Cluster) Fill(table string, spec LoadSpec) error {
	rows, err := Generate(spec)
	if err != nil {
		return err
	}
	return c.Load(table, rows)
}
