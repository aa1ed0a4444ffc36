package sandbox

import (
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// incr adds to a counter stored as decimal text. Expiry 0 in the request keeps the
// row's, a negative one removes it.
func incr(r *replica, q *request, m *idl.IncrRequest, out []byte) []byte {
	resp := &idl.IncrResponse{AppID: r.gpid.AppID, PartitionIndex: r.gpid.Partition, Server: r.node.srv.addr}
	next, expire := m.Increment, uint32(max(m.ExpireTsSeconds, 0))
	if old, ok := r.live(m.Key); ok {
		if len(old.value()) > 0 {
			n, ok := parseInt(old.value())
			if !ok {
				resp.Error, resp.Decree = idl.StatusInvalidArgument, r.part.empty()
				return q.reply(out, resp)
			}
			next = n + m.Increment
			if (m.Increment > 0 && next < n) || (m.Increment < 0 && next > n) {
				resp.Error, resp.NewValue, resp.Decree = idl.StatusInvalidArgument, n, r.part.empty()
				return q.reply(out, resp)
			}
		}
		if m.ExpireTsSeconds == 0 {
			expire = old.expire()
		}
	}
	r.put(m.Key, strconv.AppendInt(nil, next, 10), expire)
	resp.NewValue, resp.Decree = next, r.part.commit()
	return q.reply(out, resp)
}
