package idl

// QueryDiskInfoRequest asks a replica server about its disks.
type QueryDiskInfoRequest struct {
	Node Addr
	// AppName selects a table for the replica lists; a table that the server does not host is
	// ErrObjectNotFound.
	AppName string
	HpNode  *HostPort
}

// AppendTo implements Message.
func (m *QueryDiskInfoRequest) AppendTo(b []byte) []byte {
	b = putAddr(b, 1, m.Node)
	b = putString(b, 2, m.AppName)
	b = optHostPort(b, 3, m.HpNode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryDiskInfoRequest) Decode(d *Decoder) {
	*m = QueryDiskInfoRequest{}
	for d.next("QueryDiskInfoRequest") {
		switch d.id {
		case 1:
			m.Node = d.addr()
		case 2:
			m.AppName = d.str()
		case 3:
			m.HpNode = d.hostPort()
		default:
			d.skip()
		}
	}
}

// DiskInfo describes a disk and who lives on it.
type DiskInfo struct {
	Tag             string
	FullDir         string
	DiskCapacityMb  int64
	DiskAvailableMb int64
	// HoldingPrimaryReplicas maps app ids to partitions.
	HoldingPrimaryReplicas   map[int32][]Gpid
	HoldingSecondaryReplicas map[int32][]Gpid
}

// AppendTo implements Message.
func (m *DiskInfo) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.Tag)
	b = putString(b, 2, m.FullDir)
	b = putI64(b, 3, m.DiskCapacityMb)
	b = putI64(b, 4, m.DiskAvailableMb)
	b = putMap(b, 5, tI32, tSet, m.HoldingPrimaryReplicas, rawI32[int32], rawGpidSet)
	b = putMap(b, 6, tI32, tSet, m.HoldingSecondaryReplicas, rawI32[int32], rawGpidSet)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DiskInfo) Decode(d *Decoder) {
	*m = DiskInfo{}
	for d.next("DiskInfo") {
		switch d.id {
		case 1:
			m.Tag = d.str()
		case 2:
			m.FullDir = d.str()
		case 3:
			m.DiskCapacityMb = d.i64()
		case 4:
			m.DiskAvailableMb = d.i64()
		case 5:
			m.HoldingPrimaryReplicas = decodeMap(d, tI32, tSet, 9, (*Decoder).rawI32, readGpidSet)
		case 6:
			m.HoldingSecondaryReplicas = decodeMap(d, tI32, tSet, 9, (*Decoder).rawI32, readGpidSet)
		default:
			d.skip()
		}
	}
}

// QueryDiskInfoResponse answers QueryDiskInfoRequest.
type QueryDiskInfoResponse struct {
	Err              ErrorCode
	TotalCapacityMb  int64
	TotalAvailableMb int64
	DiskInfos        []DiskInfo
}

// AppendTo implements Message.
func (m *QueryDiskInfoResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI64(b, 2, m.TotalCapacityMb)
	b = putI64(b, 3, m.TotalAvailableMb)
	b = putStructs(b, 4, m.DiskInfos)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryDiskInfoResponse) Decode(d *Decoder) {
	*m = QueryDiskInfoResponse{}
	for d.next("QueryDiskInfoResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.TotalCapacityMb = d.i64()
		case 3:
			m.TotalAvailableMb = d.i64()
		case 4:
			m.DiskInfos = decodeStructs[DiskInfo](d)
		default:
			d.skip()
		}
	}
}

// rawGpidSet appends one set of partitions.
func rawGpidSet(b []byte, vs []Gpid) []byte { return rawList(b, tStruct, vs, rawGpid) }

// readGpidSet reads one set of partitions.
func readGpidSet(d *Decoder) []Gpid {
	return readElems(d, d.rawList(tStruct, 8), (*Decoder).rawGpid)
}
