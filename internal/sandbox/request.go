package sandbox

import (
	"bytes"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// handler executes a request and appends the whole reply frame to out. Appending
// nothing means that no reply is sent.
type handler func(q *request, out []byte) []byte

// request is one decoded request on its way through a server.
type request struct {
	idl.Request
	srv  *server
	conn *conn
	// op is the index of the handler, for the operation counters of replicas.
	op int
	// unthrottled: the request has already waited for its throttling delay.
	unthrottled bool
	// forced is a RocksDB status that a hook wants as answer, StatusOK for none.
	forced idl.Status
	// queueFor: the write waits so long between its admission and its decree.
	queueFor time.Duration
	// hook judges the reply of a request that is answered later, nil when nothing does.
	hook Hook
	// arrived is when the bytes of the request were read; detached, that it was not answered
	// with what was read with it.
	arrived  time.Time
	detached bool
	// rows is how many rows a read answers, 0 when it is not a read of many.
	rows int
	// epoch is that of the process which got the request, once it is detached.
	epoch int64
	dec   idl.Decoder
}

// detach makes the request outlive the read buffer that its frame lies in.
func (q *request) detach() *request {
	d := *q
	d.Args = bytes.Clone(q.Args)
	d.epoch = q.srv.epoch.Load()
	d.detached = true
	return &d
}

// reply appends a successful response.
func (q *request) reply(out []byte, m idl.Message) []byte {
	return idl.AppendResponse(out, q.Seq, q.Name, idl.ErrOK, m)
}

// fail appends a response that has only an error code in its header.
func (q *request) fail(out []byte, code idl.ErrorCode) []byte {
	if q.RPC != nil && q.RPC.OneWay {
		return out
	}
	return idl.AppendResponse(out, q.Seq, q.Name, code, nil)
}

// later runs h after d and sends what it appends; the request must be detached.
func (q *request) later(d time.Duration, h handler) {
	q.srv.c.after(d, func() { q.resume(h) })
}

// when runs h once until is closed and sends what it appends; the request must be
// detached.
func (q *request) when(until <-chan struct{}, h handler) {
	c := q.srv.c
	if !c.begin() {
		return
	}
	go func() {
		defer c.wg.Done()
		select {
		case <-until:
			q.resume(h)
		case <-c.done:
		}
	}()
}

// resume runs h for a request that waited. That the client has gone meanwhile does
// not stop it, as it does not stop a server; the death of the process does.
func (q *request) resume(h handler) {
	if q.srv.epoch.Load() != q.epoch {
		return
	}
	if out := q.srv.afterwards(q, nil, q.hook, h); len(out) > 0 {
		q.conn.write(out)
	}
}

// decode reads the argument; false closes the connection, since a real server
// could not make sense of such a request either.
func (q *request) decode(m idl.Message) bool {
	if err := q.DecodeArgs(&q.dec, m); err != nil {
		q.conn.close()
		return false
	}
	return true
}
