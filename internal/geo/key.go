package geo

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// faceSize is the length of "f/", the face in front of the name of a cell.
const faceSize = 2

// Key appends the raw key of the index row of a data row, given by its raw key and its value, to dst. Without a
// position the error wraps ErrNoPosition and dst is returned as it was.
func (s Spec) Key(dst, raw, value []byte) ([]byte, error) {
	lat, lng, err := s.Position(value)
	if err != nil {
		return dst, err
	}
	name := leaf(lat, lng).String()
	cut := faceSize + s.MinLevel
	dst = pegkey.Encode(dst, []byte(name[:cut]), []byte(name[cut:]))
	return append(append(dst, ':'), raw...), nil
}

// errNotIndex says that a row cannot be one of an index.
var errNotIndex = errors.New("not a key of a geo index")

// Original gives the raw key of the data row that an index row stands for. It aliases key.
func (s Spec) Original(key []byte) (raw []byte, err error) {
	cell, rest, err := pegkey.Decode(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotIndex, err)
	}
	tail := maxLevel - s.MinLevel
	switch {
	case len(cell) != faceSize+s.MinLevel || cell[0] < '0' || cell[0] > '5' || cell[1] != '/' || !quarters(cell[faceSize:]):
		return nil, fmt.Errorf("%w: its hash key names no cell of level %d", errNotIndex, s.MinLevel)
	case len(rest) <= tail || rest[tail] != ':' || !quarters(rest[:tail]):
		return nil, fmt.Errorf("%w: its sort key names no leaf cell", errNotIndex)
	}
	raw = rest[tail+1:]
	if _, _, err := pegkey.Decode(raw); err != nil {
		return nil, fmt.Errorf("%w: it leads to no row: %w", errNotIndex, err)
	}
	return raw, nil
}

// quarters says whether a text is made of the digits of a cell's name.
func quarters(text []byte) bool { return len(bytes.Trim(text, "0123")) == 0 }
