package sandbox

import (
	"bytes"
	"iter"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// Row is one row as Load takes and Dump gives it.
type Row struct {
	// Partition is where the row lies. Load ignores it and uses the key's hash.
	Partition int32
	// Key is the raw key, Value what a client wrote.
	Key, Value []byte
	// Expire is in seconds since 2016, 0 for never.
	Expire uint32
}

// loadChunk is how many rows share one lock and one decree.
const loadChunk = 256

// Load stores rows in the partitions that their hashes select, without any RPC. The
// rows are copied. Neither fences nor default TTL apply.
func (c *Cluster) Load(table string, rows iter.Seq[Row]) error {
	parts, err := c.partitionData(table)
	if err != nil {
		return err
	}
	count := int32(len(parts))
	pending := make([][]Row, count)
	flush := func(i int32) {
		parts[i].storeAll(pending[i])
		pending[i] = pending[i][:0]
	}
	for r := range rows {
		i := pegkey.Partition(pegkey.HashRaw(r.Key), count)
		pending[i] = append(pending[i], Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Expire: r.Expire})
		if len(pending[i]) >= loadChunk {
			flush(i)
		}
	}
	for i := range count {
		flush(i)
	}
	return nil
}

// PutAt stores a row in a given partition, whatever its hash says: that is what a
// client with a wrong partition count does.
func (c *Cluster) PutAt(table string, r Row) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := c.partitionOf(table, int(r.Partition))
	if err != nil {
		return err
	}
	p.data.storeAll([]Row{r})
	return nil
}

// storeAll stores rows as one mutation.
func (p *partition) storeAll(rows []Row) {
	if len(rows) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range rows {
		p.store.set(r.Key, r.Value, r.Expire)
		p.noteRow(r)
	}
	p.commit()
}

// noteRow lets the log show a row that was stored without a request as a put.
func (p *partition) noteRow(r Row) {
	if p.log == nil {
		return
	}
	put := &idl.UpdateRequest{Key: r.Key, Value: r.Value, ExpireTsSeconds: int32(r.Expire)}
	q, err := idl.DecodeRequest(idl.AppendRequest(nil, idl.RequestHeader{}, idl.NamePut, 0, put))
	if err == nil { // a frame that was just made can be read
		p.noteUpdate(q.Name, q.Args)
	}
}

// Dump calls f with every live row of a table in the order of raw keys, over all
// partitions. The rows are those of one moment per partition; they must not be
// changed. The error is f's, or says that there is no such table.
func (c *Cluster) Dump(table string, f func(Row) error) error {
	parts, err := c.partitionData(table)
	if err != nil {
		return err
	}
	now := c.rowTime()
	var walks []*dumpWalk
	for _, p := range parts {
		p.mu.Lock()
		w := &dumpWalk{partition: p.index, it: p.store.iter()}
		p.mu.Unlock()
		if w.valid = w.it.First(); w.settle(now) {
			walks = append(walks, w)
		}
	}
	for len(walks) > 0 {
		best := 0
		for i := range walks {
			if rowLess(walks[i].it.Item(), walks[best].it.Item()) {
				best = i
			}
		}
		w := walks[best]
		r := w.it.Item()
		if err := f(Row{Partition: w.partition, Key: r.key(), Value: r.value(), Expire: r.expire()}); err != nil {
			return err
		}
		if w.valid = w.it.Next(); !w.settle(now) {
			walks = append(walks[:best], walks[best+1:]...)
		}
	}
	return nil
}

// dumpWalk is Dump's place in one partition.
type dumpWalk struct {
	partition int32
	it        rowIter
	valid     bool
}

// settle moves on to a live row of a client; false at the end.
func (w *dumpWalk) settle(now uint32) bool {
	for w.valid && (len(w.it.Item().key()) == 0 || expired(w.it.Item().expire(), now)) {
		w.valid = w.it.Next()
	}
	return w.valid
}

// Count counts live rows of a table.
func (c *Cluster) Count(table string) (int, error) {
	count := 0
	err := c.Dump(table, func(Row) error { count++; return nil })
	return count, err
}

// partitionData are the partitions of a serving table.
func (c *Cluster) partitionData(name string) ([]*partition, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.mustFind(name)
	if err != nil {
		return nil, err
	}
	parts := make([]*partition, 0, len(t.partitions))
	for _, p := range t.partitions {
		parts = append(parts, p.data)
	}
	return parts, nil
}
