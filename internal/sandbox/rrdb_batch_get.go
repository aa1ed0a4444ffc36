package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// batchGet reads rows of several hash keys; those that are not there are left out.
func batchGet(r *replica, q *request, m *idl.BatchGetRequest, out []byte) []byte {
	resp := &idl.BatchGetResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	if len(m.Keys) == 0 {
		resp.Error = idl.StatusInvalidArgument
		return q.reply(out, resp)
	}
	for _, k := range m.Keys {
		if found, ok := r.live(pegkey.Encode(nil, k.HashKey, k.SortKey)); ok {
			resp.Data = append(resp.Data, idl.FullData{HashKey: k.HashKey, SortKey: k.SortKey, Value: found.value()})
			r.env.readSize.consume(len(found.value()))
		}
	}
	return q.reply(out, resp)
}
