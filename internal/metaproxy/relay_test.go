package metaproxy

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between a client and a ZooKeeper server and does with one Set what networks do.
type relay struct {
	t        *testing.T
	listener net.Listener
	upstream string
	mode     relayMode
	release  chan struct{} // holdSet: closed to let the Set go on

	mu      sync.Mutex
	conns   []net.Conn
	wg      sync.WaitGroup
	sets    int
	arrived chan struct{} // a Set has come in
}

type relayMode int

const (
	passAll   relayMode = iota
	dropReply           // the Set reaches the server, the connection ends before its reply
	dropSet             // the connection ends before the Set reaches the server
	holdSet             // the client's connection ends, the Set reaches the server later
	muteSet             // the Set reaches the server, its reply never comes
)

func newRelay(t *testing.T, upstream string, mode relayMode) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, listener: l, upstream: upstream, mode: mode, release: make(chan struct{}), arrived: make(chan struct{}, 8)}
	r.wg.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

func (r *relay) close() {
	_ = r.listener.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// keep registers a connection to be closed at the end.
func (r *relay) keep(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, c)
}

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.keep(client)
		r.keep(server)
		muted := &muter{}
		r.wg.Go(func() { r.down(server, client, muted) })
		r.wg.Go(func() { r.up(client, server, muted) })
	}
}

// muter stops the way back.
type muter struct {
	mu   sync.Mutex
	on   bool
	then func()
}

// down carries replies frame by frame.
func (r *relay) down(server, client net.Conn, m *muter) {
	for {
		frame, err := readFrame(server)
		if err != nil {
			_ = client.Close()
			return
		}
		m.mu.Lock()
		on, then := m.on, m.then
		m.mu.Unlock()
		if on {
			if then != nil {
				then()
			}
			continue
		}
		if _, err := client.Write(frame); err != nil {
			return
		}
	}
}

// up carries requests frame by frame.
func (r *relay) up(client, server net.Conn, m *muter) {
	defer func() {
		if r.mode != holdSet {
			_ = server.Close()
		}
	}()
	for first := true; ; first = false {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		if first || binary.BigEndian.Uint32(frame[8:12]) != opSetData {
			if _, err := server.Write(frame); err != nil {
				return
			}
			continue
		}
		r.mu.Lock()
		r.sets++
		r.mu.Unlock()
		switch r.mode {
		case dropReply:
			m.mu.Lock()
			m.on, m.then = true, func() { _ = client.Close() }
			m.mu.Unlock()
		case muteSet:
			m.mu.Lock()
			m.on = true
			m.mu.Unlock()
		case dropSet:
			_ = client.Close()
			return
		case holdSet:
			_ = client.Close()
			r.arrived <- struct{}{}
			<-r.release
		}
		if _, err := server.Write(frame); err != nil {
			return
		}
		if r.mode == holdSet {
			return
		}
	}
}

func readFrame(c net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(head[:]))
	copy(frame, head[:])
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}
