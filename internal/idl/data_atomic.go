package idl

// IncrRequest adds to a decimal number.
type IncrRequest struct {
	Key       []byte
	Increment int64
	// ExpireTsSeconds is seconds since 2016-01-01 UTC; 0 keeps the expiry, < 0 clears it.
	ExpireTsSeconds int32
}

// AppendTo implements Message.
func (m *IncrRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.Key)
	b = putI64(b, 2, m.Increment)
	b = putI32(b, 3, m.ExpireTsSeconds)
	return append(b, tStop)
}

// Decode implements Message.
func (m *IncrRequest) Decode(d *Decoder) {
	*m = IncrRequest{}
	for d.next("IncrRequest") {
		switch d.id {
		case 1:
			m.Key = d.blob()
		case 2:
			m.Increment = d.i64()
		case 3:
			m.ExpireTsSeconds = d.i32()
		default:
			d.skip()
		}
	}
}

// IncrResponse answers IncrRequest.
type IncrResponse struct {
	Error          Status
	NewValue       int64
	AppID          int32
	PartitionIndex int32
	Decree         int64
	Server         string
}

// AppendTo implements Message.
func (m *IncrResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putI64(b, 2, m.NewValue)
	b = putI32(b, 3, m.AppID)
	b = putI32(b, 4, m.PartitionIndex)
	b = putI64(b, 5, m.Decree)
	b = putString(b, 6, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *IncrResponse) Decode(d *Decoder) {
	server := m.Server
	*m = IncrResponse{}
	for d.next("IncrResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.NewValue = d.i64()
		case 3:
			m.AppID = d.i32()
		case 4:
			m.PartitionIndex = d.i32()
		case 5:
			m.Decree = d.i64()
		case 6:
			m.Server = d.strAgain(server)
		default:
			d.skip()
		}
	}
}

// CheckAndSetRequest writes a row if a row of the same hash key passes a check.
type CheckAndSetRequest struct {
	HashKey      []byte
	CheckSortKey []byte
	CheckType    CheckType
	CheckOperand []byte
	// SetDiffSortKey makes SetSortKey, rather than CheckSortKey, the row to write.
	SetDiffSortKey bool
	SetSortKey     []byte
	SetValue       []byte
	// SetExpireTsSeconds is seconds since 2016-01-01 UTC, 0 for never.
	SetExpireTsSeconds int32
	ReturnCheckValue   bool
}

// AppendTo implements Message.
func (m *CheckAndSetRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putBlob(b, 2, m.CheckSortKey)
	b = putI32(b, 3, m.CheckType)
	b = putBlob(b, 4, m.CheckOperand)
	b = putBool(b, 5, m.SetDiffSortKey)
	b = putBlob(b, 6, m.SetSortKey)
	b = putBlob(b, 7, m.SetValue)
	b = putI32(b, 8, m.SetExpireTsSeconds)
	b = putBool(b, 9, m.ReturnCheckValue)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CheckAndSetRequest) Decode(d *Decoder) {
	*m = CheckAndSetRequest{}
	for d.next("CheckAndSetRequest") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.CheckSortKey = d.blob()
		case 3:
			m.CheckType = CheckType(d.i32())
		case 4:
			m.CheckOperand = d.blob()
		case 5:
			m.SetDiffSortKey = d.bool()
		case 6:
			m.SetSortKey = d.blob()
		case 7:
			m.SetValue = d.blob()
		case 8:
			m.SetExpireTsSeconds = d.i32()
		case 9:
			m.ReturnCheckValue = d.bool()
		default:
			d.skip()
		}
	}
}

// CheckAndSetResponse answers CheckAndSetRequest and CheckAndMutateRequest. Error is
// StatusTryAgain when the check did not pass.
type CheckAndSetResponse struct {
	Error              Status
	CheckValueReturned bool
	CheckValueExist    bool
	CheckValue         []byte
	AppID              int32
	PartitionIndex     int32
	Decree             int64
	Server             string
}

