package sandbox

import (
	"encoding/binary"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// putAck is the reply to a put as bytes, ready but for sequence number and decree.
// It exists because puts are what a sandbox under load does.
type putAck struct {
	frame           []byte
	seqAt, decreeAt int
}

func newPutAck(gpid idl.Gpid, server string) putAck {
	frame := idl.AppendResponse(nil, 0, idl.NamePut, idl.ErrOK, &idl.UpdateResponse{
		AppID: gpid.AppID, PartitionIndex: gpid.Partition, Server: server,
	})
	// The sequence number stands right behind the name of the reply, the decree in
	// front of the server's address and the two stop bytes.
	seqAt := 4 + 4 + len(idl.ErrOK) + 4 + 4 + len(idl.NamePut+"_ACK")
	decreeAt := len(frame) - 2 - len(server) - 4 - 3 - 8
	return putAck{frame: frame, seqAt: seqAt, decreeAt: decreeAt}
}

// append appends the reply.
func (a *putAck) append(out []byte, seq int32, decree int64) []byte {
	start := len(out)
	out = append(out, a.frame...)
	binary.BigEndian.PutUint32(out[start+a.seqAt:], uint32(seq))
	binary.BigEndian.PutUint64(out[start+a.decreeAt:], uint64(decree))
	return out
}

// put stores one row.
func put(r *replica, q *request, m *idl.UpdateRequest, out []byte) []byte {
	r.put(m.Key, m.Value, uint32(m.ExpireTsSeconds))
	return r.ack.append(out, q.Seq, r.part.commit())
}
