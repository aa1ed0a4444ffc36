package idl

// GetAtomicIdempotentRequest asks whether atomic writes of a table are made idempotent. Servers
// up to 2.5 answer ErrHandlerNotFound.
type GetAtomicIdempotentRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *GetAtomicIdempotentRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetAtomicIdempotentRequest) Decode(d *Decoder) {
	*m = GetAtomicIdempotentRequest{}
	for d.next("GetAtomicIdempotentRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// GetAtomicIdempotentResponse answers GetAtomicIdempotentRequest.
type GetAtomicIdempotentResponse struct {
	Err              ErrorCode
	AtomicIdempotent bool
	HintMessage      string
}

// AppendTo implements Message.
func (m *GetAtomicIdempotentResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putBool(b, 2, m.AtomicIdempotent)
	b = putString(b, 3, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *GetAtomicIdempotentResponse) Decode(d *Decoder) {
	*m = GetAtomicIdempotentResponse{}
	for d.next("GetAtomicIdempotentResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.AtomicIdempotent = d.bool()
		case 3:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}

// SetAtomicIdempotentRequest makes atomic writes of a table idempotent or not.
type SetAtomicIdempotentRequest struct {
	AppName          string
	AtomicIdempotent bool
}

// AppendTo implements Message.
func (m *SetAtomicIdempotentRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putBool(b, 2, m.AtomicIdempotent)
	return append(b, tStop)
}

// Decode implements Message.
func (m *SetAtomicIdempotentRequest) Decode(d *Decoder) {
	*m = SetAtomicIdempotentRequest{}
	for d.next("SetAtomicIdempotentRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.AtomicIdempotent = d.bool()
		default:
			d.skip()
		}
	}
}

// SetAtomicIdempotentResponse answers SetAtomicIdempotentRequest.
type SetAtomicIdempotentResponse struct {
	Err                 ErrorCode
	OldAtomicIdempotent bool
	HintMessage         string
}

// AppendTo implements Message.
func (m *SetAtomicIdempotentResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putBool(b, 2, m.OldAtomicIdempotent)
	b = putString(b, 3, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *SetAtomicIdempotentResponse) Decode(d *Decoder) {
	*m = SetAtomicIdempotentResponse{}
	for d.next("SetAtomicIdempotentResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.OldAtomicIdempotent = d.bool()
		case 3:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}
