package zookeeper

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// state waits until the client's session is in a state.
func (c *client) state(want zk.State) {
	c.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-c.events:
			if e.Type == zk.EventSession && e.State == want {
				return
			}
		case <-limit:
			c.t.Fatalf("the session was never %v", want)
		}
	}
}

// TestDownAndUp: the session and its watches outlive a server that was down, and what happened
// meanwhile is told.
func TestDownAndUp(t *testing.T) {
	s := start(t)
	c := connect(t, s.Addr())
	c.create("/a", "0", zk.WorldACL(zk.PermAll))
	c.create("/b", "0", zk.WorldACL(zk.PermAll))
	_, _, a, err := c.GetW("/a")
	if err != nil {
		t.Fatal(err)
	}
	_, _, b, err := c.GetW("/b")
	if err != nil {
		t.Fatal(err)
	}
	id := c.SessionID()
	s.Stop()
	c.state(zk.StateDisconnected)
	if s.Up() {
		t.Error("it is up")
	}
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Error("the port takes connections")
	}
	if err := s.Put("/a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if e := event(t, a); e.Type != zk.EventNodeDataChanged || e.Path != "/a" {
		t.Errorf("%+v", e)
	}
	if got := c.SessionID(); got != id || s.Sessions() != 1 {
		t.Errorf("session %d became %d, there are %d", id, got, s.Sessions())
	}
	if err := s.Put("/b", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if e := event(t, b); e.Type != zk.EventNodeDataChanged || e.Path != "/b" {
		t.Errorf("%+v", e)
	}
}

