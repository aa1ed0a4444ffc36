package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
)

const (
	// maxQuestion bounds a question in bytes.
	maxQuestion = 8 << 20
	// callLimit bounds one call of the client: from 4.295 s on it sends another time-out than it was
	// given (session/codec.go multiplies in 32 bits).
	callLimit = 4 * time.Second
	// grace is how long the client may overrun its context before the child answers without it.
	grace = 500 * time.Millisecond
	// defaultLimit is for a question without one.
	defaultLimit = 15 * time.Second
)

// Serve is the child: it reads one Question from in and writes one Answer to out. It returns when the
// question's limit is over even if the client does not; the process must end then, because the
// client's goroutines go on. The error is for a question that cannot be read or answered.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var q Question
	dec := json.NewDecoder(io.LimitReader(in, maxQuestion))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return fmt.Errorf("canary: the question cannot be read: %w", err)
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, q.Limit)
	defer cancel()
	words := &lastLine{}
	pegalog.SetLogger(words) // the default one writes a file into the working folder
	answers := make(chan Answer, 1)
	go func() { answers <- read(ctx, q, words) }()
	var a Answer
	select {
	case a = <-answers:
	case <-afterEnd(ctx):
		a.Error = "the client does not come back" + words.said()
	}
	return json.NewEncoder(out).Encode(a)
}

// afterEnd fires a grace after ctx ended.
func afterEnd(ctx context.Context) <-chan struct{} {
	fired := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { close(fired) }) })
	return fired
}

// read asks the client.
func read(ctx context.Context, q Question, words *lastLine) (a Answer) {
	defer func() {
		if p := recover(); p != nil {
			a = Answer{Error: fmt.Sprintf("the client panicked: %v", p)}
		}
	}()
	client := pegasus.NewClient(pegasus.Config{MetaServers: []string{q.Proxy}})
	if client == nil { // it called Fatal, see lastLine
		return Answer{Error: "the client does not start" + words.said()}
	}
	defer func() { _ = client.Close() }()
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	table, err := client.OpenTable(call, q.Table)
	if err != nil {
		return Answer{Error: fmt.Sprintf("the client cannot open table %s: %v%s", q.Table, err, words.said())}
	}
	rows := make([]Row, 0, len(q.Rows))
	for _, k := range q.Rows {
		rows = append(rows, get(ctx, table, k))
	}
	return Answer{Rows: rows}
}

func get(ctx context.Context, table pegasus.TableConnector, k Key) Row {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	sort := k.SortKey
	if sort == nil {
		sort = []byte{}
	}
	value, err := table.Get(ctx, k.HashKey, sort)
	if err != nil {
		return Row{Error: err.Error()}
	}
	return Row{Found: value != nil, Value: value} // nil is the client's word for no row
}

// lastLine is the client's log: the last line about a failure is kept for an error message. Its Fatal
// returns, where the default ends the process without an answer; the client goes on with nil then.
type lastLine struct {
	mu   sync.Mutex
	text string
}

// Fatal implements pegalog.Logger.
func (l *lastLine) Fatal(args ...any) { l.keep(fmt.Sprint(args...)) }

// Fatalf implements pegalog.Logger.
func (l *lastLine) Fatalf(format string, args ...any) { l.keep(fmt.Sprintf(format, args...)) }

// Print implements pegalog.Logger.
func (l *lastLine) Print(args ...any) { l.keepFailure(fmt.Sprint(args...)) }

// Printf implements pegalog.Logger.
func (l *lastLine) Printf(format string, args ...any) { l.keepFailure(fmt.Sprintf(format, args...)) }

// keepFailure leaves out what the client says of its ordinary life.
func (l *lastLine) keepFailure(line string) {
	if strings.Contains(line, "fail") || strings.Contains(line, "error") {
		l.keep(line)
	}
}

func (l *lastLine) keep(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = line
}

// said is the last line in brackets, "" without one.
func (l *lastLine) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return ""
	}
	return " (" + l.text + ")"
}
