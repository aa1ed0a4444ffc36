package idl

// ReplicaStatus is the role of a replica (metadata.thrift, partition_status).
type ReplicaStatus int32

// The values of ReplicaStatus.
const (
	ReplicaInvalid            ReplicaStatus = 0
	ReplicaInactive           ReplicaStatus = 1
	ReplicaError              ReplicaStatus = 2
	ReplicaPrimary            ReplicaStatus = 3
	ReplicaSecondary          ReplicaStatus = 4
	ReplicaPotentialSecondary ReplicaStatus = 5
	ReplicaPartitionSplit     ReplicaStatus = 6
)

// String is the name in the IDL, or the number of an unknown value.
func (v ReplicaStatus) String() string {
	return enumName(v,
		"PS_INVALID", "PS_INACTIVE", "PS_ERROR", "PS_PRIMARY", "PS_SECONDARY",
		"PS_POTENTIAL_SECONDARY", "PS_PARTITION_SPLIT")
}

// ReplicaInfo describes a replica on a server (metadata.thrift, replica_info).
type ReplicaInfo struct {
	Pid                 Gpid
	Ballot              int64
	Status              ReplicaStatus
	LastCommittedDecree int64
	LastPreparedDecree  int64
	LastDurableDecree   int64
	AppType             string
	DiskTag             string
	// ManualCompactStatus is 0 idle, 1 queuing, 2 running, 3 finished.
	ManualCompactStatus *int32
}

// AppendTo implements Message.
func (m *ReplicaInfo) AppendTo(b []byte) []byte {
	b = putGpid(b, 1, m.Pid)
	b = putI64(b, 2, m.Ballot)
	b = putI32(b, 3, m.Status)
	b = putI64(b, 4, m.LastCommittedDecree)
	b = putI64(b, 5, m.LastPreparedDecree)
	b = putI64(b, 6, m.LastDurableDecree)
	b = putString(b, 7, m.AppType)
	b = putString(b, 8, m.DiskTag)
	b = optI32(b, 9, m.ManualCompactStatus)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ReplicaInfo) Decode(d *Decoder) {
	*m = ReplicaInfo{}
	for d.next("ReplicaInfo") {
		switch d.id {
		case 1:
			m.Pid = d.gpid()
		case 2:
			m.Ballot = d.i64()
		case 3:
			m.Status = ReplicaStatus(d.i32())
		case 4:
			m.LastCommittedDecree = d.i64()
		case 5:
			m.LastPreparedDecree = d.i64()
		case 6:
			m.LastDurableDecree = d.i64()
		case 7:
			m.AppType = d.str()
		case 8:
			m.DiskTag = d.str()
		case 9:
			m.ManualCompactStatus = new(d.i32())
		default:
			d.skip()
		}
	}
}

// QueryReplicaInfoRequest asks a replica server for everything that it hosts.
type QueryReplicaInfoRequest struct {
	Node   Addr
	HpNode *HostPort
}

// AppendTo implements Message.
func (m *QueryReplicaInfoRequest) AppendTo(b []byte) []byte {
	b = putAddr(b, 1, m.Node)
	b = optHostPort(b, 2, m.HpNode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryReplicaInfoRequest) Decode(d *Decoder) {
	*m = QueryReplicaInfoRequest{}
	for d.next("QueryReplicaInfoRequest") {
		switch d.id {
		case 1:
			m.Node = d.addr()
		case 2:
			m.HpNode = d.hostPort()
		default:
			d.skip()
		}
	}
}

// QueryReplicaInfoResponse answers QueryReplicaInfoRequest.
type QueryReplicaInfoResponse struct {
	Err      ErrorCode
	Replicas []ReplicaInfo
}

// AppendTo implements Message.
func (m *QueryReplicaInfoResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStructs(b, 2, m.Replicas)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryReplicaInfoResponse) Decode(d *Decoder) {
	*m = QueryReplicaInfoResponse{}
	for d.next("QueryReplicaInfoResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Replicas = decodeStructs[ReplicaInfo](d)
		default:
			d.skip()
		}
	}
}

// QueryReplicaDecreeRequest asks a replica server for the last decree of one partition.
type QueryReplicaDecreeRequest struct {
	Pid    Gpid
	Node   Addr
	HpNode *HostPort
}

// AppendTo implements Message.
func (m *QueryReplicaDecreeRequest) AppendTo(b []byte) []byte {
	b = putGpid(b, 1, m.Pid)
	b = putAddr(b, 2, m.Node)
	b = optHostPort(b, 3, m.HpNode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryReplicaDecreeRequest) Decode(d *Decoder) {
	*m = QueryReplicaDecreeRequest{}
	for d.next("QueryReplicaDecreeRequest") {
		switch d.id {
		case 1:
			m.Pid = d.gpid()
		case 2:
			m.Node = d.addr()
		case 3:
			m.HpNode = d.hostPort()
		default:
			d.skip()
		}
	}
}

// QueryReplicaDecreeResponse answers QueryReplicaDecreeRequest.
type QueryReplicaDecreeResponse struct {
	Err        ErrorCode
	LastDecree int64
}

// AppendTo implements Message.
func (m *QueryReplicaDecreeResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI64(b, 2, m.LastDecree)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryReplicaDecreeResponse) Decode(d *Decoder) {
	*m = QueryReplicaDecreeResponse{}
	for d.next("QueryReplicaDecreeResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.LastDecree = d.i64()
		default:
			d.skip()
		}
	}
}
