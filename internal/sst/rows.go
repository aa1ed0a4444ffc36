package sst

import (
	"bytes"
	"errors"
)

// sortedRun is a sequence of tables without overlap, of which one is open at a time.
type sortedRun struct {
	fs     FS
	tables []tableMeta
	ahead  int
	unpack *decompressor
	scan   *tableScan

	key    []byte // of the row that it stands on, and so forth
	packed uint64
	value  []byte
}

// next goes to the row behind; false at the end.
func (r *sortedRun) next() (bool, error) {
	for {
		if r.scan != nil {
			ok, err := r.scan.next()
			if err != nil {
				return false, err
			}
			if ok {
				r.key, r.packed, r.value = r.scan.key, r.scan.packed, r.scan.value
				return true, nil
			}
			if err := r.close(); err != nil {
				return false, err
			}
		}
		if len(r.tables) == 0 {
			return false, nil
		}
		if err := r.open(); err != nil {
			return false, err
		}
	}
}

func (r *sortedRun) open() error {
	t, err := openTable(r.fs, r.tables[0], r.unpack)
	if err != nil {
		return err
	}
	r.tables = r.tables[1:]
	scan, err := newTableScan(t, r.ahead)
	if err != nil {
		return errors.Join(err, t.close())
	}
	r.scan = scan
	return nil
}

func (r *sortedRun) close() error {
	if r.scan == nil {
		return nil
	}
	scan := r.scan
	r.scan = nil
	return scan.close()
}

// before orders by key, and versions of one key newest first.
func (r *sortedRun) before(o *sortedRun) bool {
	if c := bytes.Compare(r.key, o.key); c != 0 {
		return c < 0
	}
	return r.packed > o.packed
}

// Rows gives the visible rows of a column family in key order: of each key the version with the largest sequence number, and
// none when that is a deletion. Not for concurrent use; several Rows of one checkpoint are independent.
type Rows struct {
	heap     []*sortedRun
	unpack   decompressor // one for all files: ZSTD's takes many megabytes
	second   int          // index of the smaller child of the root, 0 when not known
	started  bool         // the root stands on the row that Next gave
	last     uint64
	seen     []byte // the last key, and the version of it that was looked at
	version  uint64
	any      bool
	skipped  int64
	versions int64
	err      error
}

// Next goes to the next row. It is false at the end and on an error, which Err tells.
func (r *Rows) Next() bool {
	for r.err == nil {
		if r.started {
			if r.err = r.advance(); r.err != nil {
				return false
			}
		}
		if len(r.heap) == 0 {
			return false
		}
		r.started = true
		visible, err := r.look(r.heap[0])
		if err != nil {
			r.err = inFile(err, r.heap[0].scan.name)
			return false
		}
		if visible {
			return true
		}
	}
	return false
}

// look tells whether the version that a run stands on is a row to be seen.
func (r *Rows) look(top *sortedRun) (bool, error) {
	r.versions++
	if r.any {
		switch c := bytes.Compare(r.seen, top.key); {
		case c > 0:
			return false, damaged("its rows are not in order")
		case c == 0:
			if top.packed>>8 >= r.version>>8 {
				return false, damaged("two versions of a row have the sequence number %d", top.packed>>8)
			}
			r.version = top.packed
			return false, nil
		}
	}
	r.seen, r.version, r.any = append(r.seen[:0], top.key...), top.packed, true
	if top.packed>>8 > r.last {
		return false, damaged("a row has sequence number %d; the last in the MANIFEST is %d", top.packed>>8, r.last)
	}
	switch kind := valueType(top.packed); kind {
	case typeValue:
		if len(top.key) == 0 {
			r.skipped++
			return false, nil
		}
		return true, nil
	case typeDeletion, typeSingleDeletion:
		return false, nil
	default:
		return false, kind.refused()
	}
}

// refused says what a version is that is not read.
func (t valueType) refused() error {
	switch t {
	case typeMerge:
		return unsupported("has a merge operand")
	case typeBlobIndex:
		return unsupported("has a value in a blob file")
	case typeWideColumn:
		return unsupported("has a row with several columns")
	case typeDeletionWithTS:
		return unsupported("has a deletion with a timestamp")
	case typeRangeDeletion:
		return unsupported("has a range deletion")
	}
	return unsupported("has a row of type %d", uint8(t))
}

// advance moves the run whose row was looked at, and brings the smallest to the front again.
func (r *Rows) advance() error {
	h := r.heap
	ok, err := h[0].next()
	if err != nil {
		return err
	}
	if !ok {
		h[0] = h[len(h)-1]
		r.heap = h[:len(h)-1]
		r.sift(0)
		return nil
	}
	if len(h) == 1 {
		return nil
	}
	// Mostly the largest level goes on: one comparison with the next of the others tells.
	if r.second == 0 {
		r.second = 1
		if len(h) > 2 && h[2].before(h[1]) {
			r.second = 2
		}
	}
	if h[r.second].before(h[0]) {
		r.sift(0)
	}
	return nil
}

// sift moves down what stands at i.
func (r *Rows) sift(i int) {
	h := r.heap
	r.second = 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// Key of the row, never empty. Valid until Next.
func (r *Rows) Key() []byte { return r.heap[0].key }

// Value of the row as it stands in the file: in the column family default, what package pegkey takes apart. Valid until Next.
func (r *Rows) Value() []byte { return r.heap[0].value }

// Err is what ended the rows early, an [*Error], or nil.
func (r *Rows) Err() error { return r.err }

// Skipped is how many rows with an empty key were passed over so far: no client can write one, the server does, once per
// partition.
func (r *Rows) Skipped() int64 { return r.skipped }

// Versions is how many versions of rows were read so far, deletions and hidden ones included.
func (r *Rows) Versions() int64 { return r.versions }

// Close closes the files. Key, Value and Next must not be called after it.
func (r *Rows) Close() error {
	var errs []error
	for _, run := range r.heap {
		errs = append(errs, run.close())
	}
	r.heap = nil
	r.unpack.close()
	return errors.Join(errs...)
}
