package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

const (
	// fresh ends the name that a socket is made under, before its mode is set.
	fresh = ".new"
	// patience bounds how long one request may take to come and its answer to go.
	patience = 5 * time.Second
	// callers bounds the connections at a time.
	callers = 8
	// socketPerm is the mode of sockets.
	socketPerm = 0o600
)

// ErrServed says that another process serves the socket of this migration.
var ErrServed = errors.New("another run of this migration can be controlled already")

// Server answers requests for one run.
type Server struct {
	run      Run
	pacer    *pace.Pacer
	place    Place
	path     string
	made     os.FileInfo // the socket, to remove no other one
	listener *net.UnixListener
	slots    chan struct{}
	ended    sync.WaitGroup

	mu     sync.Mutex
	conns  map[*net.UnixConn]bool
	closed bool
}

// Serve makes the socket and answers until Close. The caller should hold the lock of the state: of two
// runs that begin at the same moment without one, the later gets the socket. ErrServed means that
// somebody answers there.
func Serve(at Place, run Run, pacer *pace.Pacer) (*Server, error) {
	names, err := at.sockets()
	if err == nil {
		for _, name := range names {
			if conn, err := dial(name); err == nil {
				_ = conn.Close()
				return nil, ErrServed
			}
		}
	}
	s := &Server{run: run, pacer: pacer, place: at, slots: make(chan struct{}, callers), conns: map[*net.UnixConn]bool{}}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	s.ended.Go(s.accept)
	return s, nil
}

// listen makes the socket beside the state, or where the record says then.
func (s *Server) listen() error {
	direct, err := s.place.direct()
	if err != nil {
		return err
	}
	if fits(direct) {
		if err = s.bind(direct); err == nil {
			if err := os.Remove(s.place.record()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				_ = s.Close()
				return err
			}
			return nil
		}
	}
	short, shortErr := s.place.short()
	if shortErr != nil {
		return errors.Join(err, shortErr)
	}
	if shortErr := s.bind(short); shortErr != nil {
		return errors.Join(err, shortErr)
	}
	if err := s.place.write(short); err != nil {
		_ = s.Close()
		return err
	}
	return nil
}

// bind makes the socket under another name, sets its mode and puts it into place, where only a socket
// that nobody serves may be.
func (s *Server) bind(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way: it is no socket", path)
	}
	made := path + fresh
	if info, err := os.Lstat(made); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(made); err != nil {
			return err
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return err
	}
	listener.SetUnlinkOnClose(false)
	if err = os.Chmod(made, socketPerm); err == nil {
		s.made, err = os.Lstat(made)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return errors.Join(err, listener.Close(), os.Remove(made))
	}
	s.listener, s.path = listener, path
	return nil
}

// Path is the name of the socket.
func (s *Server) Path() string { return s.path }

// accept serves callers until the listener is closed.
func (s *Server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		select {
		case s.slots <- struct{}{}:
		default:
			_ = conn.Close() // more at once than any operator makes
			continue
		}
		if !s.keep(conn) {
			return
		}
		s.ended.Go(func() {
			defer func() { <-s.slots }()
			defer s.drop(conn)
			s.serve(conn)
		})
	}
}

func (s *Server) keep(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *Server) drop(conn *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	_ = conn.Close()
}

// serve answers one caller's requests.
func (s *Server) serve(conn *net.UnixConn) {
	if !samePeer(conn) {
		return
	}
	lines := bufio.NewReaderSize(conn, maxLine)
	for {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return
		}
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		data, err := json.Marshal(s.answer(line))
		if err != nil {
			return
		}
		if _, err := conn.Write(append(data, '\n')); err != nil {
			return
		}
	}
}

// answer carries one request out.
func (s *Server) answer(line []byte) Answer {
	r, refused := decodeRequest(line)
	if refused == nil {
		refused = carryOut(s.pacer, r)
	}
	if refused != nil {
		return Answer{Version: Version, Refused: refused}
	}
	return Answer{Version: Version, Status: statusOf(s.run, s.pacer.State())}
}

// Close ends the server and removes the socket. What was set stays in force, but a pause ends: nobody
// could end it any more.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	err := s.listener.Close()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.ended.Wait()
	s.pacer.Set(func(l *pace.Limits) { l.Paused = false })
	if now, gone := os.Lstat(s.path); gone == nil && os.SameFile(now, s.made) {
		err = errors.Join(err, os.Remove(s.path))
		if direct, _ := s.place.direct(); s.path != direct {
			err = errors.Join(err, os.Remove(s.place.record()))
		}
	}
	return err
}
