package rowfilter

import "bytes"

// Kind is how a pattern is compared.
type Kind uint8

// The kinds. All takes everything, whatever the pattern says.
const (
	All Kind = iota
	Anywhere
	Prefix
	Postfix
	Exact
)

// Match compares one part of a row with a pattern. The zero value takes everything. It is not changed by its use, so
// it may be shared between goroutines.
type Match struct {
	Kind    Kind
	Pattern []byte
}

// Takes says whether the bytes match. As on the servers, every text has the empty pattern in it; only Exact tells the
// empty text from others.
func (m Match) Takes(b []byte) bool {
	switch m.Kind {
	case Anywhere:
		return bytes.Contains(b, m.Pattern)
	case Prefix:
		return bytes.HasPrefix(b, m.Pattern)
	case Postfix:
		return bytes.HasSuffix(b, m.Pattern)
	case Exact:
		return bytes.Equal(b, m.Pattern)
	}
	return true
}

// Filter takes the rows that all three of its matches take. The zero value takes every row.
type Filter struct{ HashKey, SortKey, Value Match }

// All says that every row is taken, so that nothing has to be looked at.
func (f Filter) All() bool {
	return f.HashKey.Kind == All && f.SortKey.Kind == All && f.Value.Kind == All
}

// Takes says whether a row is meant. value is what the user wrote, without the header in front of it.
func (f Filter) Takes(hashKey, sortKey, value []byte) bool {
	return f.HashKey.Takes(hashKey) && f.SortKey.Takes(sortKey) && f.Value.Takes(value)
}
