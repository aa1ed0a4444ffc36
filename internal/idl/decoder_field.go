package idl

// The methods of this file read the value of the current field after checking its
// type byte. A wrong type is a failure: it means another IDL than ours.

func (d *Decoder) bool() bool {
	if !d.want(tBool) {
		return false
	}
	b := d.take(1)
	return len(b) == 1 && b[0] != 0
}

func (d *Decoder) i8() int8 {
	if !d.want(tByte) {
		return 0
	}
	b := d.take(1)
	if len(b) == 0 {
		return 0
	}
	return int8(b[0])
}

func (d *Decoder) i32() int32 {
	if !d.want(tI32) {
		return 0
	}
	return d.rawI32()
}

func (d *Decoder) i64() int64 {
	if !d.want(tI64) {
		return 0
	}
	return d.rawI64()
}

func (d *Decoder) str() string {
	if !d.want(tString) {
		return ""
	}
	return d.rawString()
}

// strAgain is str for messages that are decoded again and again: it gives old,
// without an allocation, when the text has not changed.
func (d *Decoder) strAgain(old string) string {
	if !d.want(tString) {
		return ""
	}
	b := d.rawBlob()
	if string(b) == old {
		return old
	}
	return string(b)
}

func (d *Decoder) blob() []byte {
	if !d.want(tStruct) {
		return nil
	}
	return d.rawBlob()
}

func (d *Decoder) code() ErrorCode {
	if !d.want(tStruct) {
		return ""
	}
	return d.rawCode()
}

// rawCode reads an error code; the known ones cost no allocation.
func (d *Decoder) rawCode() ErrorCode { return internCode(d.rawBlob()) }

func (d *Decoder) gpid() Gpid {
	if !d.want(tStruct) {
		return Gpid{}
	}
	return d.rawGpid()
}

func (d *Decoder) rawGpid() Gpid { return gpidFromWire(d.rawI64()) }

func (d *Decoder) addr() Addr {
	if !d.want(tStruct) {
		return 0
	}
	return d.rawAddr()
}

func (d *Decoder) rawAddr() Addr { return Addr(d.rawI64()) }

func (d *Decoder) hostPort() *HostPort {
	if !d.want(tStruct) {
		return nil
	}
	return new(d.rawHostPort())
}

func (d *Decoder) rawHostPort() HostPort {
	h := HostPort{Host: d.rawString()}
	if b := d.take(3); len(b) == 3 {
		h.Port = uint16(b[0])<<8 | uint16(b[1])
		h.Type = HostPortType(b[2])
	}
	return h
}

// message reads a nested struct.
func (d *Decoder) message(m Message) {
	if d.want(tStruct) {
		m.Decode(d)
	}
}
