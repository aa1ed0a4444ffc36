package idl

// BulkLoadStatus is the state of a bulk load of a table or a partition (bulk_load.thrift).
type BulkLoadStatus int32

// The values of BulkLoadStatus.
const (
	BulkLoadInvalid     BulkLoadStatus = 0
	BulkLoadDownloading BulkLoadStatus = 1
	BulkLoadDownloaded  BulkLoadStatus = 2
	BulkLoadIngesting   BulkLoadStatus = 3
	BulkLoadSucceed     BulkLoadStatus = 4
	BulkLoadFailed      BulkLoadStatus = 5
	BulkLoadPausing     BulkLoadStatus = 6
	BulkLoadPaused      BulkLoadStatus = 7
	BulkLoadCanceled    BulkLoadStatus = 8
)

// String is the name in the IDL, or the number of an unknown value.
func (v BulkLoadStatus) String() string {
	return enumName(v,
		"BLS_INVALID", "BLS_DOWNLOADING", "BLS_DOWNLOADED", "BLS_INGESTING", "BLS_SUCCEED",
		"BLS_FAILED", "BLS_PAUSING", "BLS_PAUSED", "BLS_CANCELED")
}

// StartBulkLoadRequest loads prepared files into a table.
type StartBulkLoadRequest struct {
	AppName          string
	ClusterName      string
	FileProviderType string
	RemoteRootPath   string
	// IngestBehind puts the files below everything that the table has; the table must have been
	// created with rocksdb.allow_ingest_behind.
	IngestBehind bool
}

// AppendTo implements Message.
func (m *StartBulkLoadRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putString(b, 2, m.ClusterName)
	b = putString(b, 3, m.FileProviderType)
	b = putString(b, 4, m.RemoteRootPath)
	b = putBool(b, 5, m.IngestBehind)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartBulkLoadRequest) Decode(d *Decoder) {
	*m = StartBulkLoadRequest{}
	for d.next("StartBulkLoadRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.ClusterName = d.str()
		case 3:
			m.FileProviderType = d.str()
		case 4:
			m.RemoteRootPath = d.str()
		case 5:
			m.IngestBehind = d.bool()
		default:
			d.skip()
		}
	}
}

// StartBulkLoadResponse answers StartBulkLoadRequest.
type StartBulkLoadResponse struct {
	Err     ErrorCode
	HintMsg string
}

// AppendTo implements Message.
func (m *StartBulkLoadResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartBulkLoadResponse) Decode(d *Decoder) {
	*m = StartBulkLoadResponse{}
	for d.next("StartBulkLoadResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMsg = d.str()
		default:
			d.skip()
		}
	}
}

// BulkLoadControl is what ControlBulkLoadRequest does (bulk_load.thrift,
// bulk_load_control_type).
type BulkLoadControl int32

// The values of BulkLoadControl.
const (
	BulkLoadPause       BulkLoadControl = 0
	BulkLoadRestart     BulkLoadControl = 1
	BulkLoadCancel      BulkLoadControl = 2
	BulkLoadForceCancel BulkLoadControl = 3
)

// String is the name in the IDL, or the number of an unknown value.
func (v BulkLoadControl) String() string {
	return enumName(v, "BLC_PAUSE", "BLC_RESTART", "BLC_CANCEL", "BLC_FORCE_CANCEL")
}

// ControlBulkLoadRequest pauses, restarts or cancels a bulk load.
type ControlBulkLoadRequest struct {
	AppName string
	Type    BulkLoadControl
}

// AppendTo implements Message.
func (m *ControlBulkLoadRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.Type)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ControlBulkLoadRequest) Decode(d *Decoder) {
	*m = ControlBulkLoadRequest{}
	for d.next("ControlBulkLoadRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.Type = BulkLoadControl(d.i32())
		default:
			d.skip()
		}
	}
}

// ControlBulkLoadResponse answers ControlBulkLoadRequest.
type ControlBulkLoadResponse struct {
	Err     ErrorCode
	HintMsg *string
}

// AppendTo implements Message.
func (m *ControlBulkLoadResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = optString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ControlBulkLoadResponse) Decode(d *Decoder) {
	*m = ControlBulkLoadResponse{}
	for d.next("ControlBulkLoadResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMsg = new(d.str())
		default:
			d.skip()
		}
	}
}

// ClearBulkLoadRequest forgets the result of a finished bulk load.
type ClearBulkLoadRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *ClearBulkLoadRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ClearBulkLoadRequest) Decode(d *Decoder) {
	*m = ClearBulkLoadRequest{}
	for d.next("ClearBulkLoadRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// ClearBulkLoadResponse answers ClearBulkLoadRequest.
type ClearBulkLoadResponse struct {
	Err     ErrorCode
	HintMsg string
}

// AppendTo implements Message.
func (m *ClearBulkLoadResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ClearBulkLoadResponse) Decode(d *Decoder) {
	*m = ClearBulkLoadResponse{}
	for d.next("ClearBulkLoadResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMsg = d.str()
		default:
			d.skip()
		}
	}
}
