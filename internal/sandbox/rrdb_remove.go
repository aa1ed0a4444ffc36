package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// remove deletes one row; that it was not there is no error.
func remove(r *replica, q *request, m *idl.BlobRequest, out []byte) []byte {
	r.part.store.remove(m.Key)
	return r.updateReply(q, out, idl.StatusOK, r.part.commit())
}

// multiRemove deletes rows of one hash key. The count is that of the request's sort
// keys, whether they existed or not.
func multiRemove(r *replica, q *request, m *idl.MultiRemoveRequest, out []byte) []byte {
	resp := &idl.MultiRemoveResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	if len(m.SortKeys) == 0 {
		resp.Error, resp.Decree = idl.StatusInvalidArgument, r.part.empty()
		return q.reply(out, resp)
	}
	for _, sortKey := range m.SortKeys {
		r.part.store.remove(pegkey.Encode(nil, m.HashKey, sortKey))
	}
	resp.Count, resp.Decree = int64(len(m.SortKeys)), r.part.commit()
	return q.reply(out, resp)
}
