package zookeeper

import (
	"bytes"
	"crypto/rand"
	"time"
)

// session is a client's session; it outlives connections. The server's mutex guards it.
type session struct {
	id       int64
	password []byte
	timeout  time.Duration
	deadline time.Time
	conn     *conn // nil while the client is away
}

func (x *session) touch(now time.Time) { x.deadline = now.Add(x.timeout) }

// connectRequest is the first packet of a connection.
type connectRequest struct {
	lastZxid int64
	timeout  time.Duration
	session  int64
	password []byte
	// old clients send no read-only flag and expect none.
	old bool
}

func readConnect(packet []byte) (connectRequest, error) {
	r := record{b: packet}
	r.int() // protocol version, 0
	req := connectRequest{lastZxid: r.long(), timeout: time.Duration(r.int()) * time.Millisecond, session: r.long(), password: r.buffer()}
	req.old = len(r.b) == 0
	return req, r.err
}

// connect gives a connection its session, a new one or the one that the client had, and answers. ok
// is false when the connection has to end: a client that has seen a later transaction than there is
// gets no answer, one whose session is over is told so (ZooKeeperServer.processConnectRequest).
func (s *Server) connect(c *conn, req connectRequest) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || req.lastZxid > s.tree.zxid {
		return false
	}
	var x *session
	if req.session == 0 {
		x = s.newSession(req.timeout)
	} else if known := s.sessions[req.session]; known != nil && bytes.Equal(known.password, req.password) {
		x = known
		x.timeout = s.negotiated(req.timeout)
		if x.conn != nil {
			x.conn.close() // the client has come by another way
		}
	}
	answer := &reply{b: make([]byte, 4, 64)}
	answer.int(0)
	if x == nil {
		answer.int(0)
		answer.long(0)
		answer.buffer(make([]byte, passwordLength))
	} else {
		x.conn, c.session = c, x
		x.touch(s.cfg.Now())
		answer.int(int32(x.timeout / time.Millisecond))
		answer.long(x.id)
		answer.buffer(x.password)
	}
	if !req.old {
		answer.bool(false)
	}
	c.send(answer.packet())
	return x != nil
}

// negotiated is the timeout that a client gets.
func (s *Server) negotiated(asked time.Duration) time.Duration {
	return min(max(asked, s.cfg.MinSession), s.cfg.MaxSession)
}

// newSession needs mu.
func (s *Server) newSession(timeout time.Duration) *session {
	x := &session{id: s.tree.next() | s.cfg.Now().UnixMilli()<<40&(1<<62-1), password: make([]byte, passwordLength), timeout: s.negotiated(timeout)}
	_, _ = rand.Read(x.password) // never fails
	s.sessions[x.id] = x
	return x
}

// endSession needs mu. The nodes that belong to the session go.
func (s *Server) endSession(x *session) {
	delete(s.sessions, x.id)
	s.tree.endSession(x.id)
}

// watchSessions ends sessions whose clients have been silent for too long.
func (s *Server) watchSessions() {
	tick := time.NewTicker(max(s.cfg.MinSession/looksPerTimeout, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.expire(func(x *session) bool { return s.cfg.Now().After(x.deadline) })
		case <-s.done:
			return
		}
	}
}

// expire ends sessions and cuts their connections. While the server is down none ends.
func (s *Server) expire(which func(*session) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln == nil {
		return 0
	}
	for _, x := range s.sessions {
		if !which(x) {
			continue
		}
		n++
		s.endSession(x)
		if x.conn != nil {
			x.conn.close()
		}
	}
	return n
}

// ExpireSessions ends every session, as if no client had been heard of for too long, and tells how
// many there were. Clients learn of it when they connect again.
func (s *Server) ExpireSessions() int { return s.expire(func(*session) bool { return true }) }

// Sessions is how many sessions there are.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
