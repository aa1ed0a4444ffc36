package idl

// CreateAppOptions are the properties of a new table (meta_admin.thrift, create_app_options).
type CreateAppOptions struct {
	// PartitionCount is a power of two for tables that shall ever be split.
	PartitionCount int32
	ReplicaCount   int32
	// SuccessIfExist makes creating a table that exists with equal options a success, with other
	// options ErrInvalidParameters.
	SuccessIfExist bool
	// AppType must be "pegasus".
	AppType string
	// IsStateful must be true.
	IsStateful bool
	// Envs must never hold default_ttl: replica servers of 2.4 to master crash on opening such a
	// table. Set it once the table is healthy.
	Envs map[string]string
	// AtomicIdempotent is understood by servers newer than 2.5 only.
	AtomicIdempotent *bool
}

// AppendTo implements Message.
func (m *CreateAppOptions) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.PartitionCount)
	b = putI32(b, 2, m.ReplicaCount)
	b = putBool(b, 3, m.SuccessIfExist)
	b = putString(b, 4, m.AppType)
	b = putBool(b, 5, m.IsStateful)
	b = putStringMap(b, 6, m.Envs)
	b = optBool(b, 7, m.AtomicIdempotent)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CreateAppOptions) Decode(d *Decoder) {
	*m = CreateAppOptions{}
	for d.next("CreateAppOptions") {
		switch d.id {
		case 1:
			m.PartitionCount = d.i32()
		case 2:
			m.ReplicaCount = d.i32()
		case 3:
			m.SuccessIfExist = d.bool()
		case 4:
			m.AppType = d.str()
		case 5:
			m.IsStateful = d.bool()
		case 6:
			m.Envs = d.stringMap()
		case 7:
			m.AtomicIdempotent = new(d.bool())
		default:
			d.skip()
		}
	}
}

// CreateAppRequest asks a meta server for a new table.
type CreateAppRequest struct {
	AppName string
	Options CreateAppOptions
}

// AppendTo implements Message.
func (m *CreateAppRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putMessage(b, 2, &m.Options)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CreateAppRequest) Decode(d *Decoder) {
	*m = CreateAppRequest{}
	for d.next("CreateAppRequest") {
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

// CreateAppResponse answers CreateAppRequest and StartRestoreRequest. It comes at once;
// primaries are assigned 10 to 30 s later.
type CreateAppResponse struct {
	Err   ErrorCode
	AppID int32
}

// AppendTo implements Message.
func (m *CreateAppResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.AppID)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CreateAppResponse) Decode(d *Decoder) {
	*m = CreateAppResponse{}
	for d.next("CreateAppResponse") {
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
