package metaproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"unicode/utf8"
)

// The fields that MetaProxy reads (meta/client.go, newTableInfo).
const (
	fieldCluster = "cluster_name"
	fieldMetas   = "meta_addrs"
)

// maxRecord bounds a record in bytes; ZooKeeper's own limit for a znode is 1 MiB (jute.maxbuffer).
const maxRecord = 512 << 10

// Record is a route record.
type Record struct {
	ClusterName string
	MetaAddrs   []string
	// Raw is the whole record as it is stored.
	Raw []byte
	// Version is the znode's, raised by every write.
	Version int32
}

// span is where a value stands in a record.
type span struct{ from, to int }

// Decode reads a record. With ErrTooFewAddrs the record is given as well: everything in it is
// readable, only MetaProxy does not serve it.
func Decode(raw []byte) (Record, error) {
	r := Record{Raw: raw}
	cluster, metas, err := locate(raw)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(raw[cluster.from:cluster.to], &r.ClusterName); err != nil {
		return r, fmt.Errorf("%w: %s is no string", ErrInvalid, fieldCluster)
	}
	var list string
	if err := json.Unmarshal(raw[metas.from:metas.to], &list); err != nil {
		return r, fmt.Errorf("%w: %s is no string", ErrInvalid, fieldMetas)
	}
	r.MetaAddrs = strings.Split(list, ",")
	if len(r.MetaAddrs) < 2 {
		return r, ErrTooFewAddrs
	}
	for _, a := range r.MetaAddrs {
		// MetaProxy cuts at commas and nothing else: a blank stays part of the address.
		if err := checkAddr(a); err != nil {
			return r, fmt.Errorf("%w: %s: %w", ErrInvalid, fieldMetas, err)
		}
	}
	return r, nil
}

// With is the record's text with another cluster. Everything else stays byte for byte: other fields,
// their order, the form of their numbers, white space. A single meta server is written twice.
func (r Record) With(cluster string, metas []string) ([]byte, error) {
	if cluster == "" || !utf8.ValidString(cluster) {
		return nil, fmt.Errorf("%q is no name of a cluster", cluster)
	}
	if len(metas) == 0 {
		return nil, fmt.Errorf("cluster %q has no meta server", cluster)
	}
	for _, a := range metas {
		if err := checkAddr(a); err != nil {
			return nil, err
		}
	}
	if len(metas) == 1 {
		metas = []string{metas[0], metas[0]}
	}
	at, list, err := locate(r.Raw)
	if err != nil {
		return nil, err
	}
	edits := []edit{{at, quote(cluster)}, {list, quote(strings.Join(metas, ","))}}
	if list.from < at.from {
		edits[0], edits[1] = edits[1], edits[0]
	}
	var out []byte
	last := 0
	for _, e := range edits {
		out = append(append(out, r.Raw[last:e.at.from]...), e.text...)
		last = e.at.to
	}
	out = append(out, r.Raw[last:]...)
	if len(out) > maxRecord {
		return nil, fmt.Errorf("the record would have %d bytes, more than %d", len(out), maxRecord)
	}
	return out, nil
}

// edit puts text in the place of a value.
type edit struct {
	at   span
	text []byte
}

// quote is a JSON string as people write it, without \u003c for <.
func quote(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// locate finds the two values. Names count without regard to case, as Go's JSON decoder in MetaProxy
// takes them; a record with two of one name would be read differently by others and is refused.
func locate(raw []byte) (cluster, metas span, err error) {
	bad := func(format string, args ...any) (span, span, error) {
		return span{}, span{}, fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	if len(raw) > maxRecord {
		return bad("it has %d bytes", len(raw))
	}
	if !json.Valid(raw) {
		return bad("it is no valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return bad("it is no JSON object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return bad("%v", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return bad("%v", err)
		}
		end := int(dec.InputOffset())
		at := span{end - len(value), end}
		for field, found := range map[string]*span{fieldCluster: &cluster, fieldMetas: &metas} {
			if key, _ := name.(string); !strings.EqualFold(key, field) {
				continue
			}
			if found.to != 0 {
				return bad("it names %s twice", field)
			}
			*found = at
		}
	}
	switch {
	case cluster.to == 0:
		return bad("it has no %s", fieldCluster)
	case metas.to == 0:
		return bad("it has no %s", fieldMetas)
	}
	return cluster, metas, nil
}

// checkAddr wants "host:port" without anything that a record's list cannot hold.
func checkAddr(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" || port == "" || strings.ContainsAny(a, ", \t\r\n") || !utf8.ValidString(a) {
		return fmt.Errorf("%q is no address of a meta server (host:port)", a)
	}
	return nil
}
