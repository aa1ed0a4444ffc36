package idl

// ScanDone is the context id that ends a scan. It is the only one that does: any
// other 64-bit number, negative ones included, is a live context.
const ScanDone = -1

// MultiPutRequest writes rows of one hash key, all with the same expiry. The hash
// key must not be empty.
type MultiPutRequest struct {
	HashKey []byte
	Kvs     []KeyValue
	// ExpireTsSeconds is seconds since 2016-01-01 UTC, 0 for never (or the table's
	// default_ttl).
	ExpireTsSeconds int32
}

// AppendTo implements Message.
func (m *MultiPutRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putStructs(b, 2, m.Kvs)
	b = putI32(b, 3, m.ExpireTsSeconds)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MultiPutRequest) Decode(d *Decoder) {
	*m = MultiPutRequest{Kvs: m.Kvs[:0]}
	for d.next("MultiPutRequest") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.Kvs = decodeKvs(d, m.Kvs)
		case 3:
			m.ExpireTsSeconds = d.i32()
		default:
			d.skip()
		}
	}
}

// MultiGetResponse answers MultiGetRequest. Error is StatusIncomplete for a part.
type MultiGetResponse struct {
	Error          Status
	Kvs            []KeyValue
	AppID          int32
	PartitionIndex int32
	Server         string
}

// AppendTo implements Message.
func (m *MultiGetResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putStructs(b, 2, m.Kvs)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MultiGetResponse) Decode(d *Decoder) {
	server := m.Server
	*m = MultiGetResponse{Kvs: m.Kvs[:0]}
	for d.next("MultiGetResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Kvs = decodeKvs(d, m.Kvs)
		case 3:
			m.AppID = d.i32()
		case 4:
			m.PartitionIndex = d.i32()
		case 6:
			m.Server = d.strAgain(server)
		default:
			d.skip()
		}
	}
}

// ScanResponse answers GetScannerRequest and ScanRequest. A batch may be short or
// empty without being the last; only ContextID == ScanDone ends a scan. Decoding
// into the same one again reuses Kvs, whose slices alias the frame.
type ScanResponse struct {
	// Error is StatusNotFound for a context that the server has lost and
	// StatusIncomplete when it ran out of time: Kvs then holds what it had.
	Error Status
	Kvs   []KeyValue
	// ContextID is for the next ScanRequest.
	ContextID      int64
	AppID          int32
	PartitionIndex int32
	Server         string
	// KvCount is the number of rows when only a count was asked for.
	KvCount *int32
}

// AppendTo implements Message.
func (m *ScanResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putStructs(b, 2, m.Kvs)
	b = putI64(b, 3, m.ContextID)
	b = putI32(b, 4, m.AppID)
	b = putI32(b, 5, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	b = optI32(b, 7, m.KvCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ScanResponse) Decode(d *Decoder) {
	server, count := m.Server, m.KvCount
	*m = ScanResponse{Kvs: m.Kvs[:0]}
	for d.next("ScanResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Kvs = decodeKvs(d, m.Kvs)
		case 3:
			m.ContextID = d.i64()
		case 4:
			m.AppID = d.i32()
		case 5:
			m.PartitionIndex = d.i32()
		case 6:
			m.Server = d.strAgain(server)
		case 7:
			if count == nil {
				count = new(int32)
			}
			*count = d.i32()
			m.KvCount = count
		default:
			d.skip()
		}
	}
}
