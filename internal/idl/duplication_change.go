package idl

// AddDuplicationRequest starts to duplicate a table to another cluster.
type AddDuplicationRequest struct {
	AppName           string
	RemoteClusterName string
	// IsDuplicatingCheckpoint makes the target start from a checkpoint; servers take unset as
	// true.
	IsDuplicatingCheckpoint *bool
	// RemoteAppName and RemoteReplicaCount are understood by servers newer than 2.5 only.
	RemoteAppName      *string
	RemoteReplicaCount *int32
}

// AppendTo implements Message.
func (m *AddDuplicationRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putString(b, 2, m.RemoteClusterName)
	b = optBool(b, 3, m.IsDuplicatingCheckpoint)
	b = optString(b, 4, m.RemoteAppName)
	b = optI32(b, 5, m.RemoteReplicaCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *AddDuplicationRequest) Decode(d *Decoder) {
	*m = AddDuplicationRequest{}
	for d.next("AddDuplicationRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.RemoteClusterName = d.str()
		case 3:
			m.IsDuplicatingCheckpoint = new(d.bool())
		case 4:
			m.RemoteAppName = new(d.str())
		case 5:
			m.RemoteReplicaCount = new(d.i32())
		default:
			d.skip()
		}
	}
}

// AddDuplicationResponse answers AddDuplicationRequest. Repeating the request on a healthy
// duplication answers ErrOK with DupID 0 on 2.5.
type AddDuplicationResponse struct {
	Err                ErrorCode
	AppID              int32
	DupID              int32
	Hint               *string
	RemoteAppName      *string
	RemoteReplicaCount *int32
}

// AppendTo implements Message.
func (m *AddDuplicationResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.AppID)
	b = putI32(b, 3, m.DupID)
	b = optString(b, 4, m.Hint)
	b = optString(b, 5, m.RemoteAppName)
	b = optI32(b, 6, m.RemoteReplicaCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *AddDuplicationResponse) Decode(d *Decoder) {
	*m = AddDuplicationResponse{}
	for d.next("AddDuplicationResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.AppID = d.i32()
		case 3:
			m.DupID = d.i32()
		case 4:
			m.Hint = new(d.str())
		case 5:
			m.RemoteAppName = new(d.str())
		case 6:
			m.RemoteReplicaCount = new(d.i32())
		default:
			d.skip()
		}
	}
}

// ModifyDuplicationRequest changes the state or the fail mode of a duplication.
type ModifyDuplicationRequest struct {
	AppName  string
	DupID    int32
	Status   *DuplicationStatus
	FailMode *DuplicationFailMode
}

// AppendTo implements Message.
func (m *ModifyDuplicationRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.DupID)
	b = optI32(b, 3, m.Status)
	b = optI32(b, 4, m.FailMode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ModifyDuplicationRequest) Decode(d *Decoder) {
	*m = ModifyDuplicationRequest{}
	for d.next("ModifyDuplicationRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.DupID = d.i32()
		case 3:
			m.Status = new(DuplicationStatus(d.i32()))
		case 4:
			m.FailMode = new(DuplicationFailMode(d.i32()))
		default:
			d.skip()
		}
	}
}

// ModifyDuplicationResponse answers ModifyDuplicationRequest.
type ModifyDuplicationResponse struct {
	Err   ErrorCode
	AppID int32
}

// AppendTo implements Message.
func (m *ModifyDuplicationResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.AppID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ModifyDuplicationResponse) Decode(d *Decoder) {
	*m = ModifyDuplicationResponse{}
	for d.next("ModifyDuplicationResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.AppID = d.i32()
		default:
			d.skip()
		}
	}
}
