package idl

// requestMeta is the thrift struct that header version 1 carries
// (rdsn/src/runtime/rpc/request_meta.thrift, thrift_request_meta_v1). All of its
// fields are optional. Java clients since 2.0 send it; this project does not.
type requestMeta struct {
	header   RequestHeader
	isBackup *bool
}

// decode reads the struct. It is no Message: nothing ever writes one.
func (m *requestMeta) decode(d *Decoder) {
	for d.next("request meta v1") {
		switch d.id {
		case 1:
			m.header.Gpid.AppID = d.i32()
		case 2:
			m.header.Gpid.Partition = d.i32()
		case 3:
			m.header.TimeoutMs = uint32(d.i32())
		case 4:
			m.header.PartitionHash = uint64(d.i64())
		case 5:
			m.isBackup = new(d.bool())
		default:
			d.skip()
		}
	}
	m.header.ThreadHash = m.header.Gpid.ThreadHash()
}

// decodeHeaderV1 reads a header of version 1 and returns the body behind it. The
// caller has checked that the frame is as long as its header says.
func decodeHeaderV1(frame []byte) (RequestHeader, []byte, error) {
	metaLen := int(be32(frame[8:]))
	if metaLen > len(frame)-headerV1 {
		return RequestHeader{}, nil, frameError("request meta of %d bytes exceeds the frame", metaLen)
	}
	d := Decoder{buf: frame[headerV1 : headerV1+metaLen]}
	var m requestMeta
	m.decode(&d)
	if d.err != nil {
		return RequestHeader{}, nil, d.err
	}
	if d.Remaining() > 0 {
		return RequestHeader{}, nil, frameError("%d bytes behind the request meta", d.Remaining())
	}
	m.header.BodyLength = be32(frame[12:])
	return m.header, frame[headerV1+metaLen:], nil
}
