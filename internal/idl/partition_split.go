package idl

// SplitStatus is how far the split of a partition is (metadata.thrift, split_status).
type SplitStatus int32

// The values of SplitStatus.
const (
	SplitNot       SplitStatus = 0
	SplitSplitting SplitStatus = 1
	SplitPausing   SplitStatus = 2
	SplitPaused    SplitStatus = 3
	SplitCanceling SplitStatus = 4
)

// String is the name in the IDL, or the number of an unknown value.
func (v SplitStatus) String() string {
	return enumName(v, "NOT_SPLIT", "SPLITTING", "PAUSING", "PAUSED", "CANCELING")
}

// SplitControl is what ControlSplitRequest does (partition_split.thrift, split_control_type).
type SplitControl int32

// The values of SplitControl.
const (
	SplitPause   SplitControl = 0
	SplitRestart SplitControl = 1
	SplitCancel  SplitControl = 2
)

// String is the name in the IDL, or the number of an unknown value.
func (v SplitControl) String() string {
	return enumName(v, "PAUSE", "RESTART", "CANCEL")
}

// StartSplitRequest doubles the partition count of a table.
type StartSplitRequest struct {
	AppName string
	// NewPartitionCount must be twice the present one.
	NewPartitionCount int32
}

// AppendTo implements Message.
func (m *StartSplitRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.NewPartitionCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartSplitRequest) Decode(d *Decoder) {
	*m = StartSplitRequest{}
	for d.next("StartSplitRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.NewPartitionCount = d.i32()
		default:
			d.skip()
		}
	}
}

// StartSplitResponse answers StartSplitRequest.
type StartSplitResponse struct {
	Err     ErrorCode
	HintMsg string
}

// AppendTo implements Message.
func (m *StartSplitResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartSplitResponse) Decode(d *Decoder) {
	*m = StartSplitResponse{}
	for d.next("StartSplitResponse") {
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

// QuerySplitRequest asks how far a partition split is.
type QuerySplitRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *QuerySplitRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QuerySplitRequest) Decode(d *Decoder) {
	*m = QuerySplitRequest{}
	for d.next("QuerySplitRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// QuerySplitResponse answers QuerySplitRequest. ErrInvalidState means that the table is not
// splitting.
type QuerySplitResponse struct {
	Err               ErrorCode
	NewPartitionCount int32
	Status            map[int32]SplitStatus
	HintMsg           *string
}

// AppendTo implements Message.
func (m *QuerySplitResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.NewPartitionCount)
	b = putMap(b, 3, tI32, tI32, m.Status, rawI32[int32], rawI32[SplitStatus])
	b = optString(b, 4, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QuerySplitResponse) Decode(d *Decoder) {
	*m = QuerySplitResponse{}
	for d.next("QuerySplitResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.NewPartitionCount = d.i32()
		case 3:
			m.Status = decodeMap(d, tI32, tI32, 8, (*Decoder).rawI32, readEnum[SplitStatus])
		case 4:
			m.HintMsg = new(d.str())
		default:
			d.skip()
		}
	}
}

// ControlSplitRequest pauses, restarts or cancels a partition split.
type ControlSplitRequest struct {
	AppName     string
	ControlType SplitControl
	// ParentPidx is the parent partition, -1 for all.
	ParentPidx int32
	// OldPartitionCount is for SplitCancel only.
	OldPartitionCount *int32
}

// AppendTo implements Message.
func (m *ControlSplitRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.ControlType)
	b = putI32(b, 3, m.ParentPidx)
	b = optI32(b, 4, m.OldPartitionCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ControlSplitRequest) Decode(d *Decoder) {
	*m = ControlSplitRequest{}
	for d.next("ControlSplitRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.ControlType = SplitControl(d.i32())
		case 3:
			m.ParentPidx = d.i32()
		case 4:
			m.OldPartitionCount = new(d.i32())
		default:
			d.skip()
		}
	}
}

// ControlSplitResponse answers ControlSplitRequest.
type ControlSplitResponse struct {
	Err     ErrorCode
	HintMsg *string
}

// AppendTo implements Message.
func (m *ControlSplitResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = optString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ControlSplitResponse) Decode(d *Decoder) {
	*m = ControlSplitResponse{}
	for d.next("ControlSplitResponse") {
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
