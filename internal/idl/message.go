package idl

// Message is the argument or the result of an RPC, or a struct inside of one.
type Message interface {
	// AppendTo appends the encoded message, its stop byte included, to b and
	// returns the extended slice. It keeps no reference to b.
	AppendTo(b []byte) []byte
	// Decode replaces the message by what d holds next. A failure is kept in d
	// (see Decoder.Err) and leaves the message half filled. Slices that the
	// message already has may be used again.
	Decode(d *Decoder)
}

// bareMessage is a Message that is no thrift struct: blob arguments are announced
// as structs but carry none, some arguments are announced as what they are.
type bareMessage interface {
	Message
	// thriftType is the type byte that announces the message.
	thriftType() byte
}

// thriftTypeOf is the type byte that announces m as argument or result.
func thriftTypeOf(m Message) byte {
	if b, ok := m.(bareMessage); ok {
		return b.thriftType()
	}
	return tStruct
}
