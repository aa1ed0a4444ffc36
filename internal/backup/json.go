package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// decodeObject reads one JSON object by the rule of the servers (src/common/json_helper.h of 2.5.0): either every known
// key is there, and unknown ones may be too, or no unknown one is there, and known ones may be missing. Keys are compared
// exactly, which package encoding/json does not do by itself. A key that comes twice is refused: which one counts differs
// between decoders. fields maps keys to pointers.
func decodeObject(data []byte, fields map[string]any) error {
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("not a JSON object"), err)
	}
	seen, known := map[string]bool{}, 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok || seen[key] {
			return fmt.Errorf("key %v comes twice", t)
		}
		seen[key] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		into, ok := fields[key]
		if !ok {
			continue
		}
		known++
		if err := decodeValue(raw, into); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	if known < len(fields) && known < len(seen) {
		return fmt.Errorf("%d of its %d keys are missing and others are there; the servers read no such file", len(fields)-known, len(fields))
	}
	return nil
}

func decodeValue(raw json.RawMessage, into any) error {
	if string(raw) == "null" {
		return errors.New("null")
	}
	switch into := into.(type) {
	case *bool: // the servers write 0 and 1
		var n int32
		if json.Unmarshal(raw, &n) == nil {
			*into = n != 0
			return nil
		}
		return json.Unmarshal(raw, into)
	case *[]File:
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		*into = make([]File, len(list))
		for i, item := range list {
			f := &(*into)[i]
			if err := decodeObject(item, map[string]any{"name": &f.Name, "size": &f.Size, "md5": &f.MD5}); err != nil {
				return fmt.Errorf("file %d: %w", i, err)
			}
		}
		return nil
	}
	return json.Unmarshal(raw, into)
}

// encodeJSON gives the bytes that rapidjson's writer gives: no white space, and none of the escapes that package
// encoding/json adds for browsers.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
