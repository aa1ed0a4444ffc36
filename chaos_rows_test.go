package main

import (
	"bytes"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// rowMix says what rows a source table has.
type rowMix struct {
	seed    uint64
	hashes  int // hash keys of one to a few rows
	crowd   int // rows of one more hash key
	large   int // values of 60 KB and more
	fitting int // rows whose put is exactly as large as servers accept
	fading  int // rows that expire while the tool runs
}

// writeLimit is the largest body of a write that servers accept ([replication]
// max_allowed_write_size); putFrame is what a put has around key and value.
const (
	writeLimit = 1 << 20
	putFrame   = 55
)

func drawRows(r *rand.Rand) rowMix {
	m := rowMix{seed: r.Uint64(), hashes: r.IntN(400), crowd: one(r, 0, 0, 3, 700, 2500), fading: one(r, 0, 0, 20, 200)}
	if chance(r, 30) {
		m.large = 1 + r.IntN(20)
	}
	if chance(r, 30) {
		m.fitting = 1 + r.IntN(3)
	}
	return m
}

// String counts the kinds.
func (m rowMix) String() string {
	return fmt.Sprintf("%d hash keys, crowd of %d, %d large, %d at the limit, %d fading", m.hashes, m.crowd, m.large, m.fitting, m.fading)
}

// rows makes the rows as of now. Keys are distinct.
func (m rowMix) rows(now time.Time) iter.Seq[sandbox.Row] {
	return func(yield func(sandbox.Row) bool) {
		r := rand.New(rand.NewPCG(m.seed, 2))
		put := func(hash, sort, value []byte, expire uint32) bool {
			return yield(sandbox.Row{Key: pegkey.Encode(nil, hash, sort), Value: value, Expire: expire})
		}
		later := func() uint32 { return pegkey.ExpireTs(now.Add(time.Hour + time.Duration(r.IntN(1e6))*time.Second)) }
		for i := range m.hashes {
			hash := m.hashKey(r, i)
			for j := range 1 + r.IntN(6) {
				expire := one(r, 0, later(), later())
				value := bytes.Repeat([]byte{byte(r.IntN(256))}, one(r, 0, 1, 100, 3000))
				if !put(hash, m.sortKey(r, i, j), value, expire) {
					return
				}
			}
		}
		same := later()
		for i := range m.crowd {
			if !put([]byte("crowd"), fmt.Appendf(nil, "%06d", i), fmt.Appendf(nil, "value %d", i), one(r, 0, same, same, later())) {
				return
			}
		}
		for i := range m.large {
			if !put(fmt.Appendf(nil, "large%d", i/3), fmt.Appendf(nil, "%d", i), bytes.Repeat([]byte{'L'}, 60_000+r.IntN(940_000)), one(r, 0, later())) {
				return
			}
		}
		for i := range m.fitting {
			hash := fmt.Appendf(nil, "fitting%d", i)
			if !put(hash, nil, bytes.Repeat([]byte{'F'}, writeLimit-putFrame-2-len(hash)), one(r, 0, later())) {
				return
			}
		}
		for i := range m.fading {
			expire := pegkey.ExpireTs(now.Add(time.Duration(1+r.IntN(20)) * time.Second))
			if !put(fmt.Appendf(nil, "fading%d", i/4), fmt.Appendf(nil, "%d", i), []byte("gone soon"), expire) {
				return
			}
		}
	}
}

// hashKey is distinct for each i but for the empty one.
func (m rowMix) hashKey(r *rand.Rand, i int) []byte {
	switch r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []byte{0xff, 0xff, byte(i), byte(i >> 8)}
	case 2:
		return []byte{0, 0, byte(i), byte(i >> 8)}
	case 3:
		return append(bytes.Repeat([]byte{'k'}, one(r, 300, 5000, pegkey.MaxHashKey-5)), fmt.Appendf(nil, "%05d", i)...)
	default:
		return fmt.Appendf(nil, "user%d", i)
	}
}

// sortKey is distinct for each i and j; with an empty hash key only the first may be empty.
func (m rowMix) sortKey(r *rand.Rand, i, j int) []byte {
	switch {
	case j == 0 && i == 0:
		return nil
	case r.IntN(8) == 0:
		return []byte{0xff, byte(j), 0, byte(i), byte(i >> 8), 0xff}
	default:
		return fmt.Appendf(nil, "s%d.%d", j, i)
	}
}
