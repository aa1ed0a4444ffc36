package idl

// AppStatus is the life cycle of a table (dsn.layer2.thrift, app_status).
type AppStatus int32

// The values of AppStatus.
const (
	AppInvalid      AppStatus = 0
	AppAvailable    AppStatus = 1
	AppCreating     AppStatus = 2
	AppCreateFailed AppStatus = 3
	AppDropping     AppStatus = 4
	AppDropFailed   AppStatus = 5
	AppDropped      AppStatus = 6
	AppRecalling    AppStatus = 7
)

// String is the name in the IDL, or the number of an unknown value.
func (v AppStatus) String() string {
	return enumName(v,
		"AS_INVALID", "AS_AVAILABLE", "AS_CREATING", "AS_CREATE_FAILED", "AS_DROPPING",
		"AS_DROP_FAILED", "AS_DROPPED", "AS_RECALLING")
}

// AppInfo describes a table (dsn.layer2.thrift, app_info).
type AppInfo struct {
	Status AppStatus
	// AppType is "pegasus" for every table.
	AppType         string
	AppName         string
	AppID           int32
	PartitionCount  int32
	Envs            map[string]string
	IsStateful      bool
	MaxReplicaCount int32
	// ExpireSecond is the Unix second at which a dropped table is deleted for good, 0 otherwise.
	ExpireSecond int64
	// CreateSecond and DropSecond are Unix seconds, 0 for never.
	CreateSecond int64
	DropSecond   int64
	Duplicating  *bool
	// InitPartitionCount is the count at creation, -1 for tables older than the field.
	InitPartitionCount int32
	IsBulkLoading      *bool
	// AtomicIdempotent is sent by servers newer than 2.5 only.
	AtomicIdempotent *bool
}

// AppendTo implements Message.
func (m *AppInfo) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Status)
	b = putString(b, 2, m.AppType)
	b = putString(b, 3, m.AppName)
	b = putI32(b, 4, m.AppID)
	b = putI32(b, 5, m.PartitionCount)
	b = putStringMap(b, 6, m.Envs)
	b = putBool(b, 7, m.IsStateful)
	b = putI32(b, 8, m.MaxReplicaCount)
	b = putI64(b, 9, m.ExpireSecond)
	b = putI64(b, 10, m.CreateSecond)
	b = putI64(b, 11, m.DropSecond)
	b = optBool(b, 12, m.Duplicating)
	b = putI32(b, 13, m.InitPartitionCount)
	b = optBool(b, 14, m.IsBulkLoading)
	b = optBool(b, 15, m.AtomicIdempotent)
	return append(b, tStop)
}

// Decode implements Message.
func (m *AppInfo) Decode(d *Decoder) {
	*m = AppInfo{}
	for d.next("AppInfo") {
		switch d.id {
		case 1:
			m.Status = AppStatus(d.i32())
		case 2:
			m.AppType = d.str()
		case 3:
			m.AppName = d.str()
		case 4:
			m.AppID = d.i32()
		case 5:
			m.PartitionCount = d.i32()
		case 6:
			m.Envs = d.stringMap()
		case 7:
			m.IsStateful = d.bool()
		case 8:
			m.MaxReplicaCount = d.i32()
		case 9:
			m.ExpireSecond = d.i64()
		case 10:
			m.CreateSecond = d.i64()
		case 11:
			m.DropSecond = d.i64()
		case 12:
			m.Duplicating = new(d.bool())
		case 13:
			m.InitPartitionCount = d.i32()
		case 14:
			m.IsBulkLoading = new(d.bool())
		case 15:
			m.AtomicIdempotent = new(d.bool())
		default:
			d.skip()
		}
	}
}
