package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// terminal opens a pseudo-terminal: what a person types goes into the first, and what they see
// comes out of it; the second is what a process has as its standard streams.
func terminal(t *testing.T, width, height uint16) (person, process *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	person = os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	process, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { process.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}); err != nil {
		t.Fatal(err)
	}
	return person, process
}

// seen collects what a person sees until the process's side is closed.
func seen(person io.Reader) <-chan string {
	out := make(chan string, 1)
	go func() {
		s := &screen{}
		_, _ = io.Copy(s, person) // ends with EIO when the other side closes
		out <- s.text()
	}()
	return out
}

func TestStyleOfATerminal(t *testing.T) {
	_, tty := terminal(t, 97, 20)
	for _, c := range []struct {
		environ string
		want    Style
	}{
		{"HOME=/root", Style{Color: true, Terminal: true, Width: 97}},
		{"NO_COLOR=", Style{Color: true, Terminal: true, Width: 97}},
		{"NO_COLOR=1", Style{Terminal: true, Width: 97}},
		{"TERM=dumb", Style{Width: 97}},
	} {
		if got := StyleFor(tty, "A=b", c.environ); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.environ, got, c.want)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got := StyleFor(w); got != Plain() {
		t.Errorf("a pipe: %+v", got)
	}
}

func TestConfirmOnATerminal(t *testing.T) {
	for typed, want := range map[string]bool{"yes\n": true, "y\n": false, "\x04": false} {
		person, tty := terminal(t, 80, 20)
		if _, err := person.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		got, err := Confirm(t.Context(), tty, io.Discard, "run these steps?")
		if err != nil || got != want {
			t.Errorf("%q: got %t, %v", typed, got, err)
		}
	}
}

func TestConfirmIsInterrupted(t *testing.T) {
	person, tty := terminal(t, 80, 20)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Confirm(ctx, tty, io.Discard, "?"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := person.WriteString("\n"); err != nil { // ends the read that is left behind
		t.Fatal(err)
	}
}

// The library draws on a real terminal in its own way: it asks for the size, and the driver turns
// line feeds into more. The board must be gone at the end here too.
func TestRunOnATerminal(t *testing.T) {
	person, tty := terminal(t, 100, 12)
	out := seen(person)
	v := NewRunView(tty, StyleFor(tty, "NO_COLOR=1"), nil)
	for _, s := range story() {
		v.Emit(s.e)
	}
	v.Close()
	tty.Close()
	want := ""
	n := &narrator{}
	for _, s := range story() {
		lines, _ := n.tell(s.e)
		for _, l := range lines {
			want += l + "\n"
		}
	}
	if got := <-out; strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("on the screen remains:\n%s\nwant:\n%s", got, want)
	}
}

var _ event.Sink = (*RunView)(nil)
