package traffic

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Kinds of write in a journal.
const (
	opPut    = "put"
	opDelete = "delete"
)

// How a write ended, in a journal. A write without any of these was on its way when the journal ended.
const (
	// ended acknowledged.
	endAcked = "ok"
	// ended refused: it was not done and never will be.
	endRefused = "no"
	// ended open: it may have been done, or may be yet.
	endOpen = "maybe"
	// ended acknowledged, after an attempt that stayed unanswered and may be done yet.
	endAckedOpen = "ok-maybe"
)

// syncEvery is how often a journal is forced to the disk. What is written is safe from the end of
// the process at once, from that of the machine after this long.
const syncEvery = 100 * time.Millisecond

// entry is a line of a journal: what is sent, before it is, or how it ended.
type entry struct {
	N int64 `json:"n"`
	// Of a line about what is sent.
	Op     string `json:"op,omitempty"`
	Hash   string `json:"h,omitempty"`
	Sort   string `json:"s,omitempty"`
	Value  string `json:"v,omitempty"`
	Client string `json:"c,omitempty"`
	// Of a line about how it ended.
	End string `json:"end,omitempty"`
	// Expire was written, in seconds since 2016.
	Expire uint32 `json:"e,omitempty"`
	// Later is by how many seconds it may be later, see Result.
	Later uint32 `json:"l,omitempty"`
	// At is Unix time in milliseconds.
	At int64 `json:"t"`
}

// Journal keeps what a writer sent and what was acknowledged to it. Its methods are safe for
// concurrent use.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	next   int64
	dirty  bool
	failed error
	stop   chan struct{}
	wg     sync.WaitGroup
}

// CreateJournal makes a journal; a file that is there already is an error, since its keys would mix.
// With an empty path it only numbers writes.
func CreateJournal(path string) (*Journal, error) {
	if path == "" {
		return &Journal{stop: make(chan struct{})}, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{file: file, stop: make(chan struct{})}
	j.wg.Go(j.syncAlways)
	return j, nil
}

func (j *Journal) syncAlways() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-j.stop:
			return
		}
		j.mu.Lock()
		dirty := j.dirty
		j.dirty = false
		j.mu.Unlock()
		if !dirty {
			continue
		}
		if err := j.file.Sync(); err != nil {
			j.mu.Lock()
			j.failed = errors.Join(j.failed, err)
			j.mu.Unlock()
		}
	}
}

// send takes down a write that is about to be sent and numbers it. The value of a put is made from
// the number, see valueOf.
func (j *Journal) send(e entry, size int) (n int64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	e.N = j.next
	if e.Op == opPut {
		e.Value = string(valueOf(e.N, size))
	}
	return e.N, j.append(e)
}

// end takes down how a write ended.
func (j *Journal) end(n int64, end string, r Result) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.append(entry{N: n, End: end, Expire: r.Expire, Later: r.Later})
}

// found takes down a row that was there before, as a write that was acknowledged.
func (j *Journal) found(k Key, value string, expire uint32) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	if err := j.append(entry{N: j.next, Op: opPut, Hash: k.Hash, Sort: k.Sort, Value: value}); err != nil {
		return err
	}
	return j.append(entry{N: j.next, End: endAcked, Expire: expire})
}

// append needs mu. It is one system call, so that no other process sees half a line.
func (j *Journal) append(e entry) error {
	if j.file == nil {
		return nil
	}
	if j.failed != nil {
		return fmt.Errorf("journal: %w", j.failed)
	}
	e.At = time.Now().UnixMilli()
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		j.failed = err
		return fmt.Errorf("journal: %w", err)
	}
	j.dirty = true
	return nil
}

// Close forces the journal to the disk.
func (j *Journal) Close() error {
	close(j.stop)
	j.wg.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	if err := errors.Join(j.failed, j.file.Sync(), j.file.Close()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
