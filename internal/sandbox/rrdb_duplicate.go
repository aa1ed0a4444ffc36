package sandbox

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// duplicate executes what another cluster shipped, as one mutation
// (pegasus_write_service::duplicate). Rows go where the request was sent, whether their
// hashes belong there or not, and no timetag is compared: the last arrival wins.
func duplicate(r *replica, q *request, m *idl.DuplicateRequest, out []byte) []byte {
	peers := q.srv.peers.get()
	own := peers.ids[q.srv.c.cfg.Name]
	resp := &idl.DuplicateResponse{Error: new(idl.StatusOK)}
	if own == 0 && len(m.Entries) > 0 {
		// get_current_cluster_id asserts that there is one.
		die := q.srv.dies()
		q.srv.c.afterLocked(0, die)
		return out
	}
	for i := range m.Entries {
		if hint := r.applyShipped(&m.Entries[i], peers, own); hint != "" {
			resp.Error, resp.ErrorHint = new(idl.StatusInvalidArgument), new(hint)
			r.part.empty()
			return q.reply(out, resp)
		}
	}
	r.part.commit()
	return q.reply(out, resp)
}

// applyShipped executes one update, or says why it is not valid.
func (r *replica) applyShipped(e *idl.DuplicateEntry, peers peerConfig, own int) (hint string) {
	id := 0
	if e.ClusterID != nil {
		id = int(*e.ClusterID)
	}
	switch {
	case !peers.hasID(id):
		return "request cluster id is unconfigured"
	case id == own:
		return "self-duplicating"
	}
	code := idl.ErrorCode("")
	if e.TaskCode != nil {
		code = *e.TaskCode
	}
	var dec idl.Decoder
	req := idl.Request{Args: e.RawMessage}
	var err error
	switch string(code) {
	case idl.NamePut:
		var u idl.UpdateRequest
		if err = req.DecodeArgs(&dec, &u); err == nil {
			r.put(u.Key, u.Value, uint32(u.ExpireTsSeconds))
		}
	case idl.NameRemove:
		var u idl.BlobRequest
		if err = req.DecodeArgs(&dec, &u); err == nil {
			r.part.store.remove(u.Key)
		}
	case idl.NameMultiPut:
		var u idl.MultiPutRequest
		if err = req.DecodeArgs(&dec, &u); err == nil {
			for _, kv := range u.Kvs {
				r.put(pegkey.Encode(nil, u.HashKey, kv.Key), kv.Value, uint32(u.ExpireTsSeconds))
			}
		}
	case idl.NameMultiRemove:
		var u idl.MultiRemoveRequest
		if err = req.DecodeArgs(&dec, &u); err == nil {
			for _, sortKey := range u.SortKeys {
				r.part.store.remove(pegkey.Encode(nil, u.HashKey, sortKey))
			}
		}
	default:
		return fmt.Sprintf("unrecognized task code %s", string(code))
	}
	if err != nil {
		return "the message cannot be read" // a real server throws; nothing that ships makes this
	}
	return ""
}
