package geo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// Defaults of section [geo_client.lib] of the client's configuration (geo_client.cpp).
const (
	DefaultLatitudeIndex  = 5
	DefaultLongitudeIndex = 4
	DefaultMinLevel       = 12
)

// separator parts the pieces of a value (latlng_codec.cpp, decode_from_value).
const separator = '|'

// Spec says where values have their position, and how wide the cells of hash keys are.
type Spec struct {
	// LatitudeIndex and LongitudeIndex count the pieces of a value from 0 on; they differ.
	LatitudeIndex, LongitudeIndex int
	// MinLevel is the S2 level of the cells that are hash keys, 0 to 29: min_level of the client, which stands for
	// as long as the index table does.
	MinLevel int
}

// Check refuses a Spec that the geo client would refuse as well.
func (s Spec) Check() error {
	switch {
	case s.LatitudeIndex < 0 || s.LongitudeIndex < 0:
		return fmt.Errorf("latitude_index %d and longitude_index %d are counted from 0 on", s.LatitudeIndex, s.LongitudeIndex)
	case s.LatitudeIndex == s.LongitudeIndex:
		return fmt.Errorf("latitude_index and longitude_index are both %d", s.LatitudeIndex)
	case s.MinLevel < 0 || s.MinLevel >= maxLevel:
		return fmt.Errorf("min_level %d is not from 0 to %d", s.MinLevel, maxLevel-1)
	}
	return nil
}

// ErrNoPosition says that a value has no latitude and longitude where they should be.
var ErrNoPosition = errors.New("no position in the value")

// Position reads latitude and longitude in degrees. The error wraps ErrNoPosition.
//
// A value with fewer pieces than the larger index takes the last piece for it, as the geo client does; one that
// ends before the smaller index has no position.
func (s Spec) Position(value []byte) (lat, lng float64, err error) {
	low, high := min(s.LatitudeIndex, s.LongitudeIndex), max(s.LatitudeIndex, s.LongitudeIndex)
	first, rest, found := piece(value, low)
	if !found {
		return 0, 0, fmt.Errorf("%w: it ends before piece %d", ErrNoPosition, high)
	}
	second, _, _ := piece(rest, high-low-1)
	if s.LatitudeIndex > s.LongitudeIndex {
		first, second = second, first
	}
	lat, ok := parseDouble(first)
	if !ok {
		return 0, 0, fmt.Errorf("%w: the latitude is not a number", ErrNoPosition)
	}
	lng, ok = parseDouble(second)
	if !ok {
		return 0, 0, fmt.Errorf("%w: the longitude is not a number", ErrNoPosition)
	}
	// S2LatLng::is_valid, in radians as it looks at them.
	if math.Abs(radians(lat)) > math.Pi/2 || math.Abs(radians(lng)) > math.Pi {
		return 0, 0, fmt.Errorf("%w: latitude %g, longitude %g is no place on earth", ErrNoPosition, lat, lng)
	}
	return lat, lng, nil
}

// piece gives the n-th piece of a text and what follows the separator behind it. Without such a separator found
// is false, and text is the last piece.
func piece(line []byte, n int) (text, rest []byte, found bool) {
	for {
		end := bytes.IndexByte(line, separator)
		if end < 0 {
			return line, nil, false
		}
		if n == 0 {
			return line[:end], line[end+1:], true
		}
		line, n = line[end+1:], n-1
	}
}
