package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

func ptr(n int64) *int64 { return &n }

// folder is a state folder.
func folder(t *testing.T) Place {
	t.Helper()
	return Place{Dir: t.TempDir(), Name: "orders"}
}

func serve(t *testing.T, at Place, p *pace.Pacer) *Server {
	t.Helper()
	s, err := Serve(at, Run{Migration: "orders", Command: "apply", PID: 7, Since: time.Unix(1000, 0).UTC()}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestCommands(t *testing.T) {
	at, p := folder(t), pace.New(pace.Limits{RowsPerSecond: 1000, InFlight: 50}, pace.Options{})
	s := serve(t, at, p)
	info, err := os.Stat(s.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	ask := func(r Request) (Status, error) { return Ask(t.Context(), at, r) }
	got, err := ask(Request{Command: CommandStatus})
	if err != nil || got.Migration != "orders" || got.PID != 7 || got.Declared.RowsPerSecond != 1000 || got.InForce.InFlight != 50 || got.Share != 1 || got.Paused {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = ask(Request{Command: CommandPause}); err != nil || !got.Paused || got.Limit != "paused" || len(got.Held) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if p.TryDraw(1, 1) {
		t.Error("drawn while paused")
	}
	got, err = ask(Request{Command: CommandSet, Set: Settings{RowsPerSecond: ptr(10), BytesPerSecond: ptr(500)}})
	if err != nil || !got.Paused || got.InForce != (Limits{10, 500, 50}) || got.Asked != (Limits{RowsPerSecond: 10, BytesPerSecond: 500}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = ask(Request{Command: CommandResume}); err != nil || got.Paused || got.Reason == "" || got.Since.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = ask(Request{Command: CommandSet, Set: Settings{RowsPerSecond: ptr(0), BytesPerSecond: ptr(0)}}); err != nil || got.InForce != got.Declared {
		t.Errorf("%+v, %v", got, err)
	}
	for kind, set := range map[Kind][]Settings{
		KindDeclared: {{RowsPerSecond: ptr(1001)}, {InFlight: ptr(51)}, {RowsPerSecond: ptr(5), InFlight: ptr(500)}},
		KindValue:    {{RowsPerSecond: ptr(-1)}, {BytesPerSecond: ptr(-5)}, {InFlight: ptr(1 << 17)}},
		KindRequest:  {{}},
	} {
		for _, one := range set {
			var refused *Refusal
			if _, err := ask(Request{Command: CommandSet, Set: one}); !errors.As(err, &refused) || refused.Kind != kind {
				t.Errorf("%+v: %v, want %s", one, err, kind)
			}
		}
	}
	if s := p.State(); s.RowsPerSecond != 1000 || s.InFlight != 50 {
		t.Errorf("a refused request changed something: %+v", s)
	}
}

func TestNobody(t *testing.T) {
	at := folder(t)
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
	s := serve(t, at, pace.New(pace.Limits{Paused: true}, pace.Options{}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.pacer.State().Asked.Paused {
		t.Error("still paused, and nobody could resume")
	}
	if _, err := os.Lstat(s.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
}

// A socket that a killed run left is replaced, one that is served is not, and other files are kept.
func TestWhatIsInTheWay(t *testing.T) {
	at := folder(t)
	path, err := at.direct()
	if err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
	s := serve(t, at, nil)
	if _, err := Serve(at, Run{}, nil); !errors.Is(err, ErrServed) {
		t.Error(err)
	}
	// Somebody else's socket in our place is not ours to remove.
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	other := serve(t, at, nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); err != nil {
		t.Error(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, at, nil) // elsewhere
	if text, err := os.ReadFile(path); err != nil || string(text) != "notes" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); err == nil || errors.Is(err, ErrNobody) {
		t.Logf("a plain file where the socket belongs: %v", err)
	}
}

// A folder whose name is too long for a socket has a record of where the socket is.
func TestLongFolder(t *testing.T) {
	at := folder(t)
	at.Dir = filepath.Join(at.Dir, strings.Repeat("long", 30))
	if err := os.MkdirAll(at.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := serve(t, at, pace.New(pace.Limits{}, pace.Options{}))
	if strings.HasPrefix(s.Path(), at.Dir) || len(s.Path()) > maxPath {
		t.Errorf("socket at %s", s.Path())
	}
	if info, err := os.Stat(filepath.Dir(s.Path())); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Ask(t.Context(), at, Request{Command: CommandPause}); err != nil {
		t.Error(err)
	}
	if _, err := Serve(at, Run{}, nil); !errors.Is(err, ErrServed) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(at.record()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the record is still there: %v", err)
	}
	for _, text := range []string{"", "{", `{"version":2,"socket":"/tmp/x"}`, `{"version":1,"socket":"x"}`} {
		if err := os.WriteFile(at.record(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); err == nil || errors.Is(err, ErrNobody) {
			t.Errorf("record %q: %v", text, err)
		}
	}
	serve(t, at, nil) // an unreadable record is written anew
	if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); err != nil {
		t.Error(err)
	}
}

// Whatever a caller sends, the next one is served.
func TestUnkindCallers(t *testing.T) {
	at := folder(t)
	s := serve(t, at, pace.New(pace.Limits{}, pace.Options{}))
	var silent []*net.UnixConn
	for range callers { // take every slot and say nothing
		conn, err := dial(s.Path())
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	for _, conn := range silent {
		conn.Close()
	}
	for _, text := range []string{"\n", "{}\n", "[]\n", "null\n", strings.Repeat("x", 2*maxLine) + "\n", `{"version":1,"command":"status"} {}` + "\n",
		`{"version":9,"command":"status"}` + "\n", `{"version":1,"command":"explode"}` + "\n", `{"version":1,"command":"pause","set":{"in_flight":1}}` + "\n",
		`{"version":1,"command":"set","set":{"rows":1}}` + "\n"} {
		conn := awaitSlot(t, s)
		if _, err := conn.Write([]byte(text)); err == nil {
			line, err := bufio.NewReader(conn).ReadBytes('\n')
			var a Answer
			if err == nil && (json.Unmarshal(line, &a) != nil || a.Refused == nil || a.Refused.Kind != KindRequest) {
				t.Errorf("%.40q: %s", text, line)
			}
		}
		conn.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := Ask(t.Context(), at, Request{Command: CommandStatus}); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// awaitSlot dials until the server has room, which a call without an answer would not tell.
func awaitSlot(t *testing.T, s *Server) *net.UnixConn {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := dial(s.Path())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(conn, Request{Command: CommandStatus}); err == nil {
			return conn
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		conn.Close()
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	at := folder(t)
	p := pace.New(pace.Limits{}, pace.Options{})
	serve(t, at, p)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for range 20 {
				n := int64(i + 1)
				_, err := Ask(t.Context(), at, Request{Command: CommandSet, Set: Settings{InFlight: &n}})
				if err != nil && !strings.Contains(err.Error(), "did not answer") && !strings.Contains(err.Error(), "ask the run") {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := p.InFlight(); n < 1 || n > callers {
		t.Errorf("in_flight %d", n)
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	at := folder(t)
	path, err := at.direct()
	if err != nil {
		t.Fatal(err)
	}
	deaf, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Ask(ctx, at, Request{Command: CommandStatus}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestFolderOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ownFolder(dir); err == nil {
		t.Error("a folder that others can enter is taken")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if err := ownFolder(link); err == nil {
		t.Error("a link is taken for a folder")
	}
}

// FuzzDecodeRequest: a request is understood as it would be written again, or refused.
func FuzzDecodeRequest(f *testing.F) {
	for _, s := range []string{`{"version":1,"command":"status"}`, `{"version":1,"command":"set","set":{"rows_per_second":5}}`, `{"version":2}`, "", "{", "null",
		`{"version":1,"command":"set","set":{"in_flight":1e3}}`, `{"version":1,"version":1,"command":"pause"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, refused := decodeRequest(line)
		if refused != nil {
			if refused.Text == "" || refused.Kind != KindRequest {
				t.Errorf("%+v", refused)
			}
			return
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, refused := decodeRequest(data)
		if second, err := json.Marshal(again); refused != nil || err != nil || string(second) != string(data) {
			t.Errorf("%s is read as %s: %v", data, second, refused)
		}
		p := pace.New(pace.Limits{RowsPerSecond: 1000}, pace.Options{})
		refused = carryOut(p, r)
		if s := p.State(); s.RowsPerSecond > 1000 || s.RowsPerSecond < 1 || s.BytesPerSecond < 0 || s.InFlight < 0 {
			t.Errorf("%s: %+v, %v", line, s, refused)
		}
	})
}

// FuzzDecodeAnswer: no answer makes the client crash or believe in nothing.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"version":1,"refused":{"kind":"value","text":"x"}}`))
	f.Add([]byte(`{"version":1,"status":{"migration":"m","held":[{"source":"window"}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if a, err := decodeAnswer(line); err == nil && (a.Version != Version || (a.Refused == nil) == (a.Status == nil)) {
			t.Errorf("%+v", a)
		}
	})
}
