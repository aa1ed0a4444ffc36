package history

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// History is what the runs of one migration left.
type History struct {
	Migration string
	Runs      []Run // in order of time
	// DroppedRuns left the file because there were too many.
	DroppedRuns int
	// Unreadable counts lines that are no entry: a machine that lost power may leave some. A torn last line is
	// not one of them.
	Unreadable int
}

// Run is what one process recorded.
type Run struct {
	Opened  time.Time
	Opening Opening
	// Closed is zero when the process did not end by itself, or has not ended.
	Closed time.Time
	Events []Moment
}

// Moment is one event and when it came. The samples of one series are thinned, nothing else is.
type Moment struct {
	At    time.Time
	Event event.Event
}

// Path is the file of a migration, in the folder of its state document.
func Path(folder, migration string) string {
	return filepath.Join(folder, migration+".history.jsonl")
}

// Read reads the history of a migration. Without a file the error satisfies errors.Is(err, fs.ErrNotExist);
// see Decode for the others. It takes no lock: what is being written may be there or not.
func Read(fsys atomicfile.FS, folder, migration string) (*History, error) {
	data, err := fsys.ReadFile(Path(folder, migration))
	if err != nil {
		return nil, err
	}
	return Decode(data)
}

// Decode reads the content of a file: ErrNotHistory or a *NewerError when it is none or too new. Lines that
// cannot be read are counted, those of unknown types left out.
func Decode(data []byte) (*History, error) {
	whole, _ := lines(data)
	if len(whole) == 0 {
		return nil, ErrNotHistory
	}
	head, err := parseHeader(whole[0])
	if err != nil {
		return nil, err
	}
	h := &History{Migration: head.Migration, DroppedRuns: head.Dropped}
	for _, line := range whole[1:] {
		var e entry
		if json.Unmarshal(line, &e) != nil || e.Type == "" || !h.take(e) {
			h.Unreadable++
		}
	}
	return h, nil
}

// take adds one entry; false when it cannot be read.
func (h *History) take(e entry) bool {
	if e.Type == typeOpened {
		run := Run{Opened: e.At}
		if json.Unmarshal(e.Data, &run.Opening) != nil {
			return false
		}
		h.Runs = append(h.Runs, run)
		return true
	}
	if len(h.Runs) == 0 { // its beginning could not be read
		h.Runs = append(h.Runs, Run{Opened: e.At})
	}
	run := &h.Runs[len(h.Runs)-1]
	if e.Type == typeClosed {
		run.Closed = e.At
		return true
	}
	ev, err := decodeEvent(e.Type, e.Data)
	if err != nil {
		return false
	}
	if ev != nil {
		run.Events = append(run.Events, Moment{At: e.At, Event: ev})
	}
	return true
}
