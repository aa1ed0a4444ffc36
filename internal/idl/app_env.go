package idl

// EnvOp is what UpdateAppEnvRequest does (meta_admin.thrift, app_env_operation).
type EnvOp int32

// The values of EnvOp.
const (
	EnvOpInvalid EnvOp = 0
	EnvOpSet     EnvOp = 1
	EnvOpDel     EnvOp = 2
	EnvOpClear   EnvOp = 3
)

// String is the name in the IDL, or the number of an unknown value.
func (v EnvOp) String() string {
	return enumName(v, "APP_ENV_OP_INVALID", "APP_ENV_OP_SET", "APP_ENV_OP_DEL", "APP_ENV_OP_CLEAR")
}

// UpdateAppEnvRequest changes the envs of a table.
type UpdateAppEnvRequest struct {
	AppName string
	Op      EnvOp
	// Keys are set or deleted.
	Keys []string
	// Values belong to Keys, for EnvOpSet only.
	Values []string
	// ClearPrefix selects what EnvOpClear removes; "" is everything.
	ClearPrefix *string
}

// AppendTo implements Message.
func (m *UpdateAppEnvRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32(b, 2, m.Op)
	b = optStrings(b, 3, m.Keys)
	b = optStrings(b, 4, m.Values)
	b = optString(b, 5, m.ClearPrefix)
	return append(b, tStop)
}

// Decode implements Message.
func (m *UpdateAppEnvRequest) Decode(d *Decoder) {
	*m = UpdateAppEnvRequest{}
	for d.next("UpdateAppEnvRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.Op = EnvOp(d.i32())
		case 3:
			m.Keys = d.strings()
		case 4:
			m.Values = d.strings()
		case 5:
			m.ClearPrefix = new(d.str())
		default:
			d.skip()
		}
	}
}

// UpdateAppEnvResponse answers UpdateAppEnvRequest. Deleting a key that is not there is a
// success.
type UpdateAppEnvResponse struct {
	Err ErrorCode
	// HintMessage names unknown keys, allowed values, or the deleted keys.
	HintMessage string
}

// AppendTo implements Message.
func (m *UpdateAppEnvResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *UpdateAppEnvResponse) Decode(d *Decoder) {
	*m = UpdateAppEnvResponse{}
	for d.next("UpdateAppEnvResponse") {
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
