package idl

// maxPrealloc bounds the elements that are reserved on the word of a count alone.
// A batch of a scan has at most 1000 rows ([pegasus.server]
// rocksdb_max_iteration_count), a multi_get 3000.
const maxPrealloc = 4096

// list starts a list or set whose elements have type elem and are at least minSize
// bytes long. It returns the count, 0 after a failure. A count that cannot fit
// into the remaining bytes is a failure.
func (d *Decoder) list(kind, elem byte, minSize int) int {
	if !d.want(kind) {
		return 0
	}
	return d.rawList(elem, minSize)
}

// rawList is list without the check of the field type, for lists inside lists.
func (d *Decoder) rawList(elem byte, minSize int) int {
	head := d.take(1)
	n := int(d.rawI32())
	switch {
	case d.err != nil:
		return 0
	case n < 0 || n > d.Remaining()/minSize:
		d.failf("announces %d elements, %d bytes are left", n, d.Remaining())
		return 0
	case n > 0 && head[0] != elem:
		d.failf("holds elements of type %s, expected %s", typeName(head[0]), typeName(elem))
		return 0
	}
	return n
}

// mapping starts a map, as list does.
func (d *Decoder) mapping(key, elem byte, minSize int) int {
	if !d.want(tMap) {
		return 0
	}
	return d.rawMapping(key, elem, minSize)
}

// rawMapping is mapping without the check of the field type.
func (d *Decoder) rawMapping(key, elem byte, minSize int) int {
	head := d.take(2)
	n := int(d.rawI32())
	switch {
	case d.err != nil:
		return 0
	case n < 0 || n > d.Remaining()/minSize:
		d.failf("announces %d entries, %d bytes are left", n, d.Remaining())
		return 0
	case n > 0 && (head[0] != key || head[1] != elem):
		d.failf("maps %s to %s, expected %s to %s",
			typeName(head[0]), typeName(head[1]), typeName(key), typeName(elem))
		return 0
	}
	return n
}

// decodeList reads a whole list with the given element reader. It is never nil, so
// that an empty optional list stays present.
func decodeList[T any](d *Decoder, elem byte, minSize int, read func(*Decoder) T) []T {
	n := d.list(tList, elem, minSize)
	return readElems(d, n, read)
}

// decodeSet is decodeList for a thrift set.
func decodeSet[T any](d *Decoder, elem byte, minSize int, read func(*Decoder) T) []T {
	n := d.list(tSet, elem, minSize)
	return readElems(d, n, read)
}

// readElems reads n elements.
func readElems[T any](d *Decoder, n int, read func(*Decoder) T) []T {
	out := make([]T, 0, min(n, maxPrealloc))
	for range n {
		if d.err != nil {
			break
		}
		out = append(out, read(d))
	}
	return out
}

// decodeStructs reads a list of real structs.
func decodeStructs[T any, P messageOf[T]](d *Decoder) []T {
	return decodeList(d, tStruct, 1, readStruct[T, P])
}

// messageOf is a pointer to T that is a Message.
type messageOf[T any] interface {
	*T
	Message
}

// readStruct reads one element of a list of structs.
func readStruct[T any, P messageOf[T]](d *Decoder) T {
	var v T
	P(&v).Decode(d)
	return v
}

// readEnum reads one element of a list of enums.
func readEnum[T ~int32](d *Decoder) T { return T(d.rawI32()) }

// decodeMap reads a whole map. A key that occurs twice keeps its last value.
func decodeMap[K comparable, V any](d *Decoder, key, elem byte, minSize int, readKey func(*Decoder) K, readElem func(*Decoder) V) map[K]V {
	return readEntries(d, d.mapping(key, elem, minSize), readKey, readElem)
}

// readEntries reads n entries of a map.
func readEntries[K comparable, V any](d *Decoder, n int, readKey func(*Decoder) K, readElem func(*Decoder) V) map[K]V {
	out := make(map[K]V, min(n, maxPrealloc))
	for range n {
		k := readKey(d)
		v := readElem(d)
		if d.err != nil {
			break
		}
		out[k] = v
	}
	return out
}

// stringMap reads map<string,string>.
func (d *Decoder) stringMap() map[string]string {
	return decodeMap(d, tString, tString, 8, (*Decoder).rawString, (*Decoder).rawString)
}

// strings reads list<string>.
func (d *Decoder) strings() []string {
	return decodeList(d, tString, 4, (*Decoder).rawString)
}

// i32s reads list<i32>.
func (d *Decoder) i32s() []int32 { return decodeList(d, tI32, 4, (*Decoder).rawI32) }

// addrs reads list<rpc_address>.
func (d *Decoder) addrs() []Addr { return decodeList(d, tStruct, 8, (*Decoder).rawAddr) }

// hostPorts reads list<host_port>.
func (d *Decoder) hostPorts() []HostPort {
	return decodeList(d, tStruct, 7, (*Decoder).rawHostPort)
}
