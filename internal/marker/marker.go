package marker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Env is the table env that carries the marker: free text that no server interprets
// (src/common/replica_envs.cpp, business.info).
const Env = "business.info"

// prefix makes a marker recognisable to people who read the env, and to Parse.
const prefix = "pegmigrate: "

// Version is the version of the marker's form.
const Version = 1

// Marker is what the env says about the migration that owns the table.
type Marker struct {
	Version   int       `json:"v"`
	Lineage   string    `json:"lineage"`
	Migration string    `json:"migration"`
	Owner     string    `json:"owner"` // user@host
	Since     time.Time `json:"since"`
	// Role is "source" or "target".
	Role string `json:"role"`
	// Peer is the other table, "cluster name/table".
	Peer string `json:"peer"`
	// Prior is the text that the env held before.
	Prior Prior `json:"prior"`
	// TargetExisted says whether the target was there before; when not, this migration creates it
	// with an app id above TargetHighestID.
	TargetExisted   bool  `json:"target_existed"`
	TargetHighestID int32 `json:"target_highest_id"`
	// TargetID is the app id of the target that this migration created, 0 until that is known. Ids
	// are never used twice, so it proves whose table that is when its own marker is gone already.
	TargetID int32 `json:"target_id,omitempty"`
	// SourceEnvs and TargetEnvs are the prior values of the envs that the migration changes.
	SourceEnvs map[string]Prior `json:"source_envs,omitempty"`
	TargetEnvs map[string]Prior `json:"target_envs,omitempty"`
	// SourceLevel is the meta function level of the source's cluster before the migration held it,
	// "" when it is not held.
	SourceLevel string `json:"source_level,omitempty"`
	// TargetLevel is that of the target's cluster, "" when nothing sets it.
	TargetLevel string `json:"target_level,omitempty"`
	// Rates are the values of the flags that limit transfers before the migration set them, by "cluster flag" and
	// replica server.
	Rates map[string]map[string]string `json:"rates,omitempty"`
	// Ticket is until when the migration's return ticket is valid, zero without one.
	Ticket time.Time `json:"ticket,omitzero"`
}

// Format writes the env's value.
func Format(m Marker) (string, error) {
	m.Version = Version
	data, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("format the ownership marker: %w", err)
	}
	return prefix + string(data), nil
}

// ErrDamaged says that a text starts like a marker but cannot be read as one.
var ErrDamaged = errors.New("damaged ownership marker")

// Parse reads an env's value. The result is nil, nil for a text that is no marker.
func Parse(text string) (*Marker, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return nil, nil
	}
	m := &Marker{}
	if err := json.Unmarshal([]byte(rest), m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if m.Version != Version || m.Lineage == "" || m.Migration == "" {
		return nil, fmt.Errorf("%w: version %d, lineage %q, migration %q", ErrDamaged, m.Version, m.Lineage, m.Migration)
	}
	return m, nil
}
