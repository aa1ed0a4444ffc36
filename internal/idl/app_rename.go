package idl

// RenameAppRequest renames a table. Servers before 2.5 do not know it.
type RenameAppRequest struct {
	OldAppName string
	NewAppName string
}

// AppendTo implements Message.
func (m *RenameAppRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.OldAppName)
	b = putString(b, 2, m.NewAppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *RenameAppRequest) Decode(d *Decoder) {
	*m = RenameAppRequest{}
	for d.next("RenameAppRequest") {
		switch d.id {
		case 1:
			m.OldAppName = d.str()
		case 2:
			m.NewAppName = d.str()
		default:
			d.skip()
		}
	}
}

// RenameAppResponse answers RenameAppRequest.
type RenameAppResponse struct {
	Err         ErrorCode
	HintMessage string
}

// AppendTo implements Message.
func (m *RenameAppResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *RenameAppResponse) Decode(d *Decoder) {
	*m = RenameAppResponse{}
	for d.next("RenameAppResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		default:
			d.skip()
		}
	}
}
