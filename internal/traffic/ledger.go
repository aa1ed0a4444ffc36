package traffic

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
)

// slot is one key that a writer writes, and what readers may expect of it. When nobody knows how a
// write ended, the key is left alone for ever and the slot goes on with another: a write that is done
// late would otherwise look like a lost one.
type slot struct {
	mu         sync.Mutex
	name       string
	found      *Key // the first key: that of a row that was there before; nil for one of the run's own
	generation int
	sent       int64 // number of the last write that was sent
	acked      int64 // number of the last that was acknowledged, 0 for none
	deleted    bool  // what that was
}

// key names the slot's present key.
func (s *slot) key() Key {
	if s.found != nil && s.generation == 0 {
		return *s.found
	}
	return Key{Hash: fmt.Sprintf("%s.%d", s.name, s.generation), Sort: "s"}
}

// fresh tells that there is no row to delete.
func (s *slot) fresh() bool {
	if s.found != nil && s.generation == 0 && s.acked == 0 {
		return false
	}
	return s.acked == 0 || s.deleted
}

// expectation is what a reader may expect of a key.
type expectation struct {
	key         Key
	sent, acked int64
	deleted     bool
}

func (s *slot) expect() expectation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return expectation{s.key(), s.sent, s.acked, s.deleted}
}

// ledger is all slots of all writers of a run.
type ledger struct {
	// run is part of every key, so that no run finds rows of another.
	run   string
	mu    sync.RWMutex
	slots []*slot
}

func (l *ledger) add(name string) *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &slot{name: name}
	l.slots = append(l.slots, s)
	return s
}

// pick draws a slot, nil while there is none.
func (l *ledger) pick(random *rand.Rand) *slot {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.slots) == 0 {
		return nil
	}
	return l.slots[random.IntN(len(l.slots))]
}

// stale tells whether what a read gave, nil for no row, is older than what was acknowledged before it
// began. after is the expectation once the read has ended.
func stale(before, after expectation, value []byte) bool {
	if before.key != after.key || before.acked == 0 {
		return false
	}
	// Nothing else was on its way from before the read until after it.
	settled := before.sent == before.acked && after.sent == before.sent
	if value == nil {
		return settled && !before.deleted
	}
	if before.deleted && settled {
		return true
	}
	return written(value) < before.acked
}

// valueOf is what write n stores: its number, so that readers can tell its age, and filling.
func valueOf(n int64, size int) []byte {
	text := strconv.FormatInt(n, 10) + ":"
	return []byte(text + strings.Repeat("x", max(0, size-len(text))))
}

// written is the number of the write that a value comes from, -1 for a value that is nobody's.
func written(value []byte) int64 {
	text, _, ok := strings.Cut(string(value), ":")
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return -1
	}
	return n
}
