package idl

// GetResponse answers a get (rrdb.thrift, read_response).
type GetResponse struct {
	// Error is StatusNotFound for a row that is missing or has expired.
	Error          Status
	Value          []byte
	AppID          int32
	PartitionIndex int32
	// Server is "ip:port" of the replica server.
	Server string
}

// AppendTo implements Message.
func (m *GetResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putBlob(b, 2, m.Value)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetResponse) Decode(d *Decoder) {
	server := m.Server
	*m = GetResponse{}
	for d.next("GetResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Value = d.blob()
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

// TTLResponse answers a ttl request.
type TTLResponse struct {
	Error Status
	// TTLSeconds is the seconds left, -1 for a row without expiry.
	TTLSeconds     int32
	AppID          int32
	PartitionIndex int32
	Server         string
}

// AppendTo implements Message.
func (m *TTLResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putI32(b, 2, m.TTLSeconds)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *TTLResponse) Decode(d *Decoder) {
	server := m.Server
	*m = TTLResponse{}
	for d.next("TTLResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.TTLSeconds = d.i32()
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

// CountResponse answers sortkey_count.
type CountResponse struct {
	Error          Status
	Count          int64
	AppID          int32
	PartitionIndex int32
	Server         string
}

// AppendTo implements Message.
func (m *CountResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putI64(b, 2, m.Count)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CountResponse) Decode(d *Decoder) {
	server := m.Server
	*m = CountResponse{}
	for d.next("CountResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Count = d.i64()
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

// FullKey is a hash key and a sort key.
type FullKey struct {
	HashKey []byte
	SortKey []byte
}

// AppendTo implements Message.
func (m *FullKey) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putBlob(b, 2, m.SortKey)
	return append(b, tStop)
}

// Decode implements Message.
func (m *FullKey) Decode(d *Decoder) {
	*m = FullKey{}
	for d.next("FullKey") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.SortKey = d.blob()
		default:
			d.skip()
		}
	}
}

// FullData is a row of BatchGetResponse.
type FullData struct {
	HashKey []byte
	SortKey []byte
	Value   []byte
}

// AppendTo implements Message.
func (m *FullData) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putBlob(b, 2, m.SortKey)
	b = putBlob(b, 3, m.Value)
	return append(b, tStop)
}

// Decode implements Message.
func (m *FullData) Decode(d *Decoder) {
	*m = FullData{}
	for d.next("FullData") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.SortKey = d.blob()
		case 3:
			m.Value = d.blob()
		default:
			d.skip()
		}
	}
}

// BatchGetRequest reads many rows of one partition.
type BatchGetRequest struct {
	Keys []FullKey
}

// AppendTo implements Message.
func (m *BatchGetRequest) AppendTo(b []byte) []byte {
	b = putStructs(b, 1, m.Keys)
	return append(b, tStop)
}

// Decode implements Message.
func (m *BatchGetRequest) Decode(d *Decoder) {
	*m = BatchGetRequest{}
	for d.next("BatchGetRequest") {
		switch d.id {
		case 1:
			m.Keys = decodeStructs[FullKey](d)
		default:
			d.skip()
		}
	}
}

// BatchGetResponse answers BatchGetRequest with the rows that exist.
type BatchGetResponse struct {
	Error          Status
	Data           []FullData
	AppID          int32
	PartitionIndex int32
	Server         string
}

// AppendTo implements Message.
func (m *BatchGetResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putStructs(b, 2, m.Data)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *BatchGetResponse) Decode(d *Decoder) {
	server := m.Server
	*m = BatchGetResponse{}
	for d.next("BatchGetResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.Data = decodeStructs[FullData](d)
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
