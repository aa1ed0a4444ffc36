package difference

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// maxLine bounds one line. Keys are part of requests, which servers bound to 1 MiB as they are shipped
// (max_allowed_write_size); a key in base64 takes 4/3 of that, and its printable form is cut.
const maxLine = 4 << 20

// ErrCut says that a report ends before its trailer, or has not as many lines as its trailer says.
var ErrCut = errors.New("the report is cut off")

// NewerError says that a report has a later form.
type NewerError struct{ Version int }

// Error names both versions.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the report has version %d, this program knows %d", e.Version, Version)
}

// Reader reads one report line by line. Not safe for concurrent use.
type Reader struct {
	in     *bufio.Scanner
	header Header
	line   int
	lines  uint64
	counts map[string]uint64
	end    *End
}

// NewReader reads the header. Errors: *NewerError, or what is wrong with the first line.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewScanner(in), counts: map[string]uint64{}}
	r.in.Buffer(nil, maxLine)
	text, err := r.next()
	if err != nil {
		return nil, err
	}
	var sort struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(text, &sort); err != nil || sort.Type != typeHeader || sort.Version < 1 {
		return nil, errors.New("this is no report of differences")
	}
	if sort.Version > Version {
		return nil, &NewerError{sort.Version}
	}
	if err := json.Unmarshal(text, &r.header); err != nil {
		return nil, r.wrong(err)
	}
	return r, nil
}

// Header is the first line.
func (r *Reader) Header() Header { return r.header }

// next gives a line that is not empty; ErrCut at the end of the input.
func (r *Reader) next() ([]byte, error) {
	for r.in.Scan() {
		r.line++
		if text := bytes.TrimSpace(r.in.Bytes()); len(text) > 0 {
			return text, nil
		}
	}
	if err := r.in.Err(); err != nil {
		return nil, r.wrong(err)
	}
	return nil, ErrCut
}

func (r *Reader) wrong(err error) error { return fmt.Errorf("line %d: %w", max(r.line, 1), err) }

// Next gives the next difference, io.EOF behind the last one of a report that is whole. Anything else is wrong with the
// report: ErrCut, or an error that names the line.
func (r *Reader) Next() (Entry, error) {
	if r.end != nil {
		return Entry{}, io.EOF
	}
	text, err := r.next()
	if err != nil {
		return Entry{}, err
	}
	var sort struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &sort); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && !r.in.Scan() {
			return Entry{}, ErrCut // half a line, and nothing behind it
		}
		return Entry{}, r.wrong(err)
	}
	switch sort.Type {
	case typeDifference:
		var e Entry
		if err := json.Unmarshal(text, &e); err != nil {
			return Entry{}, r.wrong(err)
		}
		if err := e.check(r.header); err != nil {
			return Entry{}, r.wrong(err)
		}
		r.lines++
		r.counts[e.Kind]++
		return e, nil
	case typeEnd:
		return Entry{}, r.finish(text)
	}
	return Entry{}, r.wrong(fmt.Errorf("a line of type %q", sort.Type))
}

// finish holds the trailer against what was read.
func (r *Reader) finish(text []byte) error {
	var end End
	if err := json.Unmarshal(text, &end); err != nil {
		return r.wrong(err)
	}
	maps.DeleteFunc(end.Counts, func(_ string, n uint64) bool { return n == 0 })
	if end.Lines != r.lines || !maps.Equal(end.Counts, r.counts) {
		return fmt.Errorf("%w: it has %d differences, and had %d", ErrCut, r.lines, end.Lines)
	}
	if _, err := r.next(); !errors.Is(err, ErrCut) {
		if err == nil {
			err = errors.New("something follows behind the end of the report")
		}
		return r.wrong(err)
	}
	if end.Counts == nil {
		end.Counts = map[string]uint64{}
	}
	r.end = &end
	return io.EOF
}

// End is the last line, nil before Next has returned io.EOF.
func (r *Reader) End() *End { return r.end }

// check refuses an entry that no comparison can have found.
func (e *Entry) check(h Header) error {
	switch {
	case !slices.Contains(Kinds(), e.Kind):
		return fmt.Errorf("a difference of kind %q", e.Kind)
	case len(e.Key) == 0:
		return errors.New("a difference without a key")
	case e.Side != "" && e.Side != "source" && e.Side != "target":
		return fmt.Errorf("a difference on side %q", e.Side)
	case e.SourcePartition < 0 || e.SourcePartition >= h.Source.Partitions:
		return fmt.Errorf("source partition %d, of %d", e.SourcePartition, h.Source.Partitions)
	case e.TargetPartition < 0 || e.TargetPartition >= h.Target.Partitions:
		return fmt.Errorf("target partition %d, of %d", e.TargetPartition, h.Target.Partitions)
	}
	return nil
}

// Check reads a whole report and returns its header and trailer: only one that is whole may be acted upon.
func Check(in io.Reader) (Header, End, error) {
	r, err := NewReader(in)
	if err != nil {
		return Header{}, End{}, err
	}
	for {
		if _, err := r.Next(); err != nil {
			if !errors.Is(err, io.EOF) {
				return r.header, End{}, err
			}
			return r.header, *r.end, nil
		}
	}
}
