package idl

// FilterType is how a key filter is compared (rrdb.thrift, filter_type).
type FilterType int32

// The values of FilterType.
const (
	FilterNone     FilterType = 0
	FilterAnywhere FilterType = 1
	FilterPrefix   FilterType = 2
	FilterPostfix  FilterType = 3
)

// String is the name in the IDL, or the number of an unknown value.
func (v FilterType) String() string {
	return enumName(v, "FT_NO_FILTER", "FT_MATCH_ANYWHERE", "FT_MATCH_PREFIX", "FT_MATCH_POSTFIX")
}

// MultiGetRequest reads rows of one hash key. Its hash key must not be empty.
type MultiGetRequest struct {
	HashKey []byte
	// SortKeys selects rows; when empty, the range and the filter below do.
	SortKeys [][]byte
	// MaxKvCount and MaxKvSize (bytes) bound the reply, <= 0 not at all; the server has bounds of
	// its own.
	MaxKvCount           int32
	MaxKvSize            int32
	NoValue              bool
	StartSortkey         []byte
	StopSortkey          []byte
	StartInclusive       bool
	StopInclusive        bool
	SortKeyFilterType    FilterType
	SortKeyFilterPattern []byte
	Reverse              bool
}

// AppendTo implements Message.
func (m *MultiGetRequest) AppendTo(b []byte) []byte {
	b = putBlob(b, 1, m.HashKey)
	b = putList(b, 2, tList, tStruct, m.SortKeys, rawBlob)
	b = putI32(b, 3, m.MaxKvCount)
	b = putI32(b, 4, m.MaxKvSize)
	b = putBool(b, 5, m.NoValue)
	b = putBlob(b, 6, m.StartSortkey)
	b = putBlob(b, 7, m.StopSortkey)
	b = putBool(b, 8, m.StartInclusive)
	b = putBool(b, 9, m.StopInclusive)
	b = putI32(b, 10, m.SortKeyFilterType)
	b = putBlob(b, 11, m.SortKeyFilterPattern)
	b = putBool(b, 12, m.Reverse)
	return append(b, tStop)
}

// Decode implements Message.
func (m *MultiGetRequest) Decode(d *Decoder) {
	*m = MultiGetRequest{}
	for d.next("MultiGetRequest") {
		switch d.id {
		case 1:
			m.HashKey = d.blob()
		case 2:
			m.SortKeys = decodeList(d, tStruct, 4, (*Decoder).rawBlob)
		case 3:
			m.MaxKvCount = d.i32()
		case 4:
			m.MaxKvSize = d.i32()
		case 5:
			m.NoValue = d.bool()
		case 6:
			m.StartSortkey = d.blob()
		case 7:
			m.StopSortkey = d.blob()
		case 8:
			m.StartInclusive = d.bool()
		case 9:
			m.StopInclusive = d.bool()
		case 10:
			m.SortKeyFilterType = FilterType(d.i32())
		case 11:
			m.SortKeyFilterPattern = d.blob()
		case 12:
			m.Reverse = d.bool()
		default:
			d.skip()
		}
	}
}
