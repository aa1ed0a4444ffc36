package idl

// The functions of this file append an optional field, or nothing when it is unset.

func optBool(b []byte, id int16, v *bool) []byte {
	if v == nil {
		return b
	}
	return putBool(b, id, *v)
}

func optI8(b []byte, id int16, v *int8) []byte {
	if v == nil {
		return b
	}
	return putI8(b, id, *v)
}

func optI32[T ~int32](b []byte, id int16, v *T) []byte {
	if v == nil {
		return b
	}
	return putI32(b, id, *v)
}

func optI64(b []byte, id int16, v *int64) []byte {
	if v == nil {
		return b
	}
	return putI64(b, id, *v)
}

func optString(b []byte, id int16, v *string) []byte {
	if v == nil {
		return b
	}
	return putString(b, id, *v)
}

func optCode(b []byte, id int16, v *ErrorCode) []byte {
	if v == nil {
		return b
	}
	return putCode(b, id, *v)
}

func optStrings(b []byte, id int16, vs []string) []byte {
	if vs == nil {
		return b
	}
	return putStrings(b, id, vs)
}

func optI32s(b []byte, id int16, vs []int32) []byte {
	if vs == nil {
		return b
	}
	return putI32s(b, id, vs)
}

func optHostPort(b []byte, id int16, v *HostPort) []byte {
	if v == nil {
		return b
	}
	return rawHostPort(putHead(b, tStruct, id), *v)
}

func optHostPorts(b []byte, id int16, vs []HostPort) []byte {
	if vs == nil {
		return b
	}
	return putList(b, id, tList, tStruct, vs, rawHostPort)
}
