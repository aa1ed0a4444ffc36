package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// get reads one value.
func get(r *replica, q *request, m *idl.BlobRequest, out []byte) []byte {
	resp := &idl.GetResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	if found, ok := r.live(m.Key); ok {
		resp.Value = found.value()
		r.env.readSize.consume(len(found.key()) + len(found.value()))
	} else {
		resp.Error = idl.StatusNotFound
	}
	return q.reply(out, resp)
}

// ttl tells the seconds that a row has left, -1 for no expiry.
func ttl(r *replica, q *request, m *idl.BlobRequest, out []byte) []byte {
	resp := &idl.TTLResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	found, ok := r.live(m.Key)
	switch {
	case !ok:
		resp.Error = idl.StatusNotFound
	case found.expire() == 0:
		resp.TTLSeconds = -1
	default:
		resp.TTLSeconds = int32(found.expire() - r.nowTs())
	}
	return q.reply(out, resp)
}

// sortkeyCount counts the live rows of a hash key.
func sortkeyCount(r *replica, q *request, m *idl.BlobRequest, out []byte) []byte {
	resp := &idl.CountResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	now, stop := r.nowTs(), lookupRow(nextKey(m.Key, nil))
	r.part.store.ascend(lookupRow(pegkey.Encode(nil, m.Key, nil)), func(found row) bool {
		if !rowLess(found, stop) {
			return false
		}
		if !expired(found.expire(), now) {
			resp.Count++
		}
		return true
	})
	return q.reply(out, resp)
}
