package idl

// KeyValue is a row in a list of rows. In a scan Key is the raw key, in multi_get
// and multi_put it is the sort key. On the hot path: optional expiry as a flag, no
// pointer.
type KeyValue struct {
	Key   []byte
	Value []byte
	// ExpireTs is seconds since 2016-01-01 UTC, 0 for never. Servers ignore it in
	// multi_put, which has one expiry for all rows.
	ExpireTs int32
	// HasExpireTs tells whether ExpireTs is set.
	HasExpireTs bool
}

// AppendTo implements Message.
func (m *KeyValue) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.Key)
	b = putBlob(b, 2, m.Value)
	if m.HasExpireTs {
		b = putI32(b, 3, m.ExpireTs)
	}
	return append(b, tStop)
}

// Decode implements Message.
func (m *KeyValue) Decode(d *Decoder) {
	*m = KeyValue{}
	for d.next("KeyValue") {
		switch d.id {
		case 1:
			m.Key = d.blob()
		case 2:
			m.Value = d.blob()
		case 3:
			m.ExpireTs, m.HasExpireTs = d.i32(), true
		default:
			d.skip()
		}
	}
}

// decodeKvs reads a list of rows into the capacity of old.
func decodeKvs(d *Decoder, old []KeyValue) []KeyValue {
	n := d.list(tList, tStruct, 1)
	kvs := old[:0]
	if cap(kvs) < n {
		kvs = make([]KeyValue, 0, min(n, maxPrealloc))
	}
	for range n {
		if d.err != nil {
			break
		}
		kvs = append(kvs, KeyValue{})
		kvs[len(kvs)-1].Decode(d)
	}
	return kvs
}
