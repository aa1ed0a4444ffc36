package idl

// MetaLevel is how much a meta server does by itself (meta_admin.thrift, meta_function_level).
type MetaLevel int32

// The values of MetaLevel.
const (
	MetaStopped      MetaLevel = 100
	MetaBlind        MetaLevel = 200
	MetaFreezed      MetaLevel = 300
	MetaSteady       MetaLevel = 400
	MetaLively       MetaLevel = 500
	MetaLevelInvalid MetaLevel = 10000
)

// String is the name in the IDL, or the number of an unknown value.
func (v MetaLevel) String() string {
	switch v {
	case MetaStopped:
		return "stopped"
	case MetaBlind:
		return "blind"
	case MetaFreezed:
		return "freezed"
	case MetaSteady:
		return "steady"
	case MetaLively:
		return "lively"
	case MetaLevelInvalid:
		return "invalid"
	default:
		return enumName(v)
	}
}

// MetaControlRequest sets the function level.
type MetaControlRequest struct {
	// Level is the new one; MetaLevelInvalid only asks for the present one.
	Level MetaLevel
}

// AppendTo implements Message.
func (m *MetaControlRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Level)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MetaControlRequest) Decode(d *Decoder) {
	*m = MetaControlRequest{}
	for d.next("MetaControlRequest") {
		switch d.id {
		case 1:
			m.Level = MetaLevel(d.i32())
		default:
			d.skip()
		}
	}
}

// MetaControlResponse answers MetaControlRequest.
type MetaControlResponse struct {
	Err      ErrorCode
	OldLevel MetaLevel
}

// AppendTo implements Message.
func (m *MetaControlResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 2, m.OldLevel)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MetaControlResponse) Decode(d *Decoder) {
	*m = MetaControlResponse{}
	for d.next("MetaControlResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.OldLevel = MetaLevel(d.i32())
		default:
			d.skip()
		}
	}
}

// ProposalAction is one proposed move of a replica (meta_admin.thrift,
// configuration_proposal_action).
type ProposalAction struct {
	Target Addr
	Node   Addr
	// Type is a config_type of the IDL.
	Type     int32
	HpTarget *HostPort
	HpNode   *HostPort
}

// AppendTo implements Message.
func (m *ProposalAction) AppendTo(b []byte) []byte {
	b = putAddr(b, 1, m.Target)
	b = putAddr(b, 2, m.Node)
	b = putI32(b, 3, m.Type)
	b = optHostPort(b, 5, m.HpTarget)
	b = optHostPort(b, 6, m.HpNode)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ProposalAction) Decode(d *Decoder) {
	*m = ProposalAction{}
	for d.next("ProposalAction") {
		switch d.id {
		case 1:
			m.Target = d.addr()
		case 2:
			m.Node = d.addr()
		case 3:
			m.Type = d.i32()
		case 5:
			m.HpTarget = d.hostPort()
		case 6:
			m.HpNode = d.hostPort()
		default:
			d.skip()
		}
	}
}

// ProposeBalancerRequest proposes moves of one partition.
type ProposeBalancerRequest struct {
	Gpid       Gpid
	ActionList []ProposalAction
	Force      *bool
	// BalanceType is 0 move primary, 1 copy primary, 2 copy secondary.
	BalanceType *int32
}

// AppendTo implements Message.
func (m *ProposeBalancerRequest) AppendTo(b []byte) []byte {
	b = putGpid(b, 1, m.Gpid)
	b = putStructs(b, 2, m.ActionList)
	b = optBool(b, 3, m.Force)
	b = optI32(b, 4, m.BalanceType)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ProposeBalancerRequest) Decode(d *Decoder) {
	*m = ProposeBalancerRequest{}
	for d.next("ProposeBalancerRequest") {
		switch d.id {
		case 1:
			m.Gpid = d.gpid()
		case 2:
			m.ActionList = decodeStructs[ProposalAction](d)
		case 3:
			m.Force = new(d.bool())
		case 4:
			m.BalanceType = new(d.i32())
		default:
			d.skip()
		}
	}
}

// ProposeBalancerResponse answers ProposeBalancerRequest.
type ProposeBalancerResponse struct {
	Err ErrorCode
}

// AppendTo implements Message.
func (m *ProposeBalancerResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ProposeBalancerResponse) Decode(d *Decoder) {
	*m = ProposeBalancerResponse{}
	for d.next("ProposeBalancerResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		default:
			d.skip()
		}
	}
}
