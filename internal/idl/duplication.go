package idl

// DuplicationStatus is the state of a duplication (duplication.thrift).
type DuplicationStatus int32

// The values of DuplicationStatus.
const (
	DupInit    DuplicationStatus = 0
	DupPrepare DuplicationStatus = 1
	DupApp     DuplicationStatus = 2
	DupLog     DuplicationStatus = 3
	DupPause   DuplicationStatus = 4
	DupRemoved DuplicationStatus = 5
)

// String is the name in the IDL, or the number of an unknown value.
func (v DuplicationStatus) String() string {
	return enumName(v, "DS_INIT", "DS_PREPARE", "DS_APP", "DS_LOG", "DS_PAUSE", "DS_REMOVED")
}

// DuplicationFailMode is what a duplication does about a mutation that the other side refuses
// (duplication.thrift).
type DuplicationFailMode int32

// The values of DuplicationFailMode.
const (
	DupFailSlow DuplicationFailMode = 0
	DupFailSkip DuplicationFailMode = 1
	DupFailFast DuplicationFailMode = 2
)

// String is the name in the IDL, or the number of an unknown value.
func (v DuplicationFailMode) String() string {
	return enumName(v, "FAIL_SLOW", "FAIL_SKIP", "FAIL_FAST")
}

// DupPartitionState is the progress of one partition, sent by servers newer than 2.5.
type DupPartitionState struct {
	ConfirmedDecree     int64
	LastCommittedDecree int64
}

// AppendTo implements Message.
func (m *DupPartitionState) AppendTo(b []byte) []byte {
	b = putI64(b, 1, m.ConfirmedDecree)
	b = putI64(b, 2, m.LastCommittedDecree)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DupPartitionState) Decode(d *Decoder) {
	*m = DupPartitionState{}
	for d.next("DupPartitionState") {
		switch d.id {
		case 1:
			m.ConfirmedDecree = d.i64()
		case 2:
			m.LastCommittedDecree = d.i64()
		default:
			d.skip()
		}
	}
}

// DuplicationEntry describes a duplication (duplication.thrift, duplication_entry).
type DuplicationEntry struct {
	DupID  int32
	Status DuplicationStatus
	// Remote is the name of the target cluster in [pegasus.clusters].
	Remote string
	// CreateTs is in milliseconds since 1970.
	CreateTs int64
	// Progress maps partitions to confirmed decrees.
	Progress map[int32]int64
	FailMode *DuplicationFailMode
	// RemoteAppName and the fields behind it are sent by servers newer than 2.5 only.
	RemoteAppName      *string
	RemoteReplicaCount *int32
	// Mode is unused by the servers.
	Mode            *int32
	PartitionStates map[int32]DupPartitionState
}

// AppendTo implements Message.
func (m *DuplicationEntry) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.DupID)
	b = putI32(b, 2, m.Status)
	b = putString(b, 3, m.Remote)
	b = putI64(b, 4, m.CreateTs)
	if m.Progress != nil {
		b = putMap(b, 5, tI32, tI64, m.Progress, rawI32[int32], rawI64)
	}
	b = optI32(b, 7, m.FailMode)
	b = optString(b, 8, m.RemoteAppName)
	b = optI32(b, 9, m.RemoteReplicaCount)
	b = optI32(b, 10, m.Mode)
	if m.PartitionStates != nil {
		b = putMap(b, 11, tI32, tStruct, m.PartitionStates, rawI32[int32], rawDupPartitionState)
	}
	return append(b, tStop)
}

// Decode implements Message.
func (m *DuplicationEntry) Decode(d *Decoder) {
	*m = DuplicationEntry{}
	for d.next("DuplicationEntry") {
		switch d.id {
		case 1:
			m.DupID = d.i32()
		case 2:
			m.Status = DuplicationStatus(d.i32())
		case 3:
			m.Remote = d.str()
		case 4:
			m.CreateTs = d.i64()
		case 5:
			m.Progress = decodeMap(d, tI32, tI64, 12, (*Decoder).rawI32, (*Decoder).rawI64)
		case 7:
			m.FailMode = new(DuplicationFailMode(d.i32()))
		case 8:
			m.RemoteAppName = new(d.str())
		case 9:
			m.RemoteReplicaCount = new(d.i32())
		case 10:
			m.Mode = new(d.i32())
		case 11:
			m.PartitionStates = decodeMap(d, tI32, tStruct, 5, (*Decoder).rawI32, readStruct[DupPartitionState])
		default:
			d.skip()
		}
	}
}

// rawDupPartitionState appends one value of PartitionStates.
func rawDupPartitionState(b []byte, s DupPartitionState) []byte { return s.AppendTo(b) }
