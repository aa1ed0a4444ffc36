package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// updateReply is the answer to put, multi_put and remove.
func (r *replica) updateReply(q *request, out []byte, status idl.Status, decree int64) []byte {
	return q.reply(out, &idl.UpdateResponse{
		Error: status, AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Decree: decree, Server: r.node.srv.addr,
	})
}

// multiPut stores rows of one hash key. The expiry of the request holds for all of
// them, that of a single row is ignored.
func multiPut(r *replica, q *request, m *idl.MultiPutRequest, out []byte) []byte {
	if len(m.Kvs) == 0 {
		return r.updateReply(q, out, idl.StatusInvalidArgument, r.part.empty())
	}
	var raw []byte
	for _, kv := range m.Kvs {
		raw = pegkey.Encode(raw[:0], m.HashKey, kv.Key)
		r.put(raw, kv.Value, uint32(m.ExpireTsSeconds))
	}
	return r.updateReply(q, out, idl.StatusOK, r.part.commit())
}
