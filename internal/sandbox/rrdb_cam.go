package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// checkAndMutate is checkAndSet with several puts and deletes.
func checkAndMutate(r *replica, q *request, m *idl.CheckAndMutateRequest, out []byte) []byte {
	resp := r.newCheckReply()
	valid := len(m.MutateList) > 0 && checkKnown(m.CheckType)
	for _, mu := range m.MutateList {
		valid = valid && (mu.Operation == idl.MutatePut || mu.Operation == idl.MutateDelete)
	}
	if !valid {
		resp.Error, resp.Decree = idl.StatusInvalidArgument, r.part.empty()
		return q.reply(out, resp)
	}
	checkKey := pegkey.Encode(nil, m.HashKey, m.CheckSortKey)
	if !r.check(resp, checkKey, m.CheckType, m.CheckOperand, m.ReturnCheckValue) {
		return q.reply(out, resp)
	}
	for _, mu := range m.MutateList {
		key := pegkey.Encode(nil, m.HashKey, mu.SortKey)
		if mu.Operation == idl.MutateDelete {
			r.part.store.remove(key)
			continue
		}
		r.put(key, mu.Value, uint32(mu.SetExpireTsSeconds))
	}
	resp.Decree = r.part.commit()
	return q.reply(out, resp)
}
