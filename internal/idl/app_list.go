package idl

// ListAppsRequest lists tables.
type ListAppsRequest struct {
	// Status selects tables in this state, AppInvalid all of them.
	Status AppStatus
	// AppNamePattern and MatchType are understood by servers newer than 2.5 only.
	AppNamePattern *string
	MatchType      *MatchType
}

// AppendTo implements Message.
func (m *ListAppsRequest) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Status)
	b = optString(b, 2, m.AppNamePattern)
	b = optI32(b, 3, m.MatchType)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListAppsRequest) Decode(d *Decoder) {
	*m = ListAppsRequest{}
	for d.next("ListAppsRequest") {
		switch d.id {
		case 1:
			m.Status = AppStatus(d.i32())
		case 2:
			m.AppNamePattern = new(d.str())
		case 3:
			m.MatchType = new(MatchType(d.i32()))
		default:
			d.skip()
		}
	}
}

// ListAppsResponse answers ListAppsRequest.
type ListAppsResponse struct {
	Err         ErrorCode
	Infos       []AppInfo
	HintMessage *string
}

// AppendTo implements Message.
func (m *ListAppsResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStructs(b, 2, m.Infos)
	b = optString(b, 3, m.HintMessage)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListAppsResponse) Decode(d *Decoder) {
	*m = ListAppsResponse{}
	for d.next("ListAppsResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Infos = decodeStructs[AppInfo](d)
		case 3:
			m.HintMessage = new(d.str())
		default:
			d.skip()
		}
	}
}

// QueryAppInfoRequest asks a replica server, not a meta server, which tables it serves.
type QueryAppInfoRequest struct {
	MetaServer   Addr
	HpMetaServer *HostPort
}

// AppendTo implements Message.
func (m *QueryAppInfoRequest) AppendTo(b []byte) []byte {
	b = putAddr(b, 1, m.MetaServer)
	b = optHostPort(b, 2, m.HpMetaServer)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryAppInfoRequest) Decode(d *Decoder) {
	*m = QueryAppInfoRequest{}
	for d.next("QueryAppInfoRequest") {
		switch d.id {
		case 1:
			m.MetaServer = d.addr()
		case 2:
			m.HpMetaServer = d.hostPort()
		default:
			d.skip()
		}
	}
}

// QueryAppInfoResponse answers QueryAppInfoRequest.
type QueryAppInfoResponse struct {
	Err  ErrorCode
	Apps []AppInfo
}

// AppendTo implements Message.
func (m *QueryAppInfoResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putStructs(b, 2, m.Apps)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryAppInfoResponse) Decode(d *Decoder) {
	*m = QueryAppInfoResponse{}
	for d.next("QueryAppInfoResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.Apps = decodeStructs[AppInfo](d)
		default:
			d.skip()
		}
	}
}

// MatchType is how a name pattern is compared (utils.thrift, pattern_match_type; newer than
// 2.5).
type MatchType int32

// The values of MatchType.
const (
	MatchInvalid  MatchType = 0
	MatchAll      MatchType = 1
	MatchExact    MatchType = 2
	MatchAnywhere MatchType = 3
	MatchPrefix   MatchType = 4
	MatchPostfix  MatchType = 5
	MatchRegex    MatchType = 6
)

// String is the name in the IDL, or the number of an unknown value.
func (v MatchType) String() string {
	return enumName(v,
		"PMT_INVALID", "PMT_MATCH_ALL", "PMT_MATCH_EXACT", "PMT_MATCH_ANYWHERE", "PMT_MATCH_PREFIX",
		"PMT_MATCH_POSTFIX", "PMT_MATCH_REGEX")
}
