package idl

// StartManualCompactRequest starts a manual compaction of a table.
type StartManualCompactRequest struct {
	AppName string
	// TriggerTime is a Unix second, unset for now.
	TriggerTime *int64
	TargetLevel *int32
	Bottommost  *bool
	// MaxRunningCount bounds the concurrent compactions per replica server; 0 sets no bound.
	MaxRunningCount *int32
}

// AppendTo implements Message.
func (m *StartManualCompactRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = optI64(b, 2, m.TriggerTime)
	b = optI32(b, 3, m.TargetLevel)
	b = optBool(b, 4, m.Bottommost)
	b = optI32(b, 5, m.MaxRunningCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartManualCompactRequest) Decode(d *Decoder) {
	*m = StartManualCompactRequest{}
	for d.next("StartManualCompactRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.TriggerTime = new(d.i64())
		case 3:
			m.TargetLevel = new(d.i32())
		case 4:
			m.Bottommost = new(d.bool())
		case 5:
			m.MaxRunningCount = new(d.i32())
		default:
			d.skip()
		}
	}
}

// StartManualCompactResponse answers StartManualCompactRequest.
type StartManualCompactResponse struct {
	Err     ErrorCode
	HintMsg string
}

// AppendTo implements Message.
func (m *StartManualCompactResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMsg)
	return append(b, tStop)
}

// Decode implements Message.
func (m *StartManualCompactResponse) Decode(d *Decoder) {
	*m = StartManualCompactResponse{}
	for d.next("StartManualCompactResponse") {
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

// QueryManualCompactRequest asks how far a manual compaction is.
type QueryManualCompactRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *QueryManualCompactRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryManualCompactRequest) Decode(d *Decoder) {
	*m = QueryManualCompactRequest{}
	for d.next("QueryManualCompactRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// QueryManualCompactResponse answers QueryManualCompactRequest. ErrInvalidState means that none
// is running.
type QueryManualCompactResponse struct {
	Err     ErrorCode
	HintMsg string
	// Progress is in percent.
	Progress *int32
}

// AppendTo implements Message.
func (m *QueryManualCompactResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMsg)
	b = optI32(b, 3, m.Progress)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryManualCompactResponse) Decode(d *Decoder) {
	*m = QueryManualCompactResponse{}
	for d.next("QueryManualCompactResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMsg = d.str()
		case 3:
			m.Progress = new(d.i32())
		default:
			d.skip()
		}
	}
}
