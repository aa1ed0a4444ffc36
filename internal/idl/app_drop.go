package idl

// DropAppOptions say how long a dropped table can be recalled.
type DropAppOptions struct {
	SuccessIfNotExist bool
	// ReserveSeconds keeps the data for so long; unset means the server's
	// hold_seconds_for_dropped_app.
	ReserveSeconds *int64
}

// AppendTo implements Message.
func (m *DropAppOptions) AppendTo(b []byte) []byte {
	b = putBool(b, 1, m.SuccessIfNotExist)
	b = optI64(b, 2, m.ReserveSeconds)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DropAppOptions) Decode(d *Decoder) {
	*m = DropAppOptions{}
	for d.next("DropAppOptions") {
		switch d.id {
		case 1:
			m.SuccessIfNotExist = d.bool()
		case 2:
			m.ReserveSeconds = new(d.i64())
		default:
			d.skip()
		}
	}
}

// DropAppRequest drops a table.
type DropAppRequest struct {
	AppName string
	Options DropAppOptions
}

// AppendTo implements Message.
func (m *DropAppRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putMessage(b, 2, &m.Options)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DropAppRequest) Decode(d *Decoder) {
	*m = DropAppRequest{}
	for d.next("DropAppRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			d.message(&m.Options)
		default:
			d.skip()
		}
	}
}

// DropAppResponse answers DropAppRequest.
type DropAppResponse struct {
	Err ErrorCode
}

// AppendTo implements Message.
func (m *DropAppResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DropAppResponse) Decode(d *Decoder) {
	*m = DropAppResponse{}
	for d.next("DropAppResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		default:
			d.skip()
		}
	}
}

// RecallAppRequest brings a dropped table back.
type RecallAppRequest struct {
	AppID int32
	// NewAppName is the name to give it, "" for its old one.
	NewAppName string
}

// AppendTo implements Message.
func (m *RecallAppRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.AppID)
	b = putString(b, 2, m.NewAppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *RecallAppRequest) Decode(d *Decoder) {
	*m = RecallAppRequest{}
	for d.next("RecallAppRequest") {
		switch d.id {
		case 1:
			m.AppID = d.i32()
		case 2:
			m.NewAppName = d.str()
		default:
			d.skip()
		}
	}
}

// RecallAppResponse answers RecallAppRequest.
type RecallAppResponse struct {
	Err  ErrorCode
	Info AppInfo
}

// AppendTo implements Message.
func (m *RecallAppResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putMessage(b, 2, &m.Info)
	return append(b, tStop)
}

// Decode implements Message.
func (m *RecallAppResponse) Decode(d *Decoder) {
	*m = RecallAppResponse{}
	for d.next("RecallAppResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			d.message(&m.Info)
		default:
			d.skip()
		}
	}
}
