package zookeeper

import (
	"encoding/binary"
	"errors"
)

// errShort says that a record ends inside a value, or that a length in it makes no sense.
var errShort = errors.New("zookeeper: record cut off")

// record reads jute's binary form (org.apache.jute.BinaryInputArchive). The first failure sticks.
type record struct {
	b   []byte
	err error
}

func (r *record) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.err = errShort
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *record) int() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *record) long() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *record) bool() bool {
	b := r.take(1)
	return b != nil && b[0] != 0
}

// buffer gives nil for the length -1, which stands for null.
func (r *record) buffer() []byte {
	n := r.int()
	if n == -1 || r.err != nil {
		return nil
	}
	return append([]byte{}, r.take(int(n))...)
}

func (r *record) string() string { return string(r.buffer()) }

func (r *record) strings() []string {
	n := r.int()
	var out []string
	for range n {
		if r.err != nil {
			return nil
		}
		out = append(out, r.string())
	}
	return out
}

func (r *record) acl() []ACL {
	n := r.int()
	var out []ACL
	for range n {
		if r.err != nil {
			return nil
		}
		out = append(out, ACL{Perms: r.int(), ID: ID{Scheme: r.string(), ID: r.string()}})
	}
	return out
}

// reply builds one packet, its length in front.
type reply struct{ b []byte }

func newReply(xid int32, zxid int64, code errCode) *reply {
	r := &reply{b: make([]byte, 4, 64)}
	r.int(xid)
	r.long(zxid)
	r.int(int32(code))
	return r
}

func (r *reply) int(v int32)  { r.b = binary.BigEndian.AppendUint32(r.b, uint32(v)) }
func (r *reply) long(v int64) { r.b = binary.BigEndian.AppendUint64(r.b, uint64(v)) }

func (r *reply) bool(v bool) {
	if v {
		r.b = append(r.b, 1)
		return
	}
	r.b = append(r.b, 0)
}

func (r *reply) buffer(b []byte) {
	if b == nil {
		r.int(-1)
		return
	}
	r.int(int32(len(b)))
	r.b = append(r.b, b...)
}

func (r *reply) string(s string) {
	r.int(int32(len(s)))
	r.b = append(r.b, s...)
}

func (r *reply) strings(list []string) {
	r.int(int32(len(list)))
	for _, s := range list {
		r.string(s)
	}
}

func (r *reply) acl(list []ACL) {
	r.int(int32(len(list)))
	for _, a := range list {
		r.int(a.Perms)
		r.string(a.ID.Scheme)
		r.string(a.ID.ID)
	}
}

func (r *reply) stat(s Stat) {
	r.long(s.Czxid)
	r.long(s.Mzxid)
	r.long(s.Ctime)
	r.long(s.Mtime)
	r.int(s.Version)
	r.int(s.Cversion)
	r.int(s.Aversion)
	r.long(s.EphemeralOwner)
	r.int(s.DataLength)
	r.int(s.NumChildren)
	r.long(s.Pzxid)
}

// packet is the whole, with its length.
func (r *reply) packet() []byte {
	binary.BigEndian.PutUint32(r.b, uint32(len(r.b)-4))
	return r.b
}
