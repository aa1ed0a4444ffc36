package idl

// NodeStatus is whether a replica server is alive (meta_admin.thrift, node_status).
type NodeStatus int32

// The values of NodeStatus.
const (
	NodeInvalid NodeStatus = 0
	NodeAlive   NodeStatus = 1
	NodeUnalive NodeStatus = 2
)

// String is the name in the IDL, or the number of an unknown value.
func (v NodeStatus) String() string {
	return enumName(v, "NS_INVALID", "NS_ALIVE", "NS_UNALIVE")
}

// NodeInfo describes a replica server.
type NodeInfo struct {
	Status NodeStatus
	Node   Addr
	// HpNode is sent by servers newer than 2.5 only.
	HpNode *HostPort
}

// AppendTo implements Message.
func (m *NodeInfo) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Status)
	b = putAddr(b, 2, m.Node)
	b = optHostPort(b, 3, m.HpNode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *NodeInfo) Decode(d *Decoder) {
	*m = NodeInfo{}
	for d.next("NodeInfo") {
		switch d.id {
		case 1:
			m.Status = NodeStatus(d.i32())
		case 2:
			m.Node = d.addr()
		case 3:
			m.HpNode = d.hostPort()
		default:
			d.skip()
		}
	}
}

// ListNodesRequest lists replica servers.
type ListNodesRequest struct {
	// Status selects servers in this state, NodeInvalid all of them.
	Status NodeStatus
}

// AppendTo implements Message.
func (m *ListNodesRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Status)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListNodesRequest) Decode(d *Decoder) {
	*m = ListNodesRequest{}
	for d.next("ListNodesRequest") {
		switch d.id {
		case 1:
			m.Status = NodeStatus(d.i32())
		default:
			d.skip()
		}
	}
}

// ListNodesResponse answers ListNodesRequest.
type ListNodesResponse struct {
	Err   ErrorCode
	Infos []NodeInfo
}

// AppendTo implements Message.
func (m *ListNodesResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStructs(b, 2, m.Infos)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListNodesResponse) Decode(d *Decoder) {
	*m = ListNodesResponse{}
	for d.next("ListNodesResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Infos = decodeStructs[NodeInfo](d)
		default:
			d.skip()
		}
	}
}

// ClusterInfoRequest asks a meta server about its cluster.
type ClusterInfoRequest struct {
}

// AppendTo implements Message.
func (m *ClusterInfoRequest) AppendTo(b []byte) []byte {
	return append(b, tStop)
}

// Decode implements Message.
func (m *ClusterInfoRequest) Decode(d *Decoder) {
	*m = ClusterInfoRequest{}
	for d.next("ClusterInfoRequest") {
		d.skip()
	}
}

// ClusterInfoResponse answers ClusterInfoRequest: pairs such as cluster_name, zookeeper_hosts,
// meta_function_level.
type ClusterInfoResponse struct {
	Err    ErrorCode
	Keys   []string
	Values []string
}

// AppendTo implements Message.
func (m *ClusterInfoResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStrings(b, 2, m.Keys)
	b = putStrings(b, 3, m.Values)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ClusterInfoResponse) Decode(d *Decoder) {
	*m = ClusterInfoResponse{}
	for d.next("ClusterInfoResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Keys = d.strings()
		case 3:
			m.Values = d.strings()
		default:
			d.skip()
		}
	}
}