// AppendTo implements Message.
func (m *CheckAndSetResponse) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Error)
	b = putBool(b, 2, m.CheckValueReturned)
	b = putBool(b, 3, m.CheckValueExist)
	b = putBlob(b, 4, m.CheckValue)
	b = putI32(b, 5, m.AppID)
	b = putI32(b, 6, m.PartitionIndex)
	b = putI64(b, 7, m.Decree)
	b = putString(b, 8, m.Server)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CheckAndSetResponse) Decode(d *Decoder) {
	server := m.Server
	*m = CheckAndSetResponse{}
	for d.next("CheckAndSetResponse") {
		switch d.id {
		case 1:
			m.Error = Status(d.i32())
		case 2:
			m.CheckValueReturned = d.bool()
		case 3:
			m.CheckValueExist = d.bool()
		case 4:
			m.CheckValue = d.blob()
		case 5:
			m.AppID = d.i32()
		case 6:
			m.PartitionIndex = d.i32()
		case 7:
			m.Decree = d.i64()
		case 8:
			m.Server = d.strAgain(server)
		default:
			d.skip()
		}
	}
}

// MutateOp is what a Mutate does (rrdb.thrift, mutate_operation).
type MutateOp int32

// The values of MutateOp.
const (
	MutatePut    MutateOp = 0
	MutateDelete MutateOp = 1
)

// String is the name in the IDL, or the number of an unknown value.
func (v MutateOp) String() string {
	return enumName(v, "MO_PUT", "MO_DELETE")
}

// Mutate is one write of CheckAndMutateRequest.
type Mutate struct {
	Operation          MutateOp
	SortKey            []byte
	Value              []byte
	SetExpireTsSeconds int32
}

// AppendTo implements Message.
func (m *Mutate) AppendTo(b []byte) []byte {
	b = putI32(b, 1, m.Operation)
	b = putBlob(b, 2, m.SortKey)
	b = putBlob(b, 3, m.Value)
	b = putI32(b, 4, m.SetExpireTsSeconds)
	return append(b, tStop)
}

// Decode implements Message.
func (m *Mutate) Decode(d *Decoder) {
	*m = Mutate{}
	for d.next("Mutate") {
		switch d.id {
		case 1:
			m.Operation = MutateOp(d.i32())
		case 2:
			m.SortKey = d.blob()
		case 3:
			m.Value = d.blob()
		case 4:
			m.SetExpireTsSeconds = d.i32()
		default:
			d.skip()
		}
	}
}

// CheckAndMutateRequest makes several writes if a row of the same hash key passes a check.
type CheckAndMutateRequest struct {
	HashKey          []byte
	CheckSortKey     []byte
	CheckType        CheckType
	CheckOperand     []byte
	MutateList       []Mutate
	ReturnCheckValue bool
}

// AppendTo implements Message.
func (m *CheckAndMutateRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putBlob(b, 2, m.CheckSortKey)
	b = putI32(b, 3, m.CheckType)
	b = putBlob(b, 4, m.CheckOperand)
	b = putStructs(b, 5, m.MutateList)
	b = putBool(b, 6, m.ReturnCheckValue)
	return append(b, tStop)
}

// Decode implements Message.
func (m *CheckAndMutateRequest) Decode(d *Decoder) {
	*m = CheckAndMutateRequest{}
	for d.next("CheckAndMutateRequest") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.CheckSortKey = d.blob()
		case 3:
			m.CheckType = CheckType(d.i32())
		case 4:
			m.CheckOperand = d.blob()
		case 5:
			m.MutateList = decodeStructs[Mutate](d)
		case 6:
			m.ReturnCheckValue = d.bool()
		default:
			d.skip()
		}
	}
}

// CheckAndMutateResponse answers CheckAndMutateRequest; the IDL repeats the struct.
type CheckAndMutateResponse = CheckAndSetResponse
