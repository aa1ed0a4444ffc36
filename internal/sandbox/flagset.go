package sandbox

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// setFlag does what update_flag does and returns the text that /updateConfig shows.
// Except for the interval of config sync and the rates of nfs, nothing in a sandbox
// depends on flags that can be changed.
func (s *server) setFlag(name, value string) string {
	f, ok := s.flag(name)
	switch {
	case !ok:
		return flagNotFound(name)
	case f.Tags != mutableTag:
		return fmt.Sprintf("ERR_INVALID_PARAMETERS: %s is not mutable", name)
	case f.Type == "FV_STRING":
		return "ERR_INVALID_PARAMETERS: string modifications are not supported"
	case !flagValueValid(f.Type, value):
		return fmt.Sprintf("ERR_INVALID_PARAMETERS: %s is invalid", value)
	case name == flagConfigSync && value == "0":
		return "ERR_INVALID_PARAMETERS: value validation failed"
	}
	if f.Type == "FV_BOOL" {
		value = strings.ToLower(value)
	}
	s.settings.set(name, value)
	return "ERR_OK"
}

// flagValueValid tells whether a server can read a value of this type (buf2*).
func flagValueValid(kind, value string) bool {
	var err error
	switch kind {
	case "FV_BOOL":
		return strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	case "FV_INT32":
		_, err = strconv.ParseInt(value, 10, 32)
	case "FV_INT64":
		_, err = strconv.ParseInt(value, 10, 64)
	case "FV_UINT32":
		_, err = strconv.ParseUint(value, 10, 32)
	case "FV_UINT64":
		_, err = strconv.ParseUint(value, 10, 64)
	case "FV_DOUBLE":
		_, err = strconv.ParseFloat(value, 64)
	}
	return err == nil
}

// configSyncInterval is how often the server takes envs from the meta now; it is the
// one interval that can be changed while the server runs.
func (n *replicaNode) configSyncInterval() time.Duration {
	value, ok := n.srv.settings.get(flagConfigSync)
	if !ok {
		return n.c.timing.ConfigSync
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ms < 1 || ms > math.MaxInt64/int64(time.Millisecond) {
		return n.c.timing.ConfigSync
	}
	return time.Duration(ms) * time.Millisecond
}
