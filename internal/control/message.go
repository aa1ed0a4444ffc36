package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
)

// Version is the version of requests and answers. It is raised when a reader of the old form would
// misread the new one.
const Version = 1

// maxLine bounds a request and an answer, in bytes.
const maxLine = 64 << 10

// Command is what a request asks for.
type Command string

// The commands.
const (
	CommandStatus Command = "status"
	CommandPause  Command = "pause"
	CommandResume Command = "resume"
	CommandSet    Command = "set"
)

// Request is one line to the server.
type Request struct {
	Version int      `json:"version"`
	Command Command  `json:"command"`
	Set     Settings `json:"set,omitzero"` // of CommandSet only
}

// Settings are new limits; nil leaves one as it is, 0 goes back to what is declared.
type Settings struct {
	RowsPerSecond  *int64 `json:"rows_per_second,omitempty"`
	BytesPerSecond *int64 `json:"bytes_per_second,omitempty"`
	InFlight       *int64 `json:"in_flight,omitempty"`
}

// Answer is one line from the server: a refusal, or the status after the command.
type Answer struct {
	Version int      `json:"version"`
	Refused *Refusal `json:"refused,omitempty"`
	Status  *Status  `json:"status,omitempty"`
}

// Kind says in which way a request is wrong.
type Kind string

// The kinds of refusal.
const (
	KindRequest  Kind = "request"  // it cannot be read, or is of another version
	KindValue    Kind = "value"    // a limit is out of range
	KindDeclared Kind = "declared" // above what is declared
)

// Refusal is why a request was not carried out. Nothing was changed.
type Refusal struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// Error is the text.
func (r *Refusal) Error() string { return r.Text }

// Run says whose pace it is.
type Run struct {
	Migration string    `json:"migration"`
	Command   string    `json:"command"` // "apply" or "verify"
	PID       int       `json:"pid"`
	Since     time.Time `json:"since"`
}

// Limits are bounds; 0 is none.
type Limits struct {
	RowsPerSecond  int64 `json:"rows_per_second,omitempty"`
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`
	InFlight       int64 `json:"in_flight,omitempty"`
}

// Status is how fast a run may go, and why not faster.
type Status struct {
	Run
	// Declared bounds what can be asked for, Asked is what somebody asked for, InForce what counts now.
	Declared Limits `json:"declared"`
	Asked    Limits `json:"asked"`
	InForce  Limits `json:"in_force"`
	// Share is what easing leaves of the full rate, 1 without easing.
	Share float64 `json:"share"`
	// Paused says that an operator paused it, Held who holds it, an operator included.
	Paused bool          `json:"paused"`
	Held   []pace.Reason `json:"held,omitempty"`
	// Limit, Reason and Since are what limits most now.
	Limit  string    `json:"limit,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since_limit,omitzero"`
	// RowsPerSecond and BytesPerSecond are what moves.
	RowsPerSecond  float64 `json:"rows_per_second"`
	BytesPerSecond float64 `json:"bytes_per_second"`
}

// statusOf turns the pacer's state into a status.
func statusOf(run Run, s pace.State) *Status {
	limits := func(l pace.Limits) Limits { return Limits{l.RowsPerSecond, l.BytesPerSecond, int64(l.InFlight)} }
	return &Status{Run: run, Declared: limits(s.Declared), Asked: limits(s.Asked), InForce: Limits{s.RowsPerSecond, s.BytesPerSecond, int64(s.InFlight)},
		Share: s.Share, Paused: s.Asked.Paused, Held: s.Held, Limit: s.Limit, Reason: s.Reason, Since: s.Since,
		RowsPerSecond: s.MovedRows, BytesPerSecond: s.MovedBytes}
}

// decode reads one JSON value that fills the line, and nothing that it does not know.
func decode(line []byte, into any) error {
	if len(line) > maxLine {
		return fmt.Errorf("a line of more than %d bytes", maxLine)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value in a line")
	}
	return nil
}

// decodeRequest reads a request; the error is a *Refusal.
func decodeRequest(line []byte) (Request, *Refusal) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(line, &version); err == nil && version.Version != Version {
		return Request{}, &Refusal{KindRequest, fmt.Sprintf("a request of version %d; this run knows version %d", version.Version, Version),
			"use the pegmigrate that started the run"}
	}
	var r Request
	if err := decode(line, &r); err != nil {
		return Request{}, &Refusal{KindRequest, "the request cannot be read: " + err.Error(), ""}
	}
	switch {
	case r.Command == CommandSet && r.Set == Settings{}:
		return Request{}, &Refusal{KindRequest, "nothing is to be set", ""}
	case r.Command != CommandSet && r.Set != Settings{}:
		return Request{}, &Refusal{KindRequest, fmt.Sprintf("command %q sets nothing", r.Command), ""}
	}
	switch r.Command {
	case CommandStatus, CommandPause, CommandResume, CommandSet:
		return r, nil
	}
	return Request{}, &Refusal{KindRequest, fmt.Sprintf("unknown command %q", r.Command), ""}
}

// decodeAnswer reads an answer.
func decodeAnswer(line []byte) (Answer, error) {
	var a Answer
	if len(line) > maxLine {
		return a, fmt.Errorf("an answer of more than %d bytes", maxLine)
	}
	if err := json.Unmarshal(line, &a); err != nil { // fields of a later release are left out
		return a, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if a.Version != Version {
		return a, fmt.Errorf("the answer has version %d, this release knows %d", a.Version, Version)
	}
	if (a.Refused == nil) == (a.Status == nil) {
		return a, errors.New("the answer says neither yes nor no")
	}
	return a, nil
}
