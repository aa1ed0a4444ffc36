package idl

// CheckType is the condition of a check-and-set (rrdb.thrift, cas_check_type).
type CheckType int32

// The values of CheckType.
const (
	CheckNone                     CheckType = 0
	CheckValueNotExist            CheckType = 1
	CheckValueNotExistOrEmpty     CheckType = 2
	CheckValueExist               CheckType = 3
	CheckValueNotEmpty            CheckType = 4
	CheckValueMatchAnywhere       CheckType = 5
	CheckValueMatchPrefix         CheckType = 6
	CheckValueMatchPostfix        CheckType = 7
	CheckValueBytesLess           CheckType = 8
	CheckValueBytesLessOrEqual    CheckType = 9
	CheckValueBytesEqual          CheckType = 10
	CheckValueBytesGreaterOrEqual CheckType = 11
	CheckValueBytesGreater        CheckType = 12
	CheckValueIntLess             CheckType = 13
	CheckValueIntLessOrEqual      CheckType = 14
	CheckValueIntEqual            CheckType = 15
	CheckValueIntGreaterOrEqual   CheckType = 16
	CheckValueIntGreater          CheckType = 17
)

// String is the name in the IDL, or the number of an unknown value.
func (v CheckType) String() string {
	return enumName(v,
		"CT_NO_CHECK", "CT_VALUE_NOT_EXIST", "CT_VALUE_NOT_EXIST_OR_EMPTY", "CT_VALUE_EXIST",
		"CT_VALUE_NOT_EMPTY", "CT_VALUE_MATCH_ANYWHERE", "CT_VALUE_MATCH_PREFIX",
		"CT_VALUE_MATCH_POSTFIX", "CT_VALUE_BYTES_LESS", "CT_VALUE_BYTES_LESS_OR_EQUAL",
		"CT_VALUE_BYTES_EQUAL", "CT_VALUE_BYTES_GREATER_OR_EQUAL", "CT_VALUE_BYTES_GREATER",
		"CT_VALUE_INT_LESS", "CT_VALUE_INT_LESS_OR_EQUAL", "CT_VALUE_INT_EQUAL",
		"CT_VALUE_INT_GREATER_OR_EQUAL", "CT_VALUE_INT_GREATER")
}
