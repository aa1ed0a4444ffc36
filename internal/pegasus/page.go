package pegasus

import (
	"sync"
	"sync/atomic"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Page is a run of rows of one partition, in rising order of their raw keys.
type Page struct {
	// Rows alias a buffer that belongs to the Page until Release. With NoValue their
	// Value is nil.
	Rows []Row
	// Bytes is the size of the reply that carried the rows.
	Bytes int
	// Count is the number of live rows of the partition behind ScanSpec.After, for
	// ScanSpec.CountOnly, which gives one Page without Rows.
	Count int64
	// Last says that the partition has no more rows. Only the last Page can be empty.
	Last bool

	buf *pageBuf
}

// Release gives the buffer back; the rows must not be used afterwards, the copies that
// were made of this Page included. It may be called from any goroutine, more than once,
// or not at all (then the garbage collector does it).
func (p *Page) Release() {
	b := p.buf
	p.Rows, p.buf = nil, nil
	if b != nil && b.lent.CompareAndSwap(true, false) {
		b.home.Put(b)
	}
}

// pageBuf is the memory of one reply. All scans of a table share what is free: a table of a thousand
// partitions would make a thousand sets of them otherwise.
type pageBuf struct {
	resp  idl.ScanResponse
	frame []byte
	rows  []Row
	home  *sync.Pool
	lent  atomic.Bool
}

// takeBuf is a free buffer or a new one.
func takeBuf(home *sync.Pool) *pageBuf {
	if b, ok := home.Get().(*pageBuf); ok {
		return b
	}
	return &pageBuf{home: home}
}

// fill turns the reply's rows into ours.
func (b *pageBuf) fill(noValue bool) {
	if cap(b.rows) < len(b.resp.Kvs) {
		b.rows = make([]Row, 0, cap(b.resp.Kvs))
	}
	b.rows = b.rows[:len(b.resp.Kvs)]
	for i := range b.resp.Kvs {
		kv := &b.resp.Kvs[i]
		r := &b.rows[i]
		r.Key, r.Value, r.Expire = kv.Key, kv.Value, uint32(kv.ExpireTs)
		if noValue {
			r.Value = nil
		}
	}
}
