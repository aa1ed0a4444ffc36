package difference

import (
	"bufio"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
)

// buffer is the size of one write to the file.
const buffer = 64 << 10

// Writer writes one report. It belongs to one goroutine at a time.
type Writer struct {
	fs     atomicfile.FS
	path   string
	staged atomicfile.Staged
	out    *bufio.Writer
	enc    *json.Encoder
	end    End
	err    error
}

// Create begins a report that will be at path, whose folder must exist. Type and Version of the header are set here.
func Create(fs atomicfile.FS, path string, h Header) (*Writer, error) {
	staged, err := fs.Stage(path)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	w := &Writer{fs: fs, path: path, staged: staged, out: bufio.NewWriterSize(staged, buffer), end: End{Counts: map[string]uint64{}}}
	w.enc = json.NewEncoder(w.out)
	h.Type, h.Version = typeHeader, Version
	w.line(h)
	if w.err != nil {
		w.Abort()
		return nil, w.err
	}
	return w, nil
}

func (w *Writer) line(v any) {
	if w.err == nil {
		if err := w.enc.Encode(v); err != nil {
			w.err = fmt.Errorf("write %s: %w", w.path, err)
		}
	}
}

// Add writes one difference. The error is that of this or an earlier line.
func (w *Writer) Add(e Entry) error {
	e.Type = typeDifference
	w.line(e)
	if w.err == nil {
		w.end.Lines++
		w.end.Counts[e.Kind]++
	}
	return w.err
}

// Finish writes the trailer and gives the report its name, durably. Lines and Counts of e are set here. The report is
// gone when it fails.
func (w *Writer) Finish(e End) (End, error) {
	e.Type, e.Lines, e.Counts = typeEnd, w.end.Lines, w.end.Counts
	w.line(e)
	if w.err == nil {
		w.err = w.commit()
	}
	if w.err != nil {
		w.Abort()
	}
	return e, w.err
}

func (w *Writer) commit() error {
	err := w.out.Flush()
	if err == nil {
		err = w.staged.Sync()
	}
	if err == nil {
		err = w.staged.Commit()
	}
	if err == nil {
		err = w.fs.SyncDir(filepath.Dir(w.path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	return nil
}

// Abort gives the report up; what was at its path before stays. After Finish it does nothing.
func (w *Writer) Abort() { _ = w.staged.Abort() }
