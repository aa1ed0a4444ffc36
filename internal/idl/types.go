package idl

import "strconv"

// Type bytes of the thrift binary protocol (thrift/lib/cpp/src/thrift/protocol/TEnum.h).
const (
	tStop   byte = 0
	tBool   byte = 2
	tByte   byte = 3
	tDouble byte = 4
	tI16    byte = 6
	tI32    byte = 8
	tI64    byte = 10
	tString byte = 11
	tStruct byte = 12
	tMap    byte = 13
	tSet    byte = 14
	tList   byte = 15
)

// typeName names a type byte for error texts.
func typeName(t byte) string {
	switch t {
	case tStop:
		return "stop"
	case tBool:
		return "bool"
	case tByte:
		return "byte"
	case tDouble:
		return "double"
	case tI16:
		return "i16"
	case tI32:
		return "i32"
	case tI64:
		return "i64"
	case tString:
		return "string"
	case tStruct:
		return "struct"
	case tMap:
		return "map"
	case tSet:
		return "set"
	case tList:
		return "list"
	default:
		return "type " + strconv.Itoa(int(t))
	}
}
