package sandbox

import (
	"bytes"
	"cmp"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// checkKnown tells whether servers support a check type.
func checkKnown(t idl.CheckType) bool { return t >= idl.CheckNone && t <= idl.CheckValueIntGreater }

// checkPasses is validate_check of pegasus_write_service_impl.h. invalid means that
// an integer comparison met something else.
func checkPasses(t idl.CheckType, operand, value []byte, exist bool) (passed, invalid bool) {
	switch t {
	case idl.CheckNone:
		return true, false
	case idl.CheckValueNotExist:
		return !exist, false
	case idl.CheckValueNotExistOrEmpty:
		return !exist || len(value) == 0, false
	}
	if !exist {
		return false, false
	}
	switch {
	case t == idl.CheckValueExist:
		return true, false
	case t == idl.CheckValueNotEmpty:
		return len(value) != 0, false
	case t <= idl.CheckValueMatchPostfix:
		return filterMatches(idl.FilterAnywhere+idl.FilterType(t-idl.CheckValueMatchAnywhere), operand, value), false
	case t <= idl.CheckValueBytesGreater:
		return orderHolds(t-idl.CheckValueBytesLess, bytes.Compare(value, operand)), false
	}
	a, ok := parseInt(value)
	b, okOperand := parseInt(operand)
	if !ok || !okOperand {
		return false, true
	}
	return orderHolds(t-idl.CheckValueIntLess, cmp.Compare(a, b)), false
}

// orderHolds tests a comparison result against less, less or equal, equal, greater
// or equal, greater (0 to 4).
func orderHolds(relation idl.CheckType, c int) bool {
	switch {
	case c < 0:
		return relation <= 1
	case c == 0:
		return relation >= 1 && relation <= 3
	default:
		return relation >= 3
	}
}
