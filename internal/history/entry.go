package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// FormatVersion is the version of the file that this package writes, and the newest that it reads.
const FormatVersion = 1

// fileKind tells a history from other files of JSON lines.
const fileKind = "pegmigrate-history"

// header is the first line.
type header struct {
	Kind      string `json:"kind"`
	Version   int    `json:"version"`
	Migration string `json:"migration"`
	// Dropped counts the runs that left the file because there were too many.
	Dropped int `json:"dropped_runs,omitempty"`
}

// entry is any other line.
type entry struct {
	At   time.Time       `json:"at"`
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// Types of entries beside the names of events.
const (
	typeOpened = "opened"
	typeClosed = "closed"
)

// Opening is what a process says when it begins to record.
type Opening struct {
	Command string `json:"command"` // apply, rollback or verify
	Version string `json:"version"` // of the tool
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
}

// ErrNotHistory says that a file is no history: its first line is not the header of one.
var ErrNotHistory = errors.New("not a history of pegmigrate")

// NewerError says that a later pegmigrate wrote the file.
type NewerError struct{ Version int }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the history has version %d, this pegmigrate knows %d", e.Version, FormatVersion)
}

func parseHeader(line []byte) (header, error) {
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Kind != fileKind || h.Version < 1 {
		return h, ErrNotHistory
	}
	if h.Version > FormatVersion {
		return h, &NewerError{Version: h.Version}
	}
	return h, nil
}

// encode writes one line, its line break included.
func encode(at time.Time, kind string, data any) ([]byte, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(entry{At: at.UTC().Truncate(time.Millisecond), Type: kind, Data: raw})
	return append(line, '\n'), err
}

// decodeEvent gives the event of an entry; nil for a type that this version does not know.
func decodeEvent(kind string, data []byte) (event.Event, error) {
	for _, known := range []func(string, []byte) (event.Event, bool, error){
		as[event.RunStarted], as[event.StepStarted], as[event.StepSkipped], as[event.StepDone], as[event.StepFailed], as[event.Waiting],
		as[event.Warning], as[event.MoveProgress], as[event.Verified], as[event.FenceProven], as[event.GateReached], as[event.UndoStarted],
		as[event.UndoDone], as[event.UndoFailed], as[event.Interrupted], as[event.RunDone], as[event.LagProgress], as[event.RouteSwitched],
		as[event.CutOver], as[event.SplitDone], as[event.RepairPlanned], as[event.Repaired], as[event.CaughtUp], as[event.ImpactBegun],
	} {
		if e, mine, err := known(kind, data); mine {
			return e, err
		}
	}
	return nil, nil
}

// as decodes data when kind is the name of E.
func as[E event.Event](kind string, data []byte) (event.Event, bool, error) {
	var e E
	if e.Name() != kind {
		return nil, false, nil
	}
	err := json.Unmarshal(data, &e)
	return e, true, err
}

// lines gives the whole lines of data, without their breaks, and what follows the last break.
func lines(data []byte) (whole [][]byte, torn []byte) {
	for len(data) > 0 {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		if !found {
			return whole, line
		}
		whole, data = append(whole, line), rest
	}
	return whole, nil
}
