package traffic

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

const (
	// expirySlack is by how much an expiry may differ, in seconds: clocks are read before and after, and
	// rounded.
	expirySlack = 2
	// maxFindings bounds the findings that are told in full; all are counted.
	maxFindings = 20
)

// Row is a row of the table that a journal is compared with, the key as servers store it.
type Row struct {
	Key, Value []byte
	// Expire is in seconds since 2016, 0 for never.
	Expire uint32
}

// Report is what a comparison found.
type Report struct {
	// Keys is how many keys the journal names, Acked how many writes were acknowledged, Open how many
	// ended without anybody knowing how.
	Keys  int   `json:"keys"`
	Acked int64 `json:"acked"`
	Open  int64 `json:"open"`
	// Rows is how many rows of the table the journal knows, Others how many it does not: rows that
	// were there before the writer.
	Rows   int `json:"rows"`
	Others int `json:"others"`
	// Missing: acknowledged as written, not there. Wrong: there with a value that no write which may
	// have been the last one gave it. Resurrected: acknowledged as deleted, there. Expiry: there with
	// another expiry than was written.
	Missing     int `json:"missing"`
	Wrong       int `json:"wrong"`
	Resurrected int `json:"resurrected"`
	Expiry      int `json:"expiry"`
	// Stamped counts rows written without an expiry that have one, as default_ttl gives it. That is
	// no finding.
	Stamped int `json:"stamped"`
	// Torn tells that the journal's last line is cut off: its writer was killed in the middle of it.
	Torn     bool      `json:"torn"`
	Findings []Finding `json:"findings"`
}

// Finding is one key that is not as it must be.
type Finding struct {
	Kind string `json:"kind"`
	Hash string `json:"hash"`
	Sort string `json:"sort"`
	Text string `json:"text"`
}

// OK tells whether nothing that was acknowledged is lost and nothing came back.
func (r *Report) OK() bool { return r.Missing+r.Wrong+r.Resurrected+r.Expiry == 0 }

// keyState is what a key may hold: what was acknowledged last, or what any write left open made of it.
type keyState struct {
	acked *entry // nil when nothing was
	open  []*entry
	seen  bool
}

// Check compares a journal with all rows of a table. now is what expiry is measured by.
func Check(journal io.Reader, rows iter.Seq2[Row, error], now time.Time) (*Report, error) {
	r := &Report{Findings: []Finding{}}
	keys, err := r.fold(journal)
	if err != nil {
		return nil, err
	}
	r.Keys = len(keys)
	for row, err := range rows {
		if err != nil {
			return nil, fmt.Errorf("rows: %w", err)
		}
		hash, sort, err := pegkey.Decode(row.Key)
		if err != nil {
			return nil, fmt.Errorf("rows: %w", err)
		}
		k := Key{string(hash), string(sort)}
		if s := keys[k]; s != nil {
			r.Rows++
			s.seen = true
			r.compare(k, s, row)
		} else {
			r.Others++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(keys), compareKeys) {
		if s := keys[k]; !s.seen && !s.mayBeAbsent(now) {
			r.Missing++
			r.find("missing", k, "value %q was acknowledged (write %d)", s.acked.Value, s.acked.N)
		}
	}
	return r, nil
}

func compareKeys(a, b Key) int {
	switch {
	case a == b:
		return 0
	case a.Hash < b.Hash, a.Hash == b.Hash && a.Sort < b.Sort:
		return -1
	}
	return 1
}

func (r *Report) find(kind string, k Key, format string, args ...any) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{kind, k.Hash, k.Sort, fmt.Sprintf(format, args...)})
	}
}

// fold reads a journal.
func (r *Report) fold(journal io.Reader) (map[Key]*keyState, error) {
	keys, sent := map[Key]*keyState{}, map[int64]*entry{}
	in := bufio.NewReader(journal)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			r.Torn = len(line) > 0
			break
		}
		if err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("journal: line %d: %w", n, err)
		}
		if e.Op != "" {
			sent[e.N] = &e
			k := Key{e.Hash, e.Sort}
			if keys[k] == nil {
				keys[k] = &keyState{}
			}
			continue
		}
		w := sent[e.N]
		if w == nil {
			return nil, fmt.Errorf("journal: line %d: write %d ended and was never sent", n, e.N)
		}
		delete(sent, e.N)
		w.Expire, w.Later = e.Expire, e.Later
		r.end(keys[Key{w.Hash, w.Sort}], w, e.End)
	}
	for _, w := range sent {
		r.end(keys[Key{w.Hash, w.Sort}], w, endOpen)
	}
	return keys, nil
}

func (r *Report) end(s *keyState, w *entry, how string) {
	if how == endAcked || how == endAckedOpen {
		r.Acked++
		s.acked = w
	}
	if how == endOpen || how == endAckedOpen {
		r.Open++
		s.open = append(s.open, w)
	}
}

// mayBeAbsent tells whether a key that is not there is as it should be.
func (s *keyState) mayBeAbsent(now time.Time) bool {
	if s.acked == nil || s.acked.Op == opDelete || expired(s.acked, now) {
		return true
	}
	return slices.ContainsFunc(s.open, func(w *entry) bool { return w.Op == opDelete || expired(w, now) })
}

func expired(w *entry, now time.Time) bool {
	return w.Expire > 0 && pegkey.Expired(w.Expire, now.Add(expirySlack*time.Second))
}

// compare looks at a row that is there.
func (r *Report) compare(k Key, s *keyState, row Row) {
	may := s.open
	if s.acked != nil {
		may = append([]*entry{s.acked}, may...)
	}
	puts := 0
	for _, w := range may {
		if w.Op != opPut {
			continue
		}
		puts++
		if w.Value != string(row.Value) {
			continue
		}
		switch {
		case w != s.acked && w.Expire == 0:
			// Nobody told with which expiry an open write was sent.
		case w.Expire == 0 && row.Expire != 0:
			r.Stamped++
		case row.Expire+expirySlack < w.Expire || row.Expire > w.Expire+w.Later+expirySlack:
			r.Expiry++
			r.find("expiry", k, "it is %d, written was %d (write %d)", row.Expire, w.Expire, w.N)
		}
		return
	}
	switch {
	case puts == 0:
		r.Resurrected++
		r.find("resurrected", k, "value %q is there; %s", row.Value, s.last())
	default:
		r.Wrong++
		r.find("wrong", k, "it holds %q; %s", row.Value, s.last())
	}
}

func (s *keyState) last() string {
	text := "nothing was acknowledged"
	if s.acked != nil {
		text = fmt.Sprintf("the last acknowledged write (%d) was %s %q", s.acked.N, s.acked.Op, s.acked.Value)
	}
	for _, w := range s.open {
		text += fmt.Sprintf(", open is write %d, %s %q", w.N, w.Op, w.Value)
	}
	return text
}
