package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxAnswer and maxComplaint bound in bytes what is kept of the child's output and complaints.
	maxAnswer, maxComplaint = 8 << 20, 4 << 10
	// headStart is how much earlier than the parent's deadline the child shall end by itself.
	headStart = time.Second
	// windUp is how long the pipes of a killed child may stay open.
	windUp = time.Second
)

// Process says how to start the child.
type Process struct {
	// Path is the executable, Args its arguments with the name it is called by first.
	Path string
	Args []string
	// Env is the child's environment, nil for this process's.
	Env []string
}

// Ask starts a child, gives it the question and waits for its answer. The child is killed when ctx
// ends. An answer with an Error is an error.
func (p Process) Ask(ctx context.Context, q Question) (Answer, error) {
	if d, ok := ctx.Deadline(); ok && q.Limit == 0 {
		q.Limit = max(time.Until(d)-headStart, headStart)
	}
	question, err := json.Marshal(q)
	if err != nil {
		return Answer{}, err
	}
	out, complaints := &capped{max: maxAnswer}, &capped{max: maxComplaint}
	cmd := exec.CommandContext(ctx, p.Path)
	cmd.Args, cmd.Env, cmd.WaitDelay = p.Args, p.Env, windUp
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(question), out, complaints
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Answer{}, fmt.Errorf("the client was killed: %w", context.Cause(ctx))
		}
		return Answer{}, fmt.Errorf("the client's process failed: %w%s", err, complaints.firstLine())
	}
	var a Answer
	if out.over {
		return Answer{}, fmt.Errorf("the client's process answered more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(out.buf.Bytes(), &a); err != nil {
		return Answer{}, fmt.Errorf("the client's process gave no answer: %w%s", err, complaints.firstLine())
	}
	if a.Error != "" {
		return Answer{}, errors.New(a.Error)
	}
	if len(a.Rows) != len(q.Rows) {
		return Answer{}, fmt.Errorf("the client was asked for %d rows and answered %d", len(q.Rows), len(a.Rows))
	}
	return a, nil
}

// capped keeps the first bytes that are written to it.
type capped struct {
	buf  bytes.Buffer
	max  int
	over bool
}

// Write implements io.Writer; it never fails, so that the child never blocks.
func (c *capped) Write(p []byte) (int, error) {
	room := max(c.max-c.buf.Len(), 0)
	if len(p) > room {
		c.over = true
	}
	c.buf.Write(p[:min(len(p), room)])
	return len(p), nil
}

// firstLine is what a dying process says first.
func (c *capped) firstLine() string {
	line, _, _ := strings.Cut(strings.TrimSpace(c.buf.String()), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}
