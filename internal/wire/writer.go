package wire

import (
	"net"
	"runtime"
	"time"
)

// writeLoop writes what calls have encoded, as much as there is at a time, until
// the link dies.
func (l *link) writeLoop(nc net.Conn) {
	var buf []byte
	for {
		buf = l.takeOut(buf)
		if buf == nil {
			return
		}
		if err := nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			l.fail(err)
			return
		}
		if _, err := nc.Write(buf); err != nil {
			l.fail(err)
			return
		}
	}
}

// takeOut hands written back as the next buffer and waits for bytes to write; nil
// means that the link is dead.
func (l *link) takeOut(written []byte) []byte {
	l.mu.Lock()
	// A buffer that one huge request has blown up is let go.
	if written != nil && cap(written) <= keepBuffer && l.err == nil {
		l.spare = written[:0]
	}
	for len(l.out) == 0 {
		if l.err != nil {
			l.mu.Unlock()
			return nil
		}
		l.resting = true
		l.mu.Unlock()
		select {
		case <-l.wake:
		case <-l.dead:
			return nil
		}
		// The caller that woke us rarely comes alone. Letting it go on first turns
		// many small writes into one; with nobody else to run this costs nothing.
		runtime.Gosched()
		l.mu.Lock()
	}
	buf := l.out
	l.out, l.spare = l.spare, nil
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
	l.mu.Unlock()
	return buf
}
