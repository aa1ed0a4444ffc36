package idl

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// The functions of this file append one field, header included, or one bare value.
// Fields must be appended in the order of their ids, which is what servers and the
// recorded clients do.

func putHead(b []byte, typ byte, id int16) []byte {
	return append(b, typ, byte(uint16(id)>>8), byte(id))
}

func putBool(b []byte, id int16, v bool) []byte {
	b = putHead(b, tBool, id)
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func putI8(b []byte, id int16, v int8) []byte {
	return append(putHead(b, tByte, id), byte(v))
}

func putI32[T ~int32](b []byte, id int16, v T) []byte {
	return rawI32(putHead(b, tI32, id), v)
}

func putI64(b []byte, id int16, v int64) []byte {
	return rawI64(putHead(b, tI64, id), v)
}

func putString[T ~string](b []byte, id int16, v T) []byte {
	return rawString(putHead(b, tString, id), v)
}

func putBlob(b []byte, id int16, v []byte) []byte {
	return rawBlob(putHead(b, tStruct, id), v)
}

func putCode(b []byte, id int16, v ErrorCode) []byte {
	return rawString(putHead(b, tStruct, id), v)
}

func putGpid(b []byte, id int16, v Gpid) []byte {
	return rawI64(putHead(b, tStruct, id), v.wire())
}

func putAddr(b []byte, id int16, v Addr) []byte {
	return rawAddr(putHead(b, tStruct, id), v)
}

func putMessage(b []byte, id int16, m Message) []byte {
	return m.AppendTo(putHead(b, tStruct, id))
}

func rawI32[T ~int32](b []byte, v T) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

func rawI64(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

func rawString[T ~string](b []byte, v T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

func rawBlob(b []byte, v []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
}

func rawAddr(b []byte, v Addr) []byte { return rawI64(b, int64(v)) }

func rawGpid(b []byte, v Gpid) []byte { return rawI64(b, v.wire()) }

func rawHostPort(b []byte, v HostPort) []byte {
	b = rawString(b, v.Host)
	return append(b, byte(v.Port>>8), byte(v.Port), byte(v.Type))
}

// putList appends a list; kind is tList or tSet.
func putList[T any](b []byte, id int16, kind, elem byte, vs []T, put func([]byte, T) []byte) []byte {
	return rawList(putHead(b, kind, id), elem, vs, put)
}

// rawList is putList without the field header, for lists inside lists.
func rawList[T any](b []byte, elem byte, vs []T, put func([]byte, T) []byte) []byte {
	b = rawI32(append(b, elem), int32(len(vs)))
	for _, v := range vs {
		b = put(b, v)
	}
	return b
}

// putStructs appends a list of real structs.
func putStructs[T any, P messageOf[T]](b []byte, id int16, vs []T) []byte {
	b = rawI32(append(putHead(b, tList, id), tStruct), int32(len(vs)))
	for i := range vs {
		b = P(&vs[i]).AppendTo(b)
	}
	return b
}

// putMap appends a map in the order of its keys, as a std::map iterates.
func putMap[K cmp.Ordered, V any](b []byte, id int16, key, elem byte, m map[K]V, putKey func([]byte, K) []byte, putElem func([]byte, V) []byte) []byte {
	return rawMap(putHead(b, tMap, id), key, elem, m, putKey, putElem)
}

// rawMap is putMap without the field header.
func rawMap[K cmp.Ordered, V any](b []byte, key, elem byte, m map[K]V, putKey func([]byte, K) []byte, putElem func([]byte, V) []byte) []byte {
	b = rawI32(append(b, key, elem), int32(len(m)))
	for _, k := range sortedKeys(m) {
		b = putElem(putKey(b, k), m[k])
	}
	return b
}

// sortedKeys are the keys of m in ascending order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// putStringMap appends map<string,string>.
func putStringMap(b []byte, id int16, m map[string]string) []byte {
	return putMap(b, id, tString, tString, m, rawString[string], rawString[string])
}

// putStrings appends list<string>.
func putStrings(b []byte, id int16, vs []string) []byte {
	return putList(b, id, tList, tString, vs, rawString[string])
}

// putI32s appends a list of i32 or of enums.
func putI32s[T ~int32](b []byte, id int16, vs []T) []byte {
	return putList(b, id, tList, tI32, vs, rawI32[T])
}

// putAddrs appends list<rpc_address>.
func putAddrs(b []byte, id int16, vs []Addr) []byte {
	return putList(b, id, tList, tStruct, vs, rawAddr)
}
