package view

import (
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// JSONVersion is the version of every JSON line that this package writes. It is raised when a
// reader of the old form would misread the new one; added fields do not raise it.
const JSONVersion = 1

// jsonLine is one line of -json output.
type jsonLine struct {
	Version int       `json:"version"`
	Type    string    `json:"type"`
	Time    time.Time `json:"time,omitzero"` // UTC, when it happened
	Data    any       `json:"data"`
}

// JSONSink writes every event as one JSON object per line:
//
//	{"version":1,"type":"step_done","time":"2026-11-21T03:00:00Z","data":{...}}
//
// type is the event's name and data its fields. Each line is one write. A reader that does not
// keep up loses progress lines and nothing else; it holds up the run by a second at most. Safe
// for concurrent use; nothing has to be closed.
type JSONSink struct{ queue *queue }

// NewJSONSink writes to w. now is the clock of the time field; nil means time.Now.
func NewJSONSink(w io.Writer, now func() time.Time) *JSONSink {
	return &JSONSink{newQueue(now, func(e event.Event, at time.Time) {
		_ = writeJSONLine(w, e.Name(), at, finite(e)) // talk of a run: it has nobody to tell
	})}
}

// Emit implements event.Sink.
func (s *JSONSink) Emit(e event.Event) { s.queue.emit(e) }

// Close waits for what is still to be written, for a second at most.
func (s *JSONSink) Close() { s.queue.flush() }

func writeJSONLine(w io.Writer, kind string, at time.Time, data any) error {
	line, err := json.Marshal(jsonLine{Version: JSONVersion, Type: kind, Time: at.UTC(), Data: data})
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// finite takes out numbers that JSON cannot write: the rate of the first moment may be a division
// by zero, and its event must not be lost for it.
func finite(e event.Event) event.Event {
	switch p := e.(type) {
	case event.MoveProgress:
		p.RowsPerSecond, p.BytesPerSecond = number(p.RowsPerSecond), number(p.BytesPerSecond)
		return p
	case event.LagProgress:
		p.PerSecond = number(p.PerSecond)
		return p
	}
	return e
}

// number is f, or 0 when it is none.
func number(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
