package copier

import (
	"bytes"
	"math"
)

// When rows share a multi_put with MultiSetAuto.
const (
	// sampled is how many rows of a page are looked at.
	sampled = 256
	// worthwhile is the average of rows per hash key and expiry from which on any two neighbours share.
	worthwhile = 2
	// longRun is how many neighbours share a multi_put in a page below that average.
	longRun = 16
)

// never is the number of rows that no run of neighbours reaches.
const never = math.MaxInt

// leastShared is the number of rows from which on neighbours of the page share a multi_put.
func (o *Options) leastShared(rows []Row) int {
	switch {
	case o.MultiSet == MultiSetOff || o.Overwrite != OverwriteAlways:
		return never
	case o.MultiSet == MultiSetOn:
		return 2
	}
	rows = rows[:min(len(rows), sampled)]
	runs := 1
	for i := 1; i < len(rows); i++ {
		n := 2 + hashLength(rows[i].Key)
		if !o.shareable(&rows[i-1], &rows[i], rows[i].Key[:min(n, len(rows[i].Key))]) {
			runs++
		}
	}
	if len(rows) >= worthwhile*runs {
		return 2
	}
	return longRun
}

// shareable tells whether two rows can be written by one multi_put, which has one hash key, the raw prefix
// given, and one expiry for all its rows (facts of copy_data: rows without expiry got one there).
func (o *Options) shareable(a, b *Row, prefix []byte) bool {
	return (a.Expire == b.Expire || o.DropTTL) && bytes.HasPrefix(b.Key, prefix) && bytes.HasPrefix(a.Key, prefix)
}

// group is how many rows from the first on share a write, and the bytes of their keys and values:
// neighbours of one hash key and one expiry, never with an empty hash key.
func (w *worker) group(i int, hashKey int) (n, size int) {
	rows, o := w.page.Rows[i:], &w.r.opts
	first := &rows[0]
	size = len(first.Key) + len(first.Value)
	if hashKey == 0 || w.least == never || i < w.alone {
		return 1, size
	}
	single, prefix := size, first.Key[:2+hashKey]
	body := size + kvOverhead
	for n = 1; n < len(rows) && n < o.MultiPutRows; n++ {
		row := &rows[n]
		if !o.shareable(first, row, prefix) || !w.takes(row, hashKey) {
			break
		}
		body += len(row.Key) + len(row.Value) + kvOverhead
		if body > o.MultiPutBytes {
			break
		}
		size += len(row.Key) + len(row.Value)
	}
	if n < w.least {
		w.alone = i + n
		return 1, single
	}
	return n, size
}

// takes tells whether the filter takes a row.
func (w *worker) takes(row *Row, hashKey int) bool {
	return w.r.takesAll || w.r.opts.Filter.Takes(row.Key[2:2+hashKey], row.Key[2+hashKey:], row.Value)
}
