package traffic

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// codeSessionReset is what the Java client calls a connection that could not be made or was lost. It
// never travels.
const codeSessionReset idl.ErrorCode = "ERR_SESSION_RESET"

const (
	// silence is after how long of nothing but timeouts the Java client closes a connection
	// (sessionResetTimeWindowSecs, 10).
	silence = 10 * time.Second
	// maxReply bounds an answer in bytes.
	maxReply = 64 << 20
)

// javaSession is a connection to one server, made when it is needed and again when it was lost.
type javaSession struct {
	addr string
	dial time.Duration
	wg   *sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	dialling bool
	conn     net.Conn // nil while there is none
	seq      int32
	pending  map[int32]*javaCall
	waiting  []*javaCall // until there is a connection
	quiet    time.Time   // since when requests only time out; zero when one was answered
}

// javaCall is a request that waits for its answer.
type javaCall struct {
	seq   int32
	frame []byte
	done  chan javaReply // takes one
}

// javaReply is the head of an answer and its whole frame, or a code of the client's own.
type javaReply struct {
	head idl.ResponseHead
	code idl.ErrorCode
}

// call sends a request and waits for the answer until timeout. frame builds the request.
func (s *javaSession) call(timeout time.Duration, stop <-chan struct{}, frame func(seq int32) []byte) javaReply {
	c := s.enqueue(frame)
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case r := <-c.done:
		return r
	case <-t.C:
		return javaReply{code: s.timedOut(c.seq)}
	case <-stop:
		s.forget(c.seq)
		return javaReply{code: idl.ErrTimeout}
	}
}

func (s *javaSession) enqueue(frame func(seq int32) []byte) *javaCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	c := &javaCall{seq: s.seq, frame: frame(s.seq), done: make(chan javaReply, 1)}
	if s.closed {
		c.done <- javaReply{code: codeSessionReset}
		return c
	}
	s.pending[c.seq] = c
	if s.conn != nil {
		s.write(s.conn, c)
		return c
	}
	s.waiting = append(s.waiting, c)
	if !s.dialling {
		s.dialling = true
		s.wg.Go(s.connect)
	}
	return c
}

// write needs mu. A connection that does not take it is lost, which its reader notices.
func (s *javaSession) write(conn net.Conn, c *javaCall) {
	_ = conn.SetWriteDeadline(time.Now().Add(s.dial))
	if _, err := conn.Write(c.frame); err != nil {
		_ = conn.Close()
	}
}

func (s *javaSession) connect() {
	conn, err := net.DialTimeout("tcp", s.addr, s.dial)
	s.mu.Lock()
	s.dialling = false
	if err != nil || s.closed {
		if err == nil {
			_ = conn.Close()
		}
		s.reset()
		s.mu.Unlock()
		return
	}
	s.conn, s.quiet = conn, time.Time{}
	for _, c := range s.waiting {
		if s.pending[c.seq] != nil {
			s.write(conn, c)
		}
	}
	s.waiting = nil
	s.mu.Unlock()
	s.read(conn)
}

// read hands answers out until the connection ends.
func (s *javaSession) read(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		head, err := readReply(in)
		s.mu.Lock()
		if err != nil {
			_ = conn.Close()
			s.reset()
			s.mu.Unlock()
			return
		}
		s.quiet = time.Time{}
		if c := s.pending[head.Seq]; c != nil {
			delete(s.pending, head.Seq)
			c.done <- javaReply{head: head, code: head.Code}
		}
		s.mu.Unlock()
	}
}

func readReply(in io.Reader) (idl.ResponseHead, error) {
	var prefix [idl.ResponsePrefix]byte
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return idl.ResponseHead{}, err
	}
	n, err := idl.ResponseLength(prefix[:])
	if err != nil || n > maxReply {
		return idl.ResponseHead{}, idl.ErrMalformed
	}
	frame := make([]byte, n)
	copy(frame, prefix[:])
	if _, err := io.ReadFull(in, frame[len(prefix):]); err != nil {
		return idl.ResponseHead{}, err
	}
	return idl.DecodeResponseHead(frame)
}

// reset needs mu: the connection is lost, and with it everything that waits.
func (s *javaSession) reset() {
	s.conn, s.waiting = nil, nil
	for seq, c := range s.pending {
		delete(s.pending, seq)
		c.done <- javaReply{code: codeSessionReset}
	}
}

func (s *javaSession) forget(seq int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, seq)
}

// timedOut tells what a request that was not answered ends with: the connection is given up when it
// has been silent for too long.
func (s *javaSession) timedOut(seq int32) idl.ErrorCode {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, seq)
	switch {
	case s.quiet.IsZero():
		s.quiet = time.Now()
	case time.Since(s.quiet) >= silence && s.conn != nil:
		s.quiet = time.Time{}
		_ = s.conn.Close() // its reader resets the rest
		return codeSessionReset
	}
	return idl.ErrTimeout
}

func (s *javaSession) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// frameV1 is a request with a header of version 1, as the Java client sends it
// (ThriftHeader, request_meta.thrift).
func frameV1(h idl.RequestHeader, name string, seq int32, req idl.Message) []byte {
	const headerV0, headerV1 = 48, 16
	body := idl.AppendRequest(nil, h, name, seq, req)[headerV0:]
	var meta []byte
	i32 := func(id uint16, v uint32) {
		meta = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(append(meta, 8), id), v)
	}
	i32(1, uint32(h.Gpid.AppID))
	i32(2, uint32(h.Gpid.Partition))
	i32(3, h.TimeoutMs)
	meta = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(append(meta, 10), 4), h.PartitionHash)
	meta = append(meta, 2, 0, 5, 0) // is_backup_request: false
	meta = append(meta, 0)
	b := make([]byte, 0, headerV1+len(meta)+len(body))
	b = append(b, "THFT\x00\x00\x00\x01"...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(meta)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(append(b, meta...), body...)
}
