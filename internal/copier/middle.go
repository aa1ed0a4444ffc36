package copier

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// How the middle of a range of keys is looked for. Servers tell neither how many rows a range has nor its
// last row, and scan forwards only.
const (
	// probes bounds the scans of one row for one search: a few for the length of hash keys, a few for the
	// prefix that is common to all rows, and one per bit of the byte behind it. Twenty are normal.
	probes = 100
	// nearness is how well the last row has to be known: to that part of what lies before it.
	nearness = 4
	// probeTime bounds one probe: a range full of deleted rows takes long to get over.
	probeTime = 5 * time.Second
)

// prober looks at single keys of one partition.
type prober struct {
	r         *run
	partition int32
	left      int
}

// middle is a key that divides what is left of a range into two parts with rows in both, as evenly as a
// look at some rows can tell; nil when there is none, or the source does not answer. Keys are taken for
// numbers between the first and the last one of the range, spread evenly: where they are not, the larger
// part is divided again.
func (r *run) middle(ctx context.Context, partition int32, left Range) []byte {
	p := &prober{r: r, partition: partition, left: probes}
	first := p.first(ctx, left.After, left.Through)
	if first == nil {
		return nil
	}
	end, top := left.Through, []byte(nil)
	if len(end) == 0 {
		end, top = p.end(ctx, first)
	}
	end, top = p.prefix(ctx, first, end, top)
	for p.left > 0 && !near(first, top, end) {
		low := first
		if top != nil {
			low = top
		}
		half := between(low, end)
		if half == nil {
			break
		}
		if key := p.first(ctx, half, end); key != nil {
			top = key
		} else {
			end = half
		}
	}
	if top == nil || p.left <= 0 || ctx.Err() != nil {
		return nil
	}
	return between(first, top)
}

// near tells whether the last row of a range, which lies between top and end, is known well enough.
func near(first, top, end []byte) bool {
	if top == nil {
		return false
	}
	if len(end) == 0 {
		end = []byte{0xff, 0xff}
	}
	n := shared(first, end)
	a, t, e := number(first, n), number(top, n), number(end, n)
	return t > a && e >= t && (e-t) <= (t-a)/nearness
}

// end is a key behind all rows that come after first, in steps of the length of hash keys, by which raw
// keys are ordered before anything else. top is the last row that was seen on the way, nil for none.
func (p *prober) end(ctx context.Context, first []byte) (end, top []byte) {
	length := hashLength(first)
	for step := 1; p.left > 0; step *= 2 {
		edge := legal(binary.BigEndian.AppendUint16(nil, uint16(min(length+step, pegkey.MaxHashKey))))
		key := p.first(ctx, edge, nil)
		if key == nil || length+step >= pegkey.MaxHashKey {
			return edge, top
		}
		top, length = key, hashLength(key)
	}
	return nil, top
}

// prefix moves end, behind which there is no row, nearer to what shares a prefix with first, and tells the last
// row that was seen on the way, top or a later one.
func (p *prober) prefix(ctx context.Context, first, end, top []byte) (nearer, last []byte) {
	common := first
	if top != nil {
		common = first[:shared(first, top)]
	}
	// Of the prefixes, that of low bytes is known to have all rows, that of high bytes not to.
	low, high := 2, len(common)+1
	for high-low > 1 && p.left > 0 {
		n := (low + high) / 2
		edge := behind(common[:n])
		if edge == nil || len(end) > 0 && bytes.Compare(edge, end) >= 0 {
			low = n
			continue
		}
		if key := p.first(ctx, edge, end); key != nil {
			top, high = key, n
		} else {
			end, low = edge, n
		}
	}
	return end, top
}

// behind is the smallest key that sorts behind everything with a prefix; nil when that takes another length
// of the hash key.
func behind(prefix []byte) []byte {
	for n := len(prefix); n > 2; n-- {
		if prefix[n-1] != 0xff {
			key := slices.Clone(prefix[:n])
			key[n-1]++
			return legal(key)
		}
	}
	return nil
}

// shared is the length of the common prefix of two keys.
func shared(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// first is the key of the first row behind after, up to through, nil for none and when it cannot be told.
// In the latter case no probe is left either.
func (p *prober) first(ctx context.Context, after, through []byte) []byte {
	if p.left--; p.left < 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	rows := p.r.src.Open(scan.Spec{Partition: p.partition, After: after, Through: through, NoValue: true, Batch: 1,
		GiveUpAfter: probeTime, Timeout: p.r.opts.Timeout, OnRetry: p.r.gov.onScan})
	defer rows.Close()
	for {
		pg, err := rows.Next(ctx)
		if err != nil {
			p.left = 0
			return nil
		}
		var key []byte
		for i := range pg.Rows {
			if bytes.Compare(pg.Rows[i].Key, after) > 0 {
				key = slices.Clone(pg.Rows[i].Key)
				break
			}
		}
		last := pg.Last
		pg.Release()
		if key != nil || last {
			return key
		}
	}
}

// wide is the number of bytes behind the common prefix of two keys that count for what lies between them.
const wide = 7

// between is a key about halfway between two, in the form that scans take; nil when they are too near. An
// empty high is the end of all keys.
func between(low, high []byte) []byte {
	if len(high) == 0 {
		high = []byte{0xff, 0xff}
	}
	n := shared(low, high)
	a, b := number(low, n), number(high, n)
	if b <= a || b-a < 2 {
		return nil
	}
	key := slices.Grow(slices.Clone(low[:n]), wide)
	half := a + (b-a)/2
	for i := wide - 1; i >= 0; i-- {
		key = append(key, byte(half>>(8*i)))
	}
	if key = legal(key); bytes.Compare(key, low) <= 0 || bytes.Compare(key, high) >= 0 {
		return nil
	}
	return key
}

// number is wide bytes of a key from position n on, zeros behind its end.
func number(key []byte, n int) (v uint64) {
	for i := n; i < n+wide; i++ {
		v <<= 8
		if i < len(key) {
			v |= uint64(key[i])
		}
	}
	return v
}

// legal makes bytes a raw key by zeros behind them, as many as its length of the hash key asks for: servers
// take a scan's bounds apart.
func legal(key []byte) []byte {
	if missing := 2 + hashLength(key) - len(key); missing > 0 {
		key = append(key, make([]byte, missing)...)
	}
	return key
}

// hashLength is the length of the hash key that a raw key announces.
func hashLength(key []byte) int {
	if len(key) < 2 {
		return 0
	}
	return min(int(binary.BigEndian.Uint16(key)), pegkey.MaxHashKey)
}
