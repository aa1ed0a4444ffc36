package idl

// QueryConfigRequest asks a meta server where the partitions of a table live.
type QueryConfigRequest struct {
	AppName string
	// PartitionIndices selects partitions, empty all of them.
	PartitionIndices []int32
}

// AppendTo implements Message.
func (m *QueryConfigRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	b = putI32s(b, 2, m.PartitionIndices)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryConfigRequest) Decode(d *Decoder) {
	*m = QueryConfigRequest{}
	for d.next("QueryConfigRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		case 2:
			m.PartitionIndices = d.i32s()
		default:
			d.skip()
		}
	}
}

// QueryConfigResponse answers QueryConfigRequest. With ErrForwardToOthers, Partitions holds one
// entry whose primary is the address of the leader. A missing table is ErrObjectNotFound.
type QueryConfigResponse struct {
	Err            ErrorCode
	AppID          int32
	PartitionCount int32
	IsStateful     bool
	Partitions     []PartitionConfig
}

// AppendTo implements Message.
func (m *QueryConfigResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.AppID)
	b = putI32(b, 3, m.PartitionCount)
	b = putBool(b, 4, m.IsStateful)
	b = putStructs(b, 5, m.Partitions)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryConfigResponse) Decode(d *Decoder) {
	*m = QueryConfigResponse{}
	for d.next("QueryConfigResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.AppID = d.i32()
		case 3:
			m.PartitionCount = d.i32()
		case 4:
			m.IsStateful = d.bool()
		case 5:
			m.Partitions = decodeStructs[PartitionConfig](d)
		default:
			d.skip()
		}
	}
}

// PartitionConfig says who serves a partition (dsn.layer2.thrift, partition_configuration).
type PartitionConfig struct {
	Pid Gpid
	// Ballot grows with every change of the group.
	Ballot          int64
	MaxReplicaCount int32
	// Primary is zero while the partition has none.
	Primary     Addr
	Secondaries []Addr
	LastDrops   []Addr
	// LastCommittedDecree is not kept up to date by the meta server; ask the replica servers.
	LastCommittedDecree int64
	PartitionFlags      int32
	// HpPrimary, HpSecondaries and HpLastDrops are sent by servers newer than 2.5 only.
	HpPrimary     *HostPort
	HpSecondaries []HostPort
	HpLastDrops   []HostPort
}

// AppendTo implements Message.
func (m *PartitionConfig) AppendTo(b []byte) []byte {
	b = putGpid(b, 1, m.Pid)
	b = putI64(b, 2, m.Ballot)
	b = putI32(b, 3, m.MaxReplicaCount)
	b = putAddr(b, 4, m.Primary)
	b = putAddrs(b, 5, m.Secondaries)
	b = putAddrs(b, 6, m.LastDrops)
	b = putI64(b, 7, m.LastCommittedDecree)
	b = putI32(b, 8, m.PartitionFlags)
	b = optHostPort(b, 9, m.HpPrimary)
	b = optHostPorts(b, 10, m.HpSecondaries)
	b = optHostPorts(b, 11, m.HpLastDrops)
	return append(b, tStop)
}

// Decode implements Message.
func (m *PartitionConfig) Decode(d *Decoder) {
	*m = PartitionConfig{}
	for d.next("PartitionConfig") {
		switch d.id {
		case 1:
			m.Pid = d.gpid()
		case 2:
			m.Ballot = d.i64()
		case 3:
			m.MaxReplicaCount = d.i32()
		case 4:
			m.Primary = d.addr()
		case 5:
			m.Secondaries = d.addrs()
		case 6:
			m.LastDrops = d.addrs()
		case 7:
			m.LastCommittedDecree = d.i64()
		case 8:
			m.PartitionFlags = d.i32()
		case 9:
			m.HpPrimary = d.hostPort()
		case 10:
			m.HpSecondaries = d.hostPorts()
		case 11:
			m.HpLastDrops = d.hostPorts()
		default:
			d.skip()
		}
	}
}
