package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// ErrNobody says that no run of the migration is under way that could be controlled.
var ErrNobody = errors.New("no run is under way that could be controlled")

// dialTime bounds the wait for a server.
const dialTime = 2 * time.Second

func dial(path string) (*net.UnixConn, error) {
	conn, err := net.DialTimeout("unix", path, dialTime)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// Ask sends one request and gives the status after it. The error is ErrNobody, a *Refusal, ctx's, or
// says what went wrong on the way; then the request may have been carried out.
func Ask(ctx context.Context, at Place, r Request) (Status, error) {
	names, err := at.sockets()
	if err != nil {
		return Status{}, err
	}
	var conn *net.UnixConn
	for _, name := range names {
		if conn, err = dial(name); err == nil {
			break
		}
		if !nobody(err) {
			return Status{}, fmt.Errorf("reach the run: %w", err)
		}
	}
	if conn == nil {
		return Status{}, ErrNobody
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	status, err := ask(conn, r)
	if ctx.Err() != nil {
		return Status{}, ctx.Err()
	}
	return status, err
}

// nobody tells that nobody listens: the socket is not there, or was left behind.
func nobody(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func ask(conn *net.UnixConn, r Request) (Status, error) {
	r.Version = Version
	data, err := json.Marshal(r)
	if err != nil {
		return Status{}, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return Status{}, err
	}
	if _, err := conn.Write(append(data, '\n')); err != nil {
		return Status{}, fmt.Errorf("ask the run: %w", err)
	}
	line, err := bufio.NewReaderSize(conn, maxLine).ReadSlice('\n')
	if err != nil {
		return Status{}, fmt.Errorf("the run did not answer: %w", err)
	}
	a, err := decodeAnswer(line)
	switch {
	case err != nil:
		return Status{}, err
	case a.Refused != nil:
		return Status{}, a.Refused
	}
	return *a.Status, nil
}
