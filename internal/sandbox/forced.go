package sandbox

import "github.com/pegmigrate/pegmigrate/internal/idl"

// forcedReply answers with the RocksDB status that a hook wants, without executing
// the request.
func (q *request) forcedReply(r *replica, out []byte) []byte {
	if q.RPC.OneWay {
		return out
	}
	m := q.RPC.NewResponse()
	switch resp := m.(type) {
	case *idl.GetResponse:
		resp.Error = q.forced
	case *idl.TTLResponse:
		resp.Error = q.forced
	case *idl.CountResponse:
		resp.Error = q.forced
	case *idl.MultiGetResponse:
		resp.Error = q.forced
	case *idl.BatchGetResponse:
		resp.Error = q.forced
	case *idl.ScanResponse:
		resp.Error = q.forced
	case *idl.UpdateResponse:
		resp.Error, resp.AppID, resp.PartitionIndex, resp.Server = q.forced, r.gpid.AppID, r.gpid.Partition, r.node.srv.addr
	case *idl.MultiRemoveResponse:
		resp.Error = q.forced
	case *idl.IncrResponse:
		resp.Error = q.forced
	case *idl.CheckAndSetResponse:
		resp.Error = q.forced
	case *idl.DuplicateResponse:
		resp.Error = new(q.forced)
	}
	return q.reply(out, m)
}
