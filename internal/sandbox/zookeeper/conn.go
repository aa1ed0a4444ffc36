package zookeeper

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// helloTimeout is how long a client may take to say which session it wants.
	helloTimeout = 10 * time.Second
	// writeTimeout ends a connection whose client has stopped reading.
	writeTimeout = 30 * time.Second
	// maxBacklog bounds in bytes what waits for a client that does not read.
	maxBacklog = 16 << 20
)

// conn is one connection. What it sends is queued, so that nobody who tells it something has to wait
// for its client.
type conn struct {
	srv  *Server
	net  net.Conn
	done chan struct{}
	once sync.Once

	// Guarded by the server's mutex.
	session *session
	ids     []ID // who the client is: its address, and what it authenticated as

	mu      sync.Mutex
	backlog []byte
	last    bool // the connection ends when the backlog is sent
	wake    chan struct{}
}

func newConn(srv *Server, nc net.Conn) *conn {
	c := &conn{srv: srv, net: nc, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.ids = []ID{{"ip", a.IP.String()}}
	}
	return c
}

// close cuts the connection at once. It may be called more than once.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.done)
		_ = c.net.Close()
	})
}

// serve reads requests until the connection ends.
func (c *conn) serve() {
	defer c.srv.forget(c)
	defer c.finish()
	in := bufio.NewReader(c.net)
	if err := c.net.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return
	}
	packet, err := readPacket(in)
	if err != nil {
		return
	}
	req, err := readConnect(packet)
	if err != nil || !c.srv.connect(c, req) {
		return
	}
	if err := c.net.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	for {
		packet, err := readPacket(in)
		if err != nil {
			return
		}
		c.srv.pause(c.srv.delay(), c)
		if !c.srv.handle(c, packet) {
			return
		}
	}
}

// errPacket says that a packet is longer than any may be, or that somebody speaks another protocol.
var errPacket = errors.New("zookeeper: packet length out of range")

func readPacket(in io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(length[:]))
	if n < 0 || n > maxPacket {
		return nil, errPacket
	}
	packet := make([]byte, n)
	_, err := io.ReadFull(in, packet)
	return packet, err
}

// send queues a packet.
func (c *conn) send(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last {
		return
	}
	if len(c.backlog)+len(packet) > maxBacklog {
		c.close()
		return
	}
	c.backlog = append(c.backlog, packet...)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// finish ends the connection when what is queued was sent.
func (c *conn) finish() {
	c.mu.Lock()
	c.last = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the connection ends.
func (c *conn) write() {
	defer c.close()
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		c.mu.Lock()
		out, last := c.backlog, c.last
		c.backlog = nil
		c.mu.Unlock()
		if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return
		}
		if _, err := c.net.Write(out); err != nil || last {
			return
		}
	}
}

// notify implements watcher.
func (c *conn) notify(e eventType, path string) {
	r := newReply(xidWatch, -1, errOK)
	r.int(int32(e))
	r.int(stateSyncConnected)
	r.string(path)
	c.send(r.packet())
}
