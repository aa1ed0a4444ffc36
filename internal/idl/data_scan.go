package idl

// GetScannerRequest opens a scan of one partition and asks for its first batch.
type GetScannerRequest struct {
	// StartKey and StopKey are raw keys; a full scan goes from 00 00 inclusive to FF FF exclusive.
	StartKey       []byte
	StopKey        []byte
	StartInclusive bool
	StopInclusive  bool
	// BatchSize is the number of rows per reply; the server has a bound of its own, 1000 by
	// default.
	BatchSize            int32
	NoValue              bool
	HashKeyFilterType    FilterType
	HashKeyFilterPattern []byte
	SortKeyFilterType    FilterType
	SortKeyFilterPattern []byte
	// ValidatePartitionHash leaves out rows of other partitions, on tables that have
	// replica.split.validate_partition_hash; servers take unset as true.
	ValidatePartitionHash *bool
	// ReturnExpireTs fills KeyValue.ExpireTs.
	ReturnExpireTs *bool
	// FullScan makes the server ignore prefix bloom filters.
	FullScan *bool
	// OnlyReturnCount makes the server send ScanResponse.KvCount and no rows; 2.4 ignores it.
	OnlyReturnCount *bool
}

// AppendTo implements Message.
func (m *GetScannerRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.StartKey)
	b = putBlob(b, 2, m.StopKey)
	b = putBool(b, 3, m.StartInclusive)
	b = putBool(b, 4, m.StopInclusive)
	b = putI32(b, 5, m.BatchSize)
	b = putBool(b, 6, m.NoValue)
	b = putI32(b, 7, m.HashKeyFilterType)
	b = putBlob(b, 8, m.HashKeyFilterPattern)
	b = putI32(b, 9, m.SortKeyFilterType)
	b = putBlob(b, 10, m.SortKeyFilterPattern)
	b = optBool(b, 11, m.ValidatePartitionHash)
	b = optBool(b, 12, m.ReturnExpireTs)
	b = optBool(b, 13, m.FullScan)
	b = optBool(b, 14, m.OnlyReturnCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetScannerRequest) Decode(d *Decoder) {
	*m = GetScannerRequest{}
	for d.next("GetScannerRequest") {
		switch d.id {
		case 1:
			m.StartKey = d.blob()
		case 2:
			m.StopKey = d.blob()
		case 3:
			m.StartInclusive = d.bool()
		case 4:
			m.StopInclusive = d.bool()
		case 5:
			m.BatchSize = d.i32()
		case 6:
			m.NoValue = d.bool()
		case 7:
			m.HashKeyFilterType = FilterType(d.i32())
		case 8:
			m.HashKeyFilterPattern = d.blob()
		case 9:
			m.SortKeyFilterType = FilterType(d.i32())
		case 10:
			m.SortKeyFilterPattern = d.blob()
		case 11:
			m.ValidatePartitionHash = new(d.bool())
		case 12:
			m.ReturnExpireTs = new(d.bool())
		case 13:
			m.FullScan = new(d.bool())
		case 14:
			m.OnlyReturnCount = new(d.bool())
		default:
			d.skip()
		}
	}
}

// ScanRequest asks for the next batch.
type ScanRequest struct {
	// ContextID is the one of the reply before; it changes with every reply.
	ContextID int64
}

// AppendTo implements Message.
func (m *ScanRequest) AppendTo(b []byte) []byte {
	b = putI64(b, 1, m.ContextID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ScanRequest) Decode(d *Decoder) {
	*m = ScanRequest{}
	for d.next("ScanRequest") {
		switch d.id {
		case 1:
			m.ContextID = d.i64()
		default:
			d.skip()
		}
	}
}
