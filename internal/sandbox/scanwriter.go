package sandbox

import (
	"encoding/binary"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// scanWriter builds the frame of a ScanResponse while rows are being found, without
// a slice of rows in between. What stands in front of the rows has a fixed size and
// is corrected at the end; what follows is small and comes from the codec.
type scanWriter struct {
	out      []byte
	start    int // of the frame
	statusAt int
	countAt  int
	rows     uint32
}

// Thrift bytes around the rows: field 1 (i32) holds the status, field 2 the list of
// structs.
const (
	thriftStruct = 12
	thriftI32    = 8
)

// newScanWriter appends everything up to the first row.
func newScanWriter(out []byte, q *request) *scanWriter {
	w := &scanWriter{start: len(out)}
	empty := idl.AppendResponse(out, q.Seq, q.Name, idl.ErrOK, &idl.ScanResponse{})
	// An empty response is: head, field 1 (7 bytes), field 2 (3 + 1 + 4 bytes), rest.
	head := 4 + 4 + len(idl.ErrOK) + 4 + 4 + len(q.Name) + len("_ACK") + 4 + 3
	w.statusAt = w.start + head + 3
	w.countAt = w.start + head + 7 + 4
	w.out = empty[:w.countAt+4]
	return w
}

// add appends one key_value.
func (w *scanWriter) add(r row, noValue, withExpire bool) {
	key, value := r.key(), r.value()
	if noValue {
		value = nil
	}
	out := append(w.out, thriftStruct, 0, 1)
	out = binary.BigEndian.AppendUint32(out, uint32(len(key)))
	out = append(out, key...)
	out = append(out, thriftStruct, 0, 2)
	out = binary.BigEndian.AppendUint32(out, uint32(len(value)))
	out = append(out, value...)
	if withExpire {
		out = append(out, thriftI32, 0, 3)
		out = binary.BigEndian.AppendUint32(out, r.expire())
	}
	w.out = append(out, 0)
	w.rows++
}

// finish appends the rest of resp, whose rows must be empty, and returns the whole
// buffer.
func (w *scanWriter) finish(resp *idl.ScanResponse) []byte {
	binary.BigEndian.PutUint32(w.out[w.statusAt:], uint32(resp.Error))
	binary.BigEndian.PutUint32(w.out[w.countAt:], w.rows)
	const front = 7 + 8 // fields 1 and 2 of a response without rows
	mark := len(w.out)
	w.out = resp.AppendTo(w.out)
	w.out = append(w.out[:mark], w.out[mark+front:]...)
	w.out = append(w.out, 0) // ends the envelope
	binary.BigEndian.PutUint32(w.out[w.start:], uint32(len(w.out)-w.start))
	return w.out
}
