package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/control"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/state"
)

// servePace gives a run its pacer and serves the control socket until the returned function is called.
// The clusters must be connected. Without a socket the run goes on, and says so.
func (s *session) servePace(ctx context.Context, sink event.Sink, command string) (end func()) {
	l := s.migration.Limits
	declared := pace.Limits{RowsPerSecond: l.RowsPerSecond, BytesPerSecond: l.BytesPerSecond, InFlight: l.InFlight}
	teller := &paceTeller{sink: sink, over: ctx.Done()}
	p := pace.New(declared, pace.Options{OnChange: teller.tell})
	s.actuators.SetPace(p, sink)
	at := s.controlPlace()
	if info, err := os.Stat(at.Dir); err != nil || !info.IsDir() {
		return func() {} // a comparison without a state, which leaves no folder behind
	}
	server, err := control.Serve(at, control.Run{Migration: s.migration.Name, Command: command, PID: os.Getpid(), Since: s.env.Now().UTC()}, p)
	if err != nil {
		hint := "the run goes on; its limits are those that are declared"
		if errors.Is(err, control.ErrServed) {
			hint = "`pegmigrate control` talks to the other one"
		}
		sink.Emit(event.Warning{Code: codeControlSocket, Text: err.Error(), Hint: hint})
		return func() {}
	}
	return func() {
		teller.end()
		if err := server.Close(); err != nil {
			sink.Emit(event.Warning{Code: codeControlSocket, Text: fmt.Sprintf("the control socket could not be removed: %v", err), Hint: "the next run replaces it"})
		}
	}
}

// controlPlace is where the socket of the migration is: beside its state.
func (s *session) controlPlace() control.Place {
	return control.Place{Dir: filepath.Join(s.dir, state.Folder), Name: s.migration.Name}
}

// paceTeller turns changes of the pace into warnings: the first of each episode, and its end. What is
// in force at each moment stands in the progress of whatever moves.
type paceTeller struct {
	sink event.Sink
	over <-chan struct{} // closed when the command is interrupted: that rows are let go then is no news

	mu     sync.Mutex
	held   string // the reason that was told last, "" while nothing holds
	eased  bool
	closed bool
}

func (t *paceTeller) tell(s pace.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	switch {
	case len(s.Held) > 0:
		if source := s.Held[0].Source; source != t.held {
			t.held = source
			t.sink.Emit(event.Warning{Code: codeHeld, Text: "rows stand still: " + s.Held[0].Text, Hint: "they go on by themselves when that is over" + onlyResume(source)})
		}
		return
	case t.held != "":
		t.held = ""
		select {
		case <-t.over:
			return
		default:
		}
		t.sink.Emit(event.Warning{Code: codeHeld, Text: "rows move again"})
	}
	if s.Share < 1 && !t.eased {
		t.sink.Emit(event.Warning{Code: codeEased, Text: "rows move more slowly: " + s.Reason, Hint: "the rate comes back in steps when that is over"})
	}
	t.eased = s.Share < 1
}

// onlyResume says that an operator's pause does not end by itself.
func onlyResume(source string) string {
	if source == pace.HeldByControl {
		return ": `pegmigrate control resume` ends it"
	}
	return ""
}

// end says that what follows is no news: the run is over.
func (t *paceTeller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}
