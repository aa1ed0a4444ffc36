package metaproxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// frame puts a length in front.
func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// greeting is a server's answer to a connect request.
func greeting(millis uint32, id uint64, password int) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0)
	b = binary.BigEndian.AppendUint32(b, millis)
	b = binary.BigEndian.AppendUint64(b, id)
	b = binary.BigEndian.AppendUint32(b, uint32(password))
	return append(b, make([]byte, password+1)...)
}

// through reads everything that a guard lets through of what a server sends.
func through(t *testing.T, sent []byte) ([]byte, error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		_, _ = server.Write(sent)
		_ = server.Close()
	}()
	g := &guard{Conn: client}
	var got []byte
	for buf := make([]byte, 7); ; {
		n, err := g.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			if g.why() == nil {
				t.Error("the connection says that it works")
			}
			return got, err
		}
	}
}

func TestFramesOfAServer(t *testing.T) {
	good := frame(greeting(4000, 7, 16))
	sent := append(append([]byte{}, good...), frame(make([]byte, 300))...)
	sent = append(sent, frame(make([]byte, minFrame))...)
	if got, err := through(t, sent); !errors.Is(err, io.EOF) || string(got) != string(sent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(sent), err)
	}
	for name, bad := range map[string][]byte{
		"HTTP":               []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"short":              frame(make([]byte, minFirst-1)),
		"long":               frame(make([]byte, maxFirst+1)),
		"no time-out":        frame(greeting(0, 7, 16)),
		"a negative one":     frame(greeting(1<<31, 7, 16)),
		"no session":         frame(greeting(4000, 0, 16)),
		"another password":   frame(greeting(4000, 7, 17)),
		"a length of 0":      append(append([]byte{}, good...), frame(nil)...),
		"no room for a head": append(append([]byte{}, good...), frame(make([]byte, minFrame-1))...),
		"a huge one":         append(append([]byte{}, good...), 0xff, 0xff, 0xff, 0xff),
	} {
		if _, err := through(t, bad); !errors.Is(err, errForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := through(t, good[:20]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
}

// TestOneSetPerConnection: a Set is counted before it is written, and none passes after bar.
func TestOneSetPerConnection(t *testing.T) {
	set := frame(append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), opSetData), "rest"...))
	get := frame(append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 2), 4), "rest"...))
	open := func() *guard {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		go func() { _, _ = io.Copy(io.Discard, server) }()
		return &guard{Conn: client}
	}
	write := func(g *guard, p []byte) error {
		_, err := g.Write(p)
		return err
	}
	// A connect request may have a Set's number in that place.
	g := open()
	if err := write(g, set); err != nil || g.set {
		t.Fatal(err)
	}
	if err := errors.Join(write(g, get), write(g, set), write(g, get)); err != nil {
		t.Fatal(err)
	}
	if err := write(g, set); !errors.Is(err, errBarred) {
		t.Errorf("a second Set: %v", err)
	}
	if !g.bar() {
		t.Error("it does not know that a Set left")
	}
	g = open()
	if err := write(g, get); err != nil || g.bar() {
		t.Errorf("%v", err)
	}
	if err := write(g, set); !errors.Is(err, errBarred) || g.bar() {
		t.Errorf("a Set behind the bar: %v", err)
	}
}
