package marker

import (
	"encoding/json"
	"unicode/utf8"
)

// Prior is the value of an env before the migration changed it. In JSON a value that is not UTF-8
// is kept as base64: business.info is free text in whatever encoding somebody's shell had, and it
// has to come back byte for byte.
type Prior struct {
	Had   bool
	Value string
}

// PriorOf looks a key up in a table's envs.
func PriorOf(envs map[string]string, key string) Prior {
	v, ok := envs[key]
	return Prior{Had: ok, Value: v}
}

// priorJSON is the form of a Prior in a marker and in a state document.
type priorJSON struct {
	Had   bool   `json:"had"`
	Value string `json:"value,omitempty"`
	Bytes []byte `json:"bytes,omitempty"` // instead of Value
}

// MarshalJSON implements json.Marshaler.
func (p Prior) MarshalJSON() ([]byte, error) {
	j := priorJSON{Had: p.Had, Value: p.Value}
	if !utf8.ValidString(p.Value) {
		j.Value, j.Bytes = "", []byte(p.Value)
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Prior) UnmarshalJSON(data []byte) error {
	var j priorJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	p.Had, p.Value = j.Had, j.Value
	if len(j.Bytes) > 0 {
		p.Value = string(j.Bytes)
	}
	return nil
}