// TestExpire: a client whose session was ended learns of it, its watches end without an event of
// the node, and it gets a new session.
func TestExpire(t *testing.T) {
	s := start(t)
	c := connect(t, s.Addr())
	c.create("/a", "0", zk.WorldACL(zk.PermAll))
	if _, err := c.Create("/mine", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	_, _, a, err := c.GetW("/a")
	if err != nil {
		t.Fatal(err)
	}
	id := c.SessionID()
	if n := s.ExpireSessions(); n != 1 {
		t.Errorf("%d sessions ended", n)
	}
	if e := event(t, a); e.Type != zk.EventNotWatching || !errors.Is(e.Err, zk.ErrSessionExpired) {
		t.Errorf("%+v", e)
	}
	c.state(zk.StateExpired)
	c.state(zk.StateHasSession)
	if c.SessionID() == id {
		t.Error("the session is the same")
	}
	if _, _, ok := s.Get("/mine"); ok {
		t.Error("the ephemeral node is left")
	}
}

// TestTimeout: the session of a client that is silent ends, one that pings lives on.
func TestTimeout(t *testing.T) {
	s, err := Start(Config{MinSession: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Long enough that a busy machine does not end it, and shorter than what is waited for below.
	const lives = 2 * time.Second
	began := time.Now()
	alive, _, err := zk.Connect([]string{s.Addr()}, lives, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := alive.Create("/mine", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := binary.BigEndian.AppendUint32(nil, 44)
	hello = append(hello, make([]byte, 12)...)
	hello = binary.BigEndian.AppendUint32(hello, 1) // asks for 1 ms and gets MinSession
	hello = append(hello, make([]byte, 8)...)
	hello = binary.BigEndian.AppendUint32(hello, 16)
	hello = append(hello, make([]byte, 16)...)
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	answer, err := readPacket(conn)
	if err != nil || len(answer) != 36 || binary.BigEndian.Uint32(answer[4:]) != 200 {
		t.Fatalf("%x, %v", answer, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := readPacket(conn); err == nil {
		t.Error("the silent client was told something")
	}
	if n := s.Sessions(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	until(t, func() bool { return time.Since(began) > lives+lives/2 })
	if _, _, ok := s.Get("/mine"); !ok {
		t.Error("the node of the client that pings is gone")
	}
}

// TestTooNew: a client that has seen transactions that this server does not have is sent away.
func TestTooNew(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello := binary.BigEndian.AppendUint32(nil, 44)
	hello = append(hello, make([]byte, 44)...)
	hello[8] = 0x7f // lastZxidSeen
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := readPacket(conn); err == nil {
		t.Error("it was answered")
	}
}

func TestSetFaults(t *testing.T) {
	for _, c := range []struct {
		fate    SetFault
		done    bool
		answers bool // an error comes, at once
	}{{DropAnswer, true, true}, {LoseSet, false, true}, {MuteAnswer, true, false}, {LateSet, false, true}} {
		t.Run(string(c.fate), func(t *testing.T) {
			s := start(t)
			x := connect(t, s.Addr())
			x.create("/n", "0", zk.WorldACL(zk.PermAll))
			s.NextSet(c.fate)
			failed := make(chan error, 1)
			go func() {
				_, err := x.Set("/n", []byte("1"), 0)
				failed <- err
			}()
			if c.answers {
				if err := <-failed; !errors.Is(err, zk.ErrConnectionClosed) {
					t.Errorf("%v", err)
				}
			} else {
				until(t, func() bool { _, stat, _ := s.Get("/n"); return stat.Version == 1 })
				select {
				case err := <-failed:
					t.Errorf("an answer came: %v", err)
				default:
				}
			}
			data, stat, _ := s.Get("/n")
			if done := stat.Version == 1 && string(data) == "1"; done != c.done {
				t.Errorf("%s at version %d", data, stat.Version)
			}
			if c.fate == LateSet {
				until(t, func() bool { data, _, _ := s.Get("/n"); return string(data) == "1" })
			}
			// Only one was hit.
			y := connect(t, s.Addr())
			if _, err := y.Set("/n", []byte("2"), -1); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLateSetLosesItsRace: a compare-and-set that arrives late changes nothing once the version moved.
func TestLateSetLosesItsRace(t *testing.T) {
	s := start(t)
	x := connect(t, s.Addr())
	x.create("/n", "0", zk.WorldACL(zk.PermAll))
	s.NextSet(LateSet)
	if _, err := x.Set("/n", []byte("late"), 0); !errors.Is(err, zk.ErrConnectionClosed) {
		t.Errorf("%v", err)
	}
	if err := s.Put("/n", []byte("other")); err != nil {
		t.Fatal(err)
	}
	zxid := func() int64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.tree.zxid
	}
	before := zxid()
	until(t, func() bool { return zxid() > before })
	if data, stat, _ := s.Get("/n"); string(data) != "other" || stat.Version != 1 {
		t.Errorf("%s at version %d", data, stat.Version)
	}
}

func TestRefuseAndDelay(t *testing.T) {
	s := start(t)
	c := connect(t, s.Addr())
	c.create("/n", "0", zk.WorldACL(zk.PermAll))
	s.RefuseWrites(true)
	if _, err := c.Set("/n", []byte("1"), -1); err == nil {
		t.Error("it was written")
	}
	c.wants("/n", "0", 0)
	s.RefuseWrites(false)
	s.Delay(50 * time.Millisecond)
	began := time.Now()
	c.wants("/n", "0", 0)
	if d := time.Since(began); d < 50*time.Millisecond {
		t.Errorf("it took %v", d)
	}
	s.Delay(0)
}

func TestDirect(t *testing.T) {
	s := start(t)
	if err := s.Put("/a/b/c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put("/a/b/c", []byte("y")); err != nil {
		t.Fatal(err)
	}
	data, stat, ok := s.Get("/a/b/c")
	if !ok || string(data) != "y" || stat.Version != 1 {
		t.Errorf("%s, %+v, %v", data, stat, ok)
	}
	if got := s.Children("/a/b"); len(got) != 1 || got[0] != "c" {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"", "/", "a", "/a/"} {
		if err := s.Put(bad, nil); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
	if err := s.Remove("/a"); err == nil {
		t.Error("a parent was removed")
	}
	if err := s.Remove("/a/b/c"); err != nil {
		t.Error(err)
	}
	if err := s.SetACL("/a/b", []ACL{{PermRead, DigestID("u", "p")}}); err != nil {
		t.Error(err)
	}
	if err := s.SetACL("/none", OpenACL()); err == nil {
		t.Error("the ACL of nothing was set")
	}
	// The hash is the one that ZooKeeper's own tool prints.
	if got, want := DigestID("super", "admin").ID, "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("it did not happen")
		}
	}
}

// FuzzPackets: no bytes from outside end the server.
func FuzzPackets(f *testing.F) {
	s, err := Start(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	for op := range int32(20) {
		seed := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(op))
		f.Add(append(seed, "\x00\x00\x00\x02/a\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x1f\x00\x00\x00\x05world\x00\x00\x00\x06anyone\x00\x00\x00\x00"...))
	}
	for _, op := range []int32{opAuth, opSetWatches, opWhoAmI, opClose} {
		f.Add(append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(op)), make([]byte, 40)...))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		c := &conn{srv: s, done: make(chan struct{}), wake: make(chan struct{}, 1)}
		if !s.connect(c, connectRequest{timeout: time.Second}) {
			t.Fatal("no session")
		}
		s.handle(c, packet)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tree.forget(c)
		delete(s.sessions, c.session.id)
		for path, n := range s.tree.nodes {
			if path != "/" && (s.tree.nodes[parentOf(path)] == nil || !s.tree.nodes[parentOf(path)].children[baseOf(path)]) {
				t.Fatalf("%q hangs in the air", path)
			}
			if !validPath(path) || len(n.acl) == 0 {
				t.Fatalf("%q, %+v", path, n)
			}
		}
	})
}
