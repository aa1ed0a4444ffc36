package idl

// IngestionStatus is the state of the ingestion on one replica (bulk_load.thrift).
type IngestionStatus int32

// The values of IngestionStatus.
const (
	IngestionInvalid IngestionStatus = 0
	IngestionRunning IngestionStatus = 1
	IngestionSucceed IngestionStatus = 2
	IngestionFailed  IngestionStatus = 3
)

// String is the name in the IDL, or the number of an unknown value.
func (v IngestionStatus) String() string {
	return enumName(v, "IS_INVALID", "IS_RUNNING", "IS_SUCCEED", "IS_FAILED")
}

// PartitionBulkLoadState is the state of one replica of a partition.
type PartitionBulkLoadState struct {
	// DownloadProgress is in percent.
	DownloadProgress *int32
	DownloadStatus   *ErrorCode
	IngestStatus     *IngestionStatus
	IsCleanedUp      *bool
	IsPaused         *bool
}

// AppendTo implements Message.
func (m *PartitionBulkLoadState) AppendTo(b []byte) []byte {
	b = optI32(b, 1, m.DownloadProgress)
	b = optCode(b, 2, m.DownloadStatus)
	b = optI32(b, 3, m.IngestStatus)
	b = optBool(b, 4, m.IsCleanedUp)
	b = optBool(b, 5, m.IsPaused)
	return append(b, tStop)
}

// Decode implements Message.
func (m *PartitionBulkLoadState) Decode(d *Decoder) {
	*m = PartitionBulkLoadState{}
	for d.next("PartitionBulkLoadState") {
		switch d.id {
		case 1:
			m.DownloadProgress = new(d.i32())
		case 2:
			m.DownloadStatus = new(d.code())
		case 3:
			m.IngestStatus = new(IngestionStatus(d.i32()))
		case 4:
			m.IsCleanedUp = new(d.bool())
		case 5:
			m.IsPaused = new(d.bool())
		default:
			d.skip()
		}
	}
}

// QueryBulkLoadRequest asks how far a bulk load is.
type QueryBulkLoadRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *QueryBulkLoadRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBulkLoadRequest) Decode(d *Decoder) {
	*m = QueryBulkLoadRequest{}
	for d.next("QueryBulkLoadRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// QueryBulkLoadResponse answers QueryBulkLoadRequest.
type QueryBulkLoadResponse struct {
	Err              ErrorCode
	AppName          string
	AppStatus        BulkLoadStatus
	PartitionsStatus []BulkLoadStatus
	MaxReplicaCount  int32
	// BulkLoadStates has one map per partition, from replica server to state.
	BulkLoadStates []map[Addr]PartitionBulkLoadState
	HintMsg        *string
	IsBulkLoading  *bool
	// HpBulkLoadStates is sent by servers newer than 2.5 only.
	HpBulkLoadStates []map[HostPort]PartitionBulkLoadState
}

// AppendTo implements Message.
func (m *QueryBulkLoadResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.AppName)
	b = putI32(b, 3, m.AppStatus)
	b = putI32s(b, 4, m.PartitionsStatus)
	b = putI32(b, 5, m.MaxReplicaCount)
	b = putList(b, 6, tList, tMap, m.BulkLoadStates, rawBulkLoadStates)
	b = optString(b, 7, m.HintMsg)
	b = optBool(b, 8, m.IsBulkLoading)
	if m.HpBulkLoadStates != nil {
		b = putList(b, 9, tList, tMap, m.HpBulkLoadStates, rawHpBulkLoadStates)
	}
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryBulkLoadResponse) Decode(d *Decoder) {
	*m = QueryBulkLoadResponse{}
	for d.next("QueryBulkLoadResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.AppName = d.str()
		case 3:
			m.AppStatus = BulkLoadStatus(d.i32())
		case 4:
			m.PartitionsStatus = decodeList(d, tI32, 4, readEnum[BulkLoadStatus])
		case 5:
			m.MaxReplicaCount = d.i32()
		case 6:
			m.BulkLoadStates = decodeList(d, tMap, 6, readBulkLoadStates)
		case 7:
			m.HintMsg = new(d.str())
		case 8:
			m.IsBulkLoading = new(d.bool())
		case 9:
			m.HpBulkLoadStates = decodeList(d, tMap, 6, readHpBulkLoadStates)
		default:
			d.skip()
		}
	}
}
