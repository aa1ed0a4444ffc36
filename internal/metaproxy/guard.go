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
)

var (
	errBarred  = errors.New("no change is sent any more")
	errForeign = errors.New("this is not ZooKeeper's protocol")
)

// guard is a connection that knows whether a Set left through it, lets one through at most, and
// takes only frames that a ZooKeeper server can have sent: the client library trusts the length in
// front of a frame, and a server of another kind on that port would end the process.
type guard struct {
	net.Conn

	mu     sync.Mutex
	began  bool // the connect request has been written
	set    bool // a Set was handed to the network
	barred bool // no Set may leave any more
	broken error

	// Only the library's reader uses what follows.
	head    [4]byte
	pending []byte // bytes of head that are not delivered yet
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
	if _, err := io.ReadFull(g.Conn, g.head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(g.head[:])
	low, high := uint32(minFrame), uint32(maxFrame)
	if !g.first {
		low, high = minFirst, maxFirst
	}
	if size < low || size > high {
		return fmt.Errorf("%w: a frame of %d bytes", errForeign, size)
	}
	g.first, g.pending, g.left = true, g.head[:], int(size)
	return nil
}
