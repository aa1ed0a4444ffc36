package idl

// QueryDuplicationRequest lists the duplications of a table.
type QueryDuplicationRequest struct {
	AppName string
}

// AppendTo implements Message.
func (m *QueryDuplicationRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppName)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryDuplicationRequest) Decode(d *Decoder) {
	*m = QueryDuplicationRequest{}
	for d.next("QueryDuplicationRequest") {
		switch d.id {
		case 1:
			m.AppName = d.str()
		default:
			d.skip()
		}
	}
}

// QueryDuplicationResponse answers QueryDuplicationRequest.
type QueryDuplicationResponse struct {
	Err ErrorCode
	// AppID has field id 3; the IDL has no field 2.
	AppID     int32
	EntryList []DuplicationEntry
}

// AppendTo implements Message.
func (m *QueryDuplicationResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putI32(b, 3, m.AppID)
	b = putStructs(b, 4, m.EntryList)
	return append(b, tStop)
}

// Decode implements Message.
func (m *QueryDuplicationResponse) Decode(d *Decoder) {
	*m = QueryDuplicationResponse{}
	for d.next("QueryDuplicationResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 3:
			m.AppID = d.i32()
		case 4:
			m.EntryList = decodeStructs[DuplicationEntry](d)
		default:
			d.skip()
		}
	}
}

// ListDuplicationRequest lists the duplications of many tables. Servers up to 2.5 answer
// ErrHandlerNotFound.
type ListDuplicationRequest struct {
	AppNamePattern string
	MatchType      MatchType
}

// AppendTo implements Message.
func (m *ListDuplicationRequest) AppendTo(b []byte) []byte {
	b = putString(b, 1, m.AppNamePattern)
	b = putI32(b, 2, m.MatchType)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListDuplicationRequest) Decode(d *Decoder) {
	*m = ListDuplicationRequest{}
	for d.next("ListDuplicationRequest") {
		switch d.id {
		case 1:
			m.AppNamePattern = d.str()
		case 2:
			m.MatchType = MatchType(d.i32())
		default:
			d.skip()
		}
	}
}

// DuplicationAppState is the part of ListDuplicationResponse about one table.
type DuplicationAppState struct {
	AppID          int32
	Duplications   map[int32]DuplicationEntry
	AppName        string
	PartitionCount int32
}

// AppendTo implements Message.
func (m *DuplicationAppState) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.AppID)
	b = putMap(b, 2, tI32, tStruct, m.Duplications, rawI32[int32], rawDuplicationEntry)
	b = putString(b, 3, m.AppName)
	b = putI32(b, 4, m.PartitionCount)
	return append(b, tStop)
}

// Decode implements Message.
func (m *DuplicationAppState) Decode(d *Decoder) {
	*m = DuplicationAppState{}
	for d.next("DuplicationAppState") {
		switch d.id {
		case 1:
			m.AppID = d.i32()
		case 2:
			m.Duplications = decodeMap(d, tI32, tStruct, 5, (*Decoder).rawI32, readStruct[DuplicationEntry])
		case 3:
			m.AppName = d.str()
		case 4:
			m.PartitionCount = d.i32()
		default:
			d.skip()
		}
	}
}

// ListDuplicationResponse answers ListDuplicationRequest.
type ListDuplicationResponse struct {
	Err         ErrorCode
	HintMessage string
	// AppStates has the table names as keys.
	AppStates map[string]DuplicationAppState
}

// AppendTo implements Message.
func (m *ListDuplicationResponse) AppendTo(b []byte) []byte {
	b = putCode(b, 1, m.Err)
	b = putString(b, 2, m.HintMessage)
	b = putMap(b, 3, tString, tStruct, m.AppStates, rawString[string], rawDuplicationAppState)
	return append(b, tStop)
}

// Decode implements Message.
func (m *ListDuplicationResponse) Decode(d *Decoder) {
	*m = ListDuplicationResponse{}
	for d.next("ListDuplicationResponse") {
		switch d.id {
		case 1:
			m.Err = d.code()
		case 2:
			m.HintMessage = d.str()
		case 3:
			m.AppStates = decodeMap(d, tString, tStruct, 5, (*Decoder).rawString, readStruct[DuplicationAppState])
		default:
			d.skip()
		}
	}
}

// rawDuplicationEntry appends one value of Duplications.
func rawDuplicationEntry(b []byte, e DuplicationEntry) []byte { return e.AppendTo(b) }

// rawDuplicationAppState appends one value of AppStates.
func rawDuplicationAppState(b []byte, s DuplicationAppState) []byte { return s.AppendTo(b) }
