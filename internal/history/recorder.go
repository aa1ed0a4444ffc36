package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
)

// Options are what a Recorder takes from around it. The zero value of a field is its default.
type Options struct {
	// Now gives the time; time.Now.
	Now func() time.Time
	// Warn is called at most once, with why nothing more is recorded. It must not call the Recorder.
	Warn func(error)
	// Flush is the time between two writes; 2 s.
	Flush time.Duration
}

const (
	flushEvery = 2 * time.Second
	// spacing is the least time between two samples of a series, until the series was thinned.
	spacing = time.Second
	// maxPending bounds what waits for a disk that does not answer.
	maxPending = 1 << 20
	// shownRows is how many differing rows are kept of a comparison.
	shownRows = 20
)

// Recorder is a Sink that appends to a history. It is safe for concurrent use.
type Recorder struct {
	fs   atomicfile.FS
	path string
	head header
	o    Options
	lock io.Closer

	mu      sync.Mutex
	book    *book
	pending []byte
	series  map[string]*spread
	ended   bool // nothing more is taken

	quit, gone chan struct{}
	// Owned by the writing goroutine.
	file atomicfile.Appender
	size int
}

// spread is how far samples of one series are apart.
type spread struct {
	every   time.Duration
	last    time.Time
	waiting Moment // the newest sample that was too close to the one before; no event for none
}

// Open begins to record a run into the history in folder, which is made when absent. It does not fail: when
// nothing can be recorded, because another process does or a disk is full, o.Warn is told.
func Open(fsys atomicfile.FS, folder, migration string, open Opening, o Options) *Recorder {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Flush <= 0 {
		o.Flush = flushEvery
	}
	r := &Recorder{fs: fsys, path: Path(folder, migration), o: o, book: newBook(), series: map[string]*spread{},
		head: header{Kind: fileKind, Version: FormatVersion, Migration: migration}, quit: make(chan struct{}), gone: make(chan struct{})}
	if err := r.begin(open); err != nil {
		r.give(err)
		close(r.gone)
		return r
	}
	go r.write()
	return r
}

// begin takes the lock, takes in what is there and adds the opening line.
func (r *Recorder) begin(open Opening) error {
	if err := r.fs.MkdirAll(filepath.Dir(r.path)); err != nil {
		return err
	}
	lock, err := r.fs.TryLock(r.path + ".lock")
	if errors.Is(err, atomicfile.ErrLocked) {
		return errors.New("another process writes it")
	}
	if err != nil && !errors.Is(err, atomicfile.ErrLockUnsupported) {
		return err
	}
	r.lock = lock
	if err := atomicfile.RemoveTemporary(r.fs, r.path); err != nil {
		return err
	}
	fresh, err := r.takeIn()
	if err != nil {
		return err
	}
	r.book.run++
	line, err := encode(r.o.Now(), typeOpened, open)
	if err != nil {
		return err
	}
	r.book.add(line, "")
	if fresh {
		return r.writeAnew()
	}
	r.pending = append(r.pending, line...)
	r.file, err = r.fs.OpenAppend(r.path)
	return err
}

// takeIn reads the file into the book. fresh says that it has to be written anew: it is absent, its end is
// torn, or it is too large.
func (r *Recorder) takeIn() (fresh bool, err error) {
	data, err := r.fs.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	whole, torn := lines(data)
	if len(whole) == 0 {
		return true, nil
	}
	if r.head, err = parseHeader(whole[0]); err != nil {
		return false, err
	}
	r.book.dropped = r.head.Dropped
	for _, line := range whole[1:] {
		var e entry
		if json.Unmarshal(line, &e) != nil {
			torn = line // leave it out
			continue
		}
		if e.Type == typeOpened {
			r.book.run++
		}
		ev, _ := decodeEvent(e.Type, e.Data) // what this version does not know is kept as it is
		r.book.add(append(bytes.Clone(line), '\n'), seriesOf(ev))
	}
	r.size = len(data)
	return len(torn) > 0 || r.size > fileBytes, nil
}

// seriesOf is "" for what is never thinned.
func seriesOf(e event.Event) string {
	switch e := e.(type) {
	case event.MoveProgress:
		return "move " + e.Kind + " " + e.Step
	case event.LagProgress:
		return "lag " + e.Step
	case event.Waiting:
		return "wait " + e.Step
	}
	return ""
}

