package idl

// maxSkipDepth bounds containers inside containers of an unknown field.
const maxSkipDepth = 16

// skip passes over the current field, which the codec does not know. Fields of
// newer servers are skipped this way as long as that is safe: anything that holds
// a struct could be one of Pegasus' bare primitives and is a failure.
func (d *Decoder) skip() { d.skipValue(d.typ, maxSkipDepth) }

// skipValue passes over one value.
func (d *Decoder) skipValue(typ byte, depth int) {
	switch typ {
	case tBool, tByte:
		d.take(1)
	case tI16:
		d.take(2)
	case tI32:
		d.take(4)
	case tI64, tDouble:
		d.take(8)
	case tString:
		d.rawBlob()
	case tList, tSet:
		d.skipList(depth)
	case tMap:
		d.skipMap(depth)
	case tStruct:
		d.fail("is unknown and of type struct, which Pegasus also uses for bare primitives: it cannot be skipped")
	default:
		d.failf("has the invalid type %s", typeName(typ))
	}
}

// skipList passes over an unknown list or set.
func (d *Decoder) skipList(depth int) {
	head := d.take(1)
	n := int(d.rawI32())
	if d.err != nil || !d.skippable(n, depth) {
		return
	}
	for range n {
		if d.err != nil {
			return
		}
		d.skipValue(head[0], depth-1)
	}
}

// skipMap passes over an unknown map.
func (d *Decoder) skipMap(depth int) {
	head := d.take(2)
	n := int(d.rawI32())
	if d.err != nil || !d.skippable(n, depth) {
		return
	}
	for range n {
		if d.err != nil {
			return
		}
		d.skipValue(head[0], depth-1)
		d.skipValue(head[1], depth-1)
	}
}

// skippable checks count and depth of an unknown container. Every element takes
// at least one byte, so the loop is bounded by the input.
func (d *Decoder) skippable(n, depth int) bool {
	if n < 0 || n > d.Remaining() {
		d.failf("announces %d elements, %d bytes are left", n, d.Remaining())
		return false
	}
	if depth <= 0 {
		d.fail("is nested too deeply")
		return false
	}
	return true
}
