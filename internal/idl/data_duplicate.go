package idl

// DuplicateEntry is one write that a source cluster ships.
type DuplicateEntry struct {
	// Timestamp is in microseconds since 1970.
	Timestamp *int64
	// TaskCode is the name of the RPC that made the write; it travels like an error code.
	TaskCode      *ErrorCode
	RawMessage    []byte
	ClusterID     *int8
	VerifyTimetag *bool
}

// AppendTo implements Message.
func (m *DuplicateEntry) AppendTo(b []byte) []byte {
	b = optI64(b, 1, m.Timestamp)
	b = optCode(b, 2, m.TaskCode)
	if m.RawMessage != nil {
		b = putBlob(b, 3, m.RawMessage)
	}
	b = optI8(b, 4, m.ClusterID)
	b = optBool(b, 5, m.VerifyTimetag)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DuplicateEntry) Decode(d *Decoder) {
	*m = DuplicateEntry{}
	for d.next("DuplicateEntry") {
		switch d.id {
		case 1:
			m.Timestamp = new(d.i64())
		case 2:
			m.TaskCode = new(d.code())
		case 3:
			m.RawMessage = d.blob()
		case 4:
			m.ClusterID = new(d.i8())
		case 5:
			m.VerifyTimetag = new(d.bool())
		default:
			d.skip()
		}
	}
}

// DuplicateRequest ships writes of one partition to the target cluster (rrdb.thrift and
// duplication_internal.thrift).
type DuplicateRequest struct {
	Entries []DuplicateEntry
}

// AppendTo implements Message.
func (m *DuplicateRequest) AppendTo(b []byte) []byte {
	b = putStructs(b, 1, m.Entries)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DuplicateRequest) Decode(d *Decoder) {
	*m = DuplicateRequest{}
	for d.next("DuplicateRequest") {
		switch d.id {
		case 1:
			m.Entries = decodeStructs[DuplicateEntry](d)
		default:
			d.skip()
		}
	}
}

// DuplicateResponse answers DuplicateRequest.
type DuplicateResponse struct {
	Error     *Status
	ErrorHint *string
}

// AppendTo implements Message.
func (m *DuplicateResponse) AppendTo(b []byte) []byte {
	b = optI32(b, 1, m.Error)
	b = optString(b, 2, m.ErrorHint)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DuplicateResponse) Decode(d *Decoder) {
	*m = DuplicateResponse{}
	for d.next("DuplicateResponse") {
		switch d.id {
		case 1:
			m.Error = new(Status(d.i32()))
		case 2:
			m.ErrorHint = new(d.str())
		default:
			d.skip()
		}
	}
}

// FileMeta describes one file of a bulk load.
type FileMeta struct {
	Name string
	// Size is in bytes.
	Size int64
	MD5  string
}

// AppendTo implements Message.
func (m *FileMeta) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.Name)
	b = putI64(b, 2, m.Size)
	b = putString(b, 3, m.MD5)
	return append(b, tStop)
}

// Decode implements Message.
func (m *FileMeta) Decode(d *Decoder) {
	*m = FileMeta{}
	for d.next("FileMeta") {
		switch d.id {
		case 1:
			m.Name = d.str()
		case 2:
			m.Size = d.i64()
		case 3:
			m.MD5 = d.str()
		default:
			d.skip()
		}
	}
}

// BulkLoadMetadata lists the files of one partition.
type BulkLoadMetadata struct {
	Files         []FileMeta
	FileTotalSize int64
}

// AppendTo implements Message.
func (m *BulkLoadMetadata) AppendTo(b []byte) []byte {
	b = putStructs(b, 1, m.Files)
	b = putI64(b, 2, m.FileTotalSize)
	return append(b, tStop)
}

// Decode implements Message.
func (m *BulkLoadMetadata) Decode(d *Decoder) {
	*m = BulkLoadMetadata{}
	for d.next("BulkLoadMetadata") {
		switch d.id {
		case 1:
			m.Files = decodeStructs[FileMeta](d)
		case 2:
			m.FileTotalSize = d.i64()
		default:
			d.skip()
		}
	}
}

// IngestionRequest makes a primary ingest downloaded files; the meta server sends it on the
// path of client writes.
type IngestionRequest struct {
	AppName            string
	Metadata           BulkLoadMetadata
	IngestBehind       bool
	Ballot             int64
	VerifyBeforeIngest bool
}

// AppendTo implements Message.
func (m *IngestionRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putMessage(b, 2, &m.Metadata)
	b = putBool(b, 3, m.IngestBehind)
	b = putI64(b, 4, m.Ballot)
	b = putBool(b, 5, m.VerifyBeforeIngest)
	return append(b, tStop)
}

// Decode implements Message.
func (m *IngestionRequest) Decode(d *Decoder) {
	*m = IngestionRequest{}
	for d.next("IngestionRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			d.message(&m.Metadata)
		case 3:
			m.IngestBehind = d.bool()
		case 4:
			m.Ballot = d.i64()
		case 5:
			m.VerifyBeforeIngest = d.bool()
		default:
			d.skip()
		}
	}
}

// IngestionResponse answers IngestionRequest.
type IngestionResponse struct {
	Err          ErrorCode
	RocksdbError Status
}

// AppendTo implements Message.
func (m *IngestionResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.RocksdbError)
	return append(b, tStop)
}

// Decode implements Message.
func (m *IngestionResponse) Decode(d *Decoder) {
	*m = IngestionResponse{}
	for d.next("IngestionResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.RocksdbError = Status(d.i32())
		default:
			d.skip()
		}
	}
}
