package idl

// GetMaxReplicaCountRequest asks for the replication factor of a table.
type GetMaxReplicaCountRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *GetMaxReplicaCountRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetMaxReplicaCountRequest) Decode(d *Decoder) {
	*m = GetMaxReplicaCountRequest{}
	for d.next("GetMaxReplicaCountRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// GetMaxReplicaCountResponse answers GetMaxReplicaCountRequest.
type GetMaxReplicaCountResponse struct {
	Err             ErrorCode
	MaxReplicaCount int32
	HintMessage     string
}

// AppendTo implements Message.
func (m *GetMaxReplicaCountResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.MaxReplicaCount)
	b = putString(b, 3, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetMaxReplicaCountResponse) Decode(d *Decoder) {
	*m = GetMaxReplicaCountResponse{}
	for d.next("GetMaxReplicaCountResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.MaxReplicaCount = d.i32()
		case 3:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}

// SetMaxReplicaCountRequest changes the replication factor of a table.
type SetMaxReplicaCountRequest struct {
	AppName         string
	MaxReplicaCount int32
}

// AppendTo implements Message.
func (m *SetMaxReplicaCountRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.MaxReplicaCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *SetMaxReplicaCountRequest) Decode(d *Decoder) {
	*m = SetMaxReplicaCountRequest{}
	for d.next("SetMaxReplicaCountRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.MaxReplicaCount = d.i32()
		default:
			d.skip()
		}
	}
}

// SetMaxReplicaCountResponse answers SetMaxReplicaCountRequest.
type SetMaxReplicaCountResponse struct {
	Err                ErrorCode
	OldMaxReplicaCount int32
	HintMessage        string
}

// AppendTo implements Message.
func (m *SetMaxReplicaCountResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.OldMaxReplicaCount)
	b = putString(b, 3, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *SetMaxReplicaCountResponse) Decode(d *Decoder) {
	*m = SetMaxReplicaCountResponse{}
	for d.next("SetMaxReplicaCountResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.OldMaxReplicaCount = d.i32()
		case 3:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}
