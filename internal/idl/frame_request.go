package idl

import "encoding/binary"

// RequestHeader is the routing part of a request, the same for both header
// versions.
type RequestHeader struct {
	// Gpid is the partition that a data request goes to, zero for all others.
	Gpid Gpid
	// TimeoutMs is the client's timeout in milliseconds; servers shorten throttling
	// delays to half of it.
	TimeoutMs uint32
	// ThreadHash selects the worker thread of the server, see Gpid.ThreadHash.
	// Version 1 has no such field; decoding fills it from Gpid.
	ThreadHash int32
	// PartitionHash is the partition hash of the row, or the partition index for
	// scans of a whole partition; 0 for requests without a partition.
	PartitionHash uint64
	// BodyLength is the number of bytes after the header. AppendRequest fills it.
	BodyLength uint32
}

// Request is a decoded request frame whose argument has not been read yet.
type Request struct {
	RequestHeader
	// Version is the header version, 0 or 1.
	Version uint32
	// Name is the RPC.
	Name string
	// RPC is the entry of the RPC table, nil for a name that it does not have.
	RPC *RPC
	// Seq is chosen by the client; the response repeats it.
	Seq int32
	// OneWay tells that the client announced that it expects no response.
	OneWay bool
	// Args is the encoded argument envelope and aliases the frame.
	Args []byte
}

// AppendRequest appends a whole request frame with a header of version 0 to b and
// returns the extended slice. h.BodyLength is ignored and computed. It allocates
// nothing beyond the growth of b and keeps no reference to it.
func AppendRequest(b []byte, h RequestHeader, name string, seq int32, req Message) []byte {
	start := len(b)
	b = append(b, requestMagic...)
	b = binary.BigEndian.AppendUint32(b, 0) // header version
	b = binary.BigEndian.AppendUint32(b, headerV0)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // header crc, body length, body crc
	b = rawI32(b, h.Gpid.AppID)
	b = rawI32(b, h.Gpid.Partition)
	b = binary.BigEndian.AppendUint32(b, h.TimeoutMs)
	b = rawI32(b, h.ThreadHash)
	b = binary.BigEndian.AppendUint64(b, h.PartitionHash)
	b = appendEnvelope(b, callMessage, name, "", seq, 1, req)
	binary.BigEndian.PutUint32(b[start+16:], uint32(len(b)-start-headerV0))
	return b
}

// appendEnvelope appends message begin, the one field that wraps m, and the stop
// byte. A nil m leaves the field out.
func appendEnvelope(b []byte, kind uint32, name, suffix string, seq int32, id int16, m Message) []byte {
	b = binary.BigEndian.AppendUint32(b, thriftVersion|kind)
	b = rawI32(b, int32(len(name)+len(suffix)))
	b = append(append(b, name...), suffix...)
	b = rawI32(b, seq)
	if m != nil {
		b = m.AppendTo(putHead(b, thriftTypeOf(m), id))
	}
	return append(b, tStop)
}

// RequestLength is the length in bytes of the whole request frame that starts with
// prefix, which must have at least RequestPrefix bytes. The error wraps
// ErrMalformed; then the stream cannot be read any further.
func RequestLength(prefix []byte) (int, error) {
	if len(prefix) < RequestPrefix {
		return 0, frameError("request of %d bytes is shorter than its header", len(prefix))
	}
	if string(prefix[:4]) != requestMagic {
		return 0, frameError("request starts with %q, not with %q", prefix[:4], requestMagic)
	}
	var total uint64
	switch version := be32(prefix[4:]); version {
	case 0:
		if n := be32(prefix[8:]); n != headerV0 {
			return 0, frameError("request header length %d, must be %d", n, headerV0)
		}
		total = headerV0 + uint64(be32(prefix[16:]))
	case 1:
		total = headerV1 + uint64(be32(prefix[8:])) + uint64(be32(prefix[12:]))
	default:
		return 0, frameError("request header version %d", version)
	}
	if total > MaxFrame {
		return 0, frameError("request of %d bytes", total)
	}
	if total < RequestPrefix {
		return 0, frameError("request of %d bytes is shorter than its header", total)
	}
	return int(total), nil
}

// DecodeRequest reads the header of a whole request frame, of version 0 or 1, up
// to the argument. The error wraps ErrMalformed.
func DecodeRequest(frame []byte) (Request, error) {
	n, err := RequestLength(frame)
	if err != nil {
		return Request{}, err
	}
	if n != len(frame) {
		return Request{}, frameError("request frame has %d bytes, its header says %d", len(frame), n)
	}
	r := Request{Version: be32(frame[4:])}
	var body []byte
	if r.Version == 0 {
		r.RequestHeader, body = decodeHeaderV0(frame), frame[headerV0:]
	} else if r.RequestHeader, body, err = decodeHeaderV1(frame); err != nil {
		return Request{}, err
	}
	d := Decoder{buf: body}
	begin := d.messageBegin()
	if d.err != nil {
		return Request{}, d.err
	}
	if begin.kind != callMessage && begin.kind != onewayMessage {
		return Request{}, frameError("request is a thrift message of type %d", begin.kind)
	}
	r.Seq, r.OneWay, r.Args = begin.seq, begin.kind == onewayMessage, body[d.pos:]
	if r.RPC = lookupBytes(begin.name); r.RPC != nil {
		r.Name = r.RPC.Name
	} else {
		r.Name = string(begin.name)
	}
	return r, nil
}

// decodeHeaderV0 reads the fixed header, whose presence has been checked.
func decodeHeaderV0(frame []byte) RequestHeader {
	return RequestHeader{
		Gpid:          Gpid{AppID: int32(be32(frame[24:])), Partition: int32(be32(frame[28:]))},
		TimeoutMs:     be32(frame[32:]),
		ThreadHash:    int32(be32(frame[36:])),
		PartitionHash: binary.BigEndian.Uint64(frame[40:]),
		BodyLength:    be32(frame[16:]),
	}
}

// DecodeArgs reads the argument into m, which aliases the frame. Bytes that are
// left over are an error. The error wraps ErrMalformed.
func (r *Request) DecodeArgs(d *Decoder, m Message) error {
	d.Reset(r.Args)
	return d.argument(1, m)
}
