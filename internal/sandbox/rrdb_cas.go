package sandbox

import (
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// checkAndSet writes one row if another one of the same hash key passes a check. A
// failed check commits an empty write and answers TryAgain.
func checkAndSet(r *replica, q *request, m *idl.CheckAndSetRequest, out []byte) []byte {
	resp := r.newCheckReply()
	if !checkKnown(m.CheckType) {
		resp.Error, resp.Decree = idl.StatusInvalidArgument, r.part.empty()
		return q.reply(out, resp)
	}
	checkKey := pegkey.Encode(nil, m.HashKey, m.CheckSortKey)
	if r.check(resp, checkKey, m.CheckType, m.CheckOperand, m.ReturnCheckValue) {
		setKey := checkKey
		if m.SetDiffSortKey {
			setKey = pegkey.Encode(nil, m.HashKey, m.SetSortKey)
		}
		r.put(setKey, m.SetValue, uint32(m.SetExpireTsSeconds))
		resp.Decree = r.part.commit()
	}
	return q.reply(out, resp)
}

func (r *replica) newCheckReply() *idl.CheckAndSetResponse {
	return &idl.CheckAndSetResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
}

// check looks at the row to be checked, fills the reply, and commits an empty write
// when the check fails.
func (r *replica) check(resp *idl.CheckAndSetResponse, key []byte, t idl.CheckType, operand []byte, giveValue bool) bool {
	found, exist := r.live(key)
	var value []byte
	if exist {
		value = found.value()
	}
	if giveValue {
		resp.CheckValueReturned, resp.CheckValueExist, resp.CheckValue = true, exist, value
	}
	passed, invalid := checkPasses(t, operand, value, exist)
	if passed {
		return true
	}
	resp.Error, resp.Decree = idl.StatusTryAgain, r.part.empty()
	if invalid {
		resp.Error = idl.StatusInvalidArgument
	}
	return false
}
