package view

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAsk(t *testing.T) {
	for input, want := range map[string]bool{
		"yes\n": true, "yes": true, "  yes \r\n": true,
		"": false, "\n": false, "y\n": false, "YES\n": false, "yes please\n": false, "no\nyes\n": false,
		strings.Repeat("yes", 10000): false,
	} {
		var out bytes.Buffer
		got, err := ask(t.Context(), strings.NewReader(input), &out, "run these steps?")
		if err != nil || got != want {
			t.Errorf("%.20q: got %t, %v", input, got, err)
		}
		if want := "\nrun these steps?\nonly \"yes\" is accepted: "; out.String() != want {
			t.Errorf("it asks %q", out.String())
		}
	}
	_, err := ask(t.Context(), iotest.ErrReader(errBroken), io.Discard, "?")
	if !errors.Is(err, errBroken) {
		t.Errorf("a broken terminal: got %v", err)
	}
}

func TestAskAnswersTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	defer typing.Close() // ends the read that is left behind
	asked := make(chan struct{})
	go func() {
		<-asked
		cancel()
	}()
	if _, err := ask(ctx, in, writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("yes")) {
			close(asked)
		}
		return len(b), nil
	}), "?"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := ask(ctx, in, io.Discard, "?"); !errors.Is(err, context.Canceled) {
		t.Errorf("asked again: got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestConfirmNeedsATerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, in := range map[string]io.Reader{"a pipe": r, "a buffer": strings.NewReader("yes\n")} {
		var out bytes.Buffer
		_, err := Confirm(t.Context(), in, &out, "?")
		if !errors.Is(err, ErrNotTerminal) || !strings.Contains(err.Error(), "-auto-approve") {
			t.Errorf("%s: got %v", name, err)
		}
		if out.Len() > 0 {
			t.Errorf("%s: it asked %q", name, out.String())
		}
	}
}
