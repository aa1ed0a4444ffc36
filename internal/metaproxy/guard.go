package metaproxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// opSetData is ZooKeeper's number of a Set (ZooDefs.OpCode).
const opSetData = 5

// Sizes of frames that a ZooKeeper server can send. The answer to a connect request has 36 or 37
// bytes, any other begins with a header of 16; a znode has at most 1 MiB.
const (
	minFirst, maxFirst = 36, 1024
	minFrame, maxFrame = 16, 2 << 20
	// minTimeout is far below what a server can be made to give, in milliseconds.
	minTimeout = 50
)

var (
	errBarred  = errors.New("no change is sent any more")
	errForeign = errors.New("this is not ZooKeeper's protocol")
)

// guard is a connection that knows whether a Set left through it, lets one through at most, and
// takes only frames that a ZooKeeper server can have sent: the client library trusts the length in
// front of a frame and the time-out in the first one, and a server of another kind on that port would
// end the process.
type guard struct {
	net.Conn

	mu     sync.Mutex
	began  bool // the connect request has been written
	set    bool // a Set was handed to the network
	barred bool // no Set may leave any more
	broken error

	// Only the library's reader uses what follows.
	pending []byte // bytes that are read and not delivered yet
	left    int    // bytes of the frame's body that are not delivered yet
	first   bool   // the first frame is behind us
}

// bar lets no Set through from now on and tells whether one went through before.
func (g *guard) bar() (sent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.barred = true
	return g.set
}

// why is the first failure of the connection, nil while it works.
func (g *guard) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.broken
}

func (g *guard) fail(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken == nil {
		g.broken = err
	}
	return err
}

// Write implements net.Conn. The library writes each packet with one call: length, xid, opcode.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	if g.began && len(p) >= 12 && binary.BigEndian.Uint32(p[8:12]) == opSetData {
		if g.barred {
			g.mu.Unlock()
			return 0, errBarred
		}
		g.set, g.barred = true, true
	}
	g.began = true
	g.mu.Unlock()
	n, err := g.Conn.Write(p)
	if err != nil {
		return n, g.fail(err)
	}
	return n, nil
}

// Read implements net.Conn. It never gives bytes of two frames at once.
func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.pending) == 0 && g.left == 0 {
		if err := g.nextFrame(); err != nil {
			return 0, g.fail(err)
		}
	}
	if len(g.pending) > 0 {
		n := copy(p, g.pending)
		g.pending = g.pending[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.left)])
	g.left -= n
	if err != nil {
		return n, g.fail(err)
	}
	return n, nil
}

func (g *guard) nextFrame() error {
	if !g.first {
		return g.greeting()
	}
	var head [4]byte
	if _, err := io.ReadFull(g.Conn, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < minFrame || size > maxFrame {
		return fmt.Errorf("%w: a frame of %d bytes", errForeign, size)
	}
	g.pending, g.left = head[:], int(size)
	return nil
}

// greeting reads the answer to the connect request whole: length, protocol version, time-out in
// milliseconds, session id, password. The library pings in thirds of the time-out and panics on 0. A
// connection that a machine made to itself, which happens when nobody listens on a loopback port,
// gives our own request back, whose bytes in that place are 0. Session 0 is an expired one, and there
// is none that we could take up again.
func (g *guard) greeting() error {
	head := make([]byte, 4, 4+maxFirst)
	if _, err := io.ReadFull(g.Conn, head); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head)
	if size < minFirst || size > maxFirst {
		return fmt.Errorf("%w: a greeting of %d bytes", errForeign, size)
	}
	frame := head[:4+size]
	if _, err := io.ReadFull(g.Conn, frame[4:]); err != nil {
		return err
	}
	millis, id, password := int32(binary.BigEndian.Uint32(frame[8:])), binary.BigEndian.Uint64(frame[12:]), binary.BigEndian.Uint32(frame[20:])
	if millis < minTimeout || id == 0 || password != 16 {
		return fmt.Errorf("%w: session %#x with a time-out of %d ms", errForeign, id, millis)
	}
	g.first, g.pending = true, frame
	return nil
}
