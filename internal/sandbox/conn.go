package sandbox

import (
	"net"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

const (
	// requestMagic starts every request frame.
	requestMagic = "THFT"
	// readBuffer is the size of a connection's buffer in bytes; it grows for larger
	// frames.
	readBuffer = 256 << 10
	// flushAt is how many bytes of replies are gathered before they are sent even
	// though more requests are waiting.
	flushAt = 256 << 10
	// keepBuffer is the largest buffer of replies that is kept, in bytes: pages of large values
	// would make a new one grow each time.
	keepBuffer = 16 << 20
	// maxRequest bounds a request frame in bytes. Servers refuse writes above 1 MiB
	// with an error, so larger frames have to be read.
	maxRequest = 64 << 20
	// writeTimeout ends a connection whose client stopped reading.
	writeTimeout = 30 * time.Second
)

// conn is one accepted connection. Its goroutine reads many frames at once, handles
// them in place and sends their replies together: a system call per request is what
// a sandbox would spend most of its time on.
type conn struct {
	srv  *server
	net  net.Conn
	done chan struct{} // closed when the connection is

	once sync.Once
	wmu  sync.Mutex // one write at a time; delayed replies come from elsewhere
}

func newConn(srv *server, nc net.Conn) *conn {
	return &conn{srv: srv, net: nc, done: make(chan struct{})}
}

// close ends the connection; a reader blocked in it returns.
func (cn *conn) close() {
	cn.once.Do(func() {
		close(cn.done)
		_ = cn.net.Close() // nothing depends on how a connection of a sandbox ends
	})
}

// write sends whole reply frames.
func (cn *conn) write(b []byte) {
	cn.wmu.Lock()
	defer cn.wmu.Unlock()
	if err := cn.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		cn.close()
		return
	}
	if _, err := cn.net.Write(b); err != nil {
		cn.close()
	}
}

// serve reads and handles frames until the connection ends.
func (cn *conn) serve() {
	defer cn.close()
	buf := make([]byte, readBuffer)
	q := &request{srv: cn.srv, conn: cn}
	var out []byte
	filled := 0
	for {
		n, err := cn.net.Read(buf[filled:])
		if err != nil {
			return
		}
		filled += n
		q.arrived = cn.srv.c.now()
		var used, need int
		out, used, need = cn.handleAll(q, buf[:filled], out)
		if need < 0 {
			cn.flush(out)
			return
		}
		if out = cn.flush(out); cn.closed() {
			return
		}
		filled = copy(buf, buf[used:filled])
		if need > len(buf) {
			grown := make([]byte, need)
			copy(grown, buf[:filled])
			buf = grown
		}
	}
}

// flush sends out and returns it empty, or drops a buffer that one huge reply made
// too large to keep.
func (cn *conn) flush(out []byte) []byte {
	if len(out) == 0 {
		return out
	}
	cn.write(out)
	if cap(out) > keepBuffer {
		return nil
	}
	return out[:0]
}

func (cn *conn) closed() bool {
	select {
	case <-cn.done:
		return true
	default:
		return false
	}
}

// handleAll handles every whole frame in data. used is how many bytes that were,
// need the size of the frame that is not whole yet, -1 when the bytes make no sense
// or an HTTP request took over the connection.
func (cn *conn) handleAll(q *request, data, out []byte) (_ []byte, used, need int) {
	for used < len(data) {
		rest := data[used:]
		if used == 0 && len(out) == 0 && len(rest) >= len(requestMagic) && string(rest[:len(requestMagic)]) != requestMagic {
			cn.srv.serveOther(cn, rest)
			return out, used, -1
		}
		if len(rest) < idl.RequestPrefix {
			break
		}
		size, err := idl.RequestLength(rest)
		if err != nil || size > maxRequest {
			return out, used, -1
		}
		if size > len(rest) {
			return out, used, size
		}
		if q.Request, err = idl.DecodeRequest(rest[:size]); err != nil {
			return out, used, -1
		}
		out = cn.srv.dispatch(q, out)
		used += size
		if cn.closed() {
			return out, used, -1
		}
		if len(out) > flushAt {
			out = cn.flush(out)
		}
	}
	return out, used, 0
}
