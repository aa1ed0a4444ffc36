package idl

// UpdateRequest is a put of one row.
type UpdateRequest struct {
	// Key is the raw key.
	Key   []byte
	Value []byte
	// ExpireTsSeconds is seconds since 2016-01-01 UTC, 0 for never (or the table's default_ttl).
	ExpireTsSeconds int32
}

// AppendTo implements Message.
func (m *UpdateRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.Key)
	b = putBlob(b, 2, m.Value)
	b = putI32(b, 3, m.ExpireTsSeconds)
	return append(b, tStop)
}

// Decode implements Message.
func (m *UpdateRequest) Decode(d *Decoder) {
	*m = UpdateRequest{}
	for d.next("UpdateRequest") {
		switch d.id {
		case 1:
			m.Key = d.blob()
		case 2:
			m.Value = d.blob()
		case 3:
			m.ExpireTsSeconds = d.i32()
		default:
			d.skip()
		}
	}
}

// UpdateResponse answers put, multi_put and remove. Decoding into the same one again costs no
// allocation while the server stays the same.
type UpdateResponse struct {
	Error          Status
	AppID          int32
	PartitionIndex int32
	Decree         int64
	Server         string
}

// AppendTo implements Message.
func (m *UpdateResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putI32(b, 2, m.AppID)
	b = putI32(b, 3, m.PartitionIndex)
	b = putI64(b, 4, m.Decree)
	b = putString(b, 5, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *UpdateResponse) Decode(d *Decoder) {
	server := m.Server
	*m = UpdateResponse{}
	for d.next("UpdateResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.AppID = d.i32()
		case 3:
			m.PartitionIndex = d.i32()
		case 4:
			m.Decree = d.i64()
		case 5:
			m.Server = d.strAgain(server)
		default:
			d.skip()
		}
	}
}

// MultiRemoveRequest deletes rows of one hash key. Its hash key must not be empty.
type MultiRemoveRequest struct {
	HashKey  []byte
	SortKeys [][]byte
	// MaxCount is not used by the servers.
	MaxCount int64
}

// AppendTo implements Message.
func (m *MultiRemoveRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putList(b, 2, tList, tStruct, m.SortKeys, rawBlob)
	b = putI64(b, 3, m.MaxCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MultiRemoveRequest) Decode(d *Decoder) {
	*m = MultiRemoveRequest{}
	for d.next("MultiRemoveRequest") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.SortKeys = decodeList(d, tStruct, 4, (*Decoder).rawBlob)
		case 3:
			m.MaxCount = d.i64()
		default:
			d.skip()
		}
	}
}

// MultiRemoveResponse answers MultiRemoveRequest.
type MultiRemoveResponse struct {
	Error Status
	// Count is how many keys were named, whether they existed or not.
	Count          int64
	AppID          int32
	PartitionIndex int32
	Decree         int64
	Server         string
}

// AppendTo implements Message.
func (m *MultiRemoveResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putI64(b, 2, m.Count)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putI64(b, 5, m.Decree)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MultiRemoveResponse) Decode(d *Decoder) {
	server := m.Server
	*m = MultiRemoveResponse{}
	for d.next("MultiRemoveResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Count = d.i64()
		case 3:
			m.AppID = d.i32()
		case 4:
			m.PartitionIndex = d.i32()
		case 5:
			m.Decree = d.i64()
		case 6:
			m.Server = d.strAgain(server)
		default:
			d.skip()
		}
	}
}
