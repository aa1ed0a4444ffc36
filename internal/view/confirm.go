package view

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// ErrNotTerminal says that nobody can be asked.
var ErrNotTerminal = errors.New("standard input is not a terminal, so nobody can be asked; use -auto-approve")

// Confirm asks a question on out and reads one line from in. Only "yes" is a yes; anything else,
// and the end of the input, is a no. It returns an error that wraps ErrNotTerminal when in is not
// a terminal, and ctx.Err when ctx ends first: then one read of in is left behind, and in should
// not be used again by this process.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, ErrNotTerminal
	}
	return ask(ctx, in, out, question)
}

// longestAnswer bounds what is read: a paste of a whole file is not an answer.
const longestAnswer = 1 << 10

func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(out, "\n%s\nonly \"yes\" is accepted: ", clean(question)); err != nil {
		return false, fmt.Errorf("ask for approval: %w", err)
	}
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, longestAnswer)).ReadString('\n')
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out)
		return false, ctx.Err()
	case a := <-answers:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return false, fmt.Errorf("ask for approval: %w", a.err)
		}
		return strings.TrimSpace(a.line) == "yes", nil
	}
}
