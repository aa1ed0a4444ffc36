package sandbox

import "bytes"

// keyRange is a range of raw keys.
type keyRange struct {
	start, stop                   []byte
	startInclusive, stopInclusive bool
}

// empty tells whether no key at all can lie in the range.
func (k keyRange) empty() bool {
	c := bytes.Compare(k.start, k.stop)
	return c > 0 || (c == 0 && (!k.startInclusive || !k.stopInclusive))
}

// behind tells whether key, met while walking up or down, lies behind the range's
// far end.
func (k keyRange) behind(key []byte, down bool) bool {
	if down {
		c := bytes.Compare(key, k.start)
		return c < 0 || (c == 0 && !k.startInclusive)
	}
	c := bytes.Compare(key, k.stop)
	return c > 0 || (c == 0 && !k.stopInclusive)
}

// excluded tells whether key is an end that does not belong to the range.
func (k keyRange) excluded(key []byte) bool {
	return (!k.startInclusive && bytes.Equal(key, k.start)) || (!k.stopInclusive && bytes.Equal(key, k.stop))
}

// far is the end of the range that walking up or down leads to.
func (k keyRange) far(down bool) []byte {
	if down {
		return k.start
	}
	return k.stop
}
