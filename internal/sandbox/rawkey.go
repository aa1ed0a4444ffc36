package sandbox

import (
	"bytes"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// nextKey is the first raw key behind all that start with this hash key and sort
// key prefix (pegasus_generate_next_blob).
func nextKey(hashKey, sortPrefix []byte) []byte {
	raw := pegkey.Encode(nil, hashKey, sortPrefix)
	end := len(raw)
	for end > 0 && raw[end-1] == 0xff {
		end--
	}
	if end == 0 {
		return raw
	}
	raw[end-1]++
	return raw[:end]
}

// splitKey is pegkey.Decode for keys of the store; the server's empty key gives two
// empty parts.
func splitKey(raw []byte) (hashKey, sortKey []byte) {
	hashKey, sortKey, err := pegkey.Decode(raw)
	if err != nil {
		return nil, nil
	}
	return hashKey, sortKey
}

// filterKnown tells whether servers support a filter type.
func filterKnown(t idl.FilterType) bool { return t >= idl.FilterNone && t <= idl.FilterPostfix }

// filterMatches is validate_filter of pegasus_server_impl.cpp.
func filterMatches(t idl.FilterType, pattern, key []byte) bool {
	if t == idl.FilterNone || len(pattern) == 0 {
		return true
	}
	switch t {
	case idl.FilterAnywhere:
		return bytes.Contains(key, pattern)
	case idl.FilterPrefix:
		return bytes.HasPrefix(key, pattern)
	case idl.FilterPostfix:
		return bytes.HasSuffix(key, pattern)
	default:
		return false
	}
}

// parseInt reads the text of a counter as servers do (dsn::buf2int64).
func parseInt(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
