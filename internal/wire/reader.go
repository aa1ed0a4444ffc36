package wire

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

const (
	// readBuffer holds many small replies, e.g. 500 of puts.
	readBuffer = 64 << 10
	// minFrame is a reply with an empty code and an empty name: its length, two
	// string lengths, the message version and the sequence id.
	minFrame = 20
	// maxHead bounds what stands in front of a reply's body; real ones have about
	// 60 bytes. It must fit into readBuffer.
	maxHead = 1 << 10
	// growStep is the first buffer for a large frame whose length is only announced.
	growStep = 1 << 20
)

// reader takes the replies of one link apart.
type reader struct {
	l      *link
	src    io.Reader
	buf    []byte
	lo, hi int // buf[lo:hi] is not taken yet
	dec    idl.Decoder
}

// readLoop runs until the source or a reply fails, and ends the link with that.
func (l *link) readLoop(src io.Reader) {
	r := &reader{l: l, src: src, buf: make([]byte, readBuffer)}
	for {
		if err := r.frame(); err != nil {
			l.fail(err)
			return
		}
	}
}

// frame reads one reply and ends its call.
func (r *reader) frame() error {
	if err := r.fill(4); err != nil {
		return err
	}
	n := int(int32(binary.BigEndian.Uint32(r.buf[r.lo:])))
	switch {
	case n < minFrame:
		return fmt.Errorf("%w: reply of %d bytes announced, starts with %q", ErrProtocol, n, r.buf[r.lo:min(r.hi, r.lo+16)])
	case n > r.l.maxFrame:
		return fmt.Errorf("%w, %w: %d bytes announced, limit is %d, starts with %q", ErrProtocol, ErrFrameTooLarge,
			n, r.l.maxFrame, r.buf[r.lo:min(r.hi, r.lo+16)])
	}
	if n <= len(r.buf) {
		if err := r.fill(n); err != nil {
			return err
		}
		frame := r.buf[r.lo : r.lo+n : r.lo+n]
		r.lo += n
		return r.reply(frame, false)
	}
	return r.large(n)
}

// large reads a reply that does not fit into the buffer, straight into the buffer
// that its call brought, if that is large enough.
func (r *reader) large(n int) error {
	if err := r.fill(maxHead); err != nil {
		return err
	}
	h, err := parseHead(r.buf[r.lo:r.hi])
	if err != nil {
		return err
	}
	frame := r.l.lendFrame(h.seq)
	if cap(frame) < n {
		frame = make([]byte, 0, min(n, growStep))
	}
	have := copy(frame[:min(n, cap(frame))], r.buf[r.lo:r.hi])
	r.lo += have
	for {
		end := min(n, cap(frame))
		frame = frame[:end]
		if _, err := io.ReadFull(r.src, frame[have:]); err != nil {
			return unexpected(err)
		}
		r.l.lastRead.Store(r.l.now())
		if end == n {
			return r.reply(frame, true)
		}
		have = end
		frame = append(make([]byte, 0, min(n, 2*end)), frame...)
	}
}

// fill makes at least n bytes available; n is at most len(r.buf).
func (r *reader) fill(n int) error {
	if r.hi-r.lo >= n {
		return nil
	}
	if r.lo == r.hi {
		r.lo, r.hi = 0, 0
	} else if len(r.buf)-r.lo < n {
		r.hi = copy(r.buf, r.buf[r.lo:r.hi])
		r.lo = 0
	}
	inside := r.hi > r.lo
	for r.hi-r.lo < n {
		m, err := r.src.Read(r.buf[r.hi:])
		r.hi += m
		r.l.lastRead.Store(r.l.now())
		if err != nil && r.hi-r.lo < n {
			if inside || r.hi > r.lo {
				return unexpected(err)
			}
			return err
		}
	}
	return nil
}

// unexpected names an end of input in the middle of a reply as such.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// reply ends the call that a whole frame belongs to. own tells that the frame is
// not part of the reader's buffer. Its errors end the link.
func (r *reader) reply(frame []byte, own bool) error {
	h, err := parseHead(frame)
	if err != nil {
		return err
	}
	r.l.mu.Lock()
	c := r.l.calls.take(h.seq)
	known := h.seq > 0 && (h.seq <= r.l.seq || r.l.wrapped)
	r.l.mu.Unlock()
	if c == nil {
		if !known {
			return fmt.Errorf("%w: reply %q to call %d, which was never made", ErrProtocol, h.name, h.seq)
		}
		// Late: its call has timed out or was given up.
		return nil
	}
	if !h.answers(c.RPC.Name) {
		err := fmt.Errorf("%w: call %d was %s, the reply is %q", ErrProtocol, h.seq, c.RPC.Name, h.name)
		finish(c, &ReplyError{RPC: c.name(), Addr: r.l.addr, Err: err})
		return err
	}
	r.l.answered.Store(true)
	c.replied = true
	if r.l.observe != nil && !c.waited {
		r.l.observe(Point{RPC: c.name(), Addr: r.l.addr, Phase: AfterReply, Control: control(c.RPC)})
	}
	if !h.ok {
		finish(c, &HeaderError{RPC: c.name(), Addr: r.l.addr, Code: idl.ErrorCode(h.code)})
		return nil
	}
	if c.OwnFrame {
		if !own {
			frame = append(c.Frame[:0], frame...)
		}
		c.Frame = frame
	}
	if c.Resp != nil {
		result := idl.ResponseHead{Code: idl.ErrOK, Result: frame[h.size:]}
		if err := result.DecodeResult(&r.dec, c.Resp); err != nil {
			finish(c, &ReplyError{RPC: c.name(), Addr: r.l.addr, Err: err})
			return err
		}
	}
	finish(c, nil)
	return nil
}

// lendFrame takes the frame buffer of a call that still waits; the call no longer
// has it, because it may time out while the reader fills the buffer.
func (l *link) lendFrame(seq int32) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.calls.get(seq)
	if c == nil || !c.OwnFrame {
		return nil
	}
	frame := c.Frame
	c.Frame = nil
	return frame
}