// Emit implements event.Sink. It writes nothing by itself.
func (r *Recorder) Emit(e event.Event) {
	e = trimmed(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	now := Moment{At: r.o.Now(), Event: e}
	series := seriesOf(e)
	if series == "" {
		r.flushSamples()
		r.put(now, "")
		return
	}
	s := r.series[series]
	if s == nil {
		s = &spread{every: spacing}
		r.series[series] = s
	}
	if !s.last.IsZero() && now.At.Sub(s.last) < s.every && now.At.After(s.last) {
		s.waiting = now
		return
	}
	s.last, s.waiting = now.At, Moment{}
	if r.put(now, series) {
		s.every *= 2
	}
}

// flushSamples takes in the newest sample of each series: what comes now is about it.
func (r *Recorder) flushSamples() {
	for name, s := range r.series {
		if s.waiting.Event != nil {
			r.put(s.waiting, name)
			s.waiting = Moment{}
		}
	}
}

// put adds an event to the book and to what is to be written. One that JSON cannot write is left out;
// trimmed leaves none that is known.
func (r *Recorder) put(m Moment, series string) (halved bool) {
	line, err := encode(m.At, m.Event.Name(), m.Event)
	if err != nil {
		return false
	}
	return r.putLine(line, series)
}

func (r *Recorder) putLine(line []byte, series string) (halved bool) {
	if len(r.pending)+len(line) > maxPending {
		return false // the disk does not answer: samples are worth less than memory
	}
	r.pending = append(r.pending, line...)
	return r.book.add(line, series)
}

// trimmed leaves out what would make the file large, and numbers that JSON cannot write.
func trimmed(e event.Event) event.Event {
	switch p := e.(type) {
	case event.MoveProgress:
		p.Partitions = nil
		p.RowsPerSecond, p.BytesPerSecond = finite(p.RowsPerSecond), finite(p.BytesPerSecond)
		p.InForce.RowsPerSecond, p.InForce.BytesPerSecond = finite(p.InForce.RowsPerSecond), finite(p.InForce.BytesPerSecond)
		return p
	case event.LagProgress:
		p.PerSecond = finite(p.PerSecond)
		return p
	case event.Verified:
		if len(p.FirstDiffering) > shownRows {
			p.FirstDiffering = p.FirstDiffering[:shownRows]
		}
		return p
	}
	return e
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// Close writes what is left and ends the recording. Call it once.
func (r *Recorder) Close() {
	r.mu.Lock()
	if !r.ended {
		r.flushSamples()
		if line, err := encode(r.o.Now(), typeClosed, struct{}{}); err == nil {
			r.putLine(line, "")
		}
	}
	r.ended = true
	r.mu.Unlock()
	close(r.quit)
	<-r.gone
	if r.lock != nil {
		_ = r.lock.Close() // the end of the process gives it back too
		r.lock = nil
	}
}

// write is the goroutine that touches the disk.
func (r *Recorder) write() {
	defer close(r.gone)
	ticker := time.NewTicker(r.o.Flush)
	defer ticker.Stop()
	defer func() {
		if r.file != nil {
			_ = r.file.Close() // everything was written; what closing says comes too late to act on
		}
	}()
	for {
		over := false
		select {
		case <-ticker.C:
		case <-r.quit:
			over = true
		}
		if err := r.flush(); err != nil {
			r.give(err)
			return
		}
		if over {
			return
		}
	}
}

// flush writes what is pending.
func (r *Recorder) flush() error {
	r.mu.Lock()
	batch := r.pending
	r.pending = nil
	r.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if r.size+len(batch) > fileBytes {
		return r.writeAnew()
	}
	n, err := r.file.Write(batch)
	r.size += n
	if err == nil && n < len(batch) {
		err = io.ErrShortWrite
	}
	return err
}

// writeAnew replaces the file by the book.
func (r *Recorder) writeAnew() error {
	r.mu.Lock()
	r.head.Dropped = r.book.dropped
	head, err := json.Marshal(r.head)
	data := append(head, '\n')
	for _, k := range r.book.lines {
		data = append(data, k.line...)
	}
	r.pending = nil
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if r.file != nil {
		_ = r.file.Close() // it is replaced
		r.file = nil
	}
	if err := atomicfile.WriteFile(r.fs, r.path, data); err != nil {
		return err
	}
	r.size = len(data)
	r.file, err = r.fs.OpenAppend(r.path)
	return err
}

// give ends the recording for good and says why.
func (r *Recorder) give(err error) {
	r.mu.Lock()
	r.ended, r.pending, r.book = true, nil, newBook()
	r.mu.Unlock()
	if r.o.Warn != nil {
		r.o.Warn(fmt.Errorf("the history of this run is not kept: %w", err))
	}
}
