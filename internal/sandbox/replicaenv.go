package sandbox

import (
	"strconv"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// Keys of table envs that the sandbox acts on (src/common/replica_envs.h).
const (
	envDeny              = "replica.deny_client_request"
	envDefaultTTL        = "default_ttl"
	envWriteQPS          = "replica.write_throttling"
	envWriteSize         = "replica.write_throttling_by_size"
	envReadQPS           = "replica.read_throttling"
	envReadSize          = "replica.read_throttling_by_size"
	envValidateHash      = "replica.split.validate_partition_hash"
	envIterationMs       = "replica.rocksdb_iteration_threshold_time_ms"
	envUsageScenario     = "rocksdb.usage_scenario"
	envCompactOnce       = "manual_compact.once."
	envCompactTrigger    = "manual_compact.once.trigger_time"
	envCompactLevel      = "manual_compact.once.target_level"
	envCompactBottommost = "manual_compact.once.bottommost_level_compaction"
	envCompactDisabled   = "manual_compact.disabled"
)

// defaultIteration is rocksdb_iteration_threshold_time_ms = 30000.
const defaultIteration = 30 * time.Second

// replicaEnv is what one replica made of the table envs that reached it. It lags
// behind what the meta says: primaries learn with config sync, secondaries with
// group check.
type replicaEnv struct {
	// version is that of the table's envs, 0 for none yet, and envs what they are;
	// the map is shared and never changed.
	version int64
	envs    map[string]string

	denyRead, denyWrite, denyReconfig bool

	// defaultTTL stays as it is when the env is deleted: update_default_ttl only
	// acts when the key is present. It is lost with the process.
	defaultTTL   uint32
	validateHash bool
	iteration    time.Duration // 0 means no limit
	scenario     string
	trigger      int64 // of the last manual compaction

	writeQPS, writeSize, readQPS throttle
	readSize                     bucket
}

// newReplicaEnv is what a replica has before any env reaches it.
func newReplicaEnv() replicaEnv {
	return replicaEnv{iteration: defaultIteration, scenario: "normal"}
}

func (e *replicaEnv) throttlesWrites() bool { return e.writeQPS.enabled() || e.writeSize.enabled() }

// denied is what a fenced request gets.
func (e *replicaEnv) denied() admission {
	if e.denyReconfig {
		return admission{code: idl.ErrInvalidState}
	}
	return admission{silent: true}
}

// update takes over the table's envs. It reports whether a manual compaction is to
// run now, which a newer trigger time means.
func (e *replicaEnv) update(envs map[string]string, version int64, partitions int32) (compact bool) {
	if version == e.version {
		return false
	}
	e.version, e.envs = version, envs
	mode, scope, _ := strings.Cut(envs[envDeny], "*")
	e.denyReconfig = mode == "reconfig"
	e.denyRead = scope == "read" || scope == "all"
	e.denyWrite = scope == "write" || scope == "all"
	if v, ok := envs[envDefaultTTL]; ok {
		if ttl, err := strconv.ParseInt(v, 10, 32); err == nil && ttl >= 0 {
			e.defaultTTL = uint32(ttl)
		}
	}
	e.validateHash = strings.EqualFold(envs[envValidateHash], "true")
	e.iteration = defaultIteration
	if ms, err := strconv.ParseInt(envs[envIterationMs], 10, 64); err == nil && ms >= 0 {
		e.iteration = time.Duration(ms) * time.Millisecond
	}
	e.updateScenario(envs[envUsageScenario])
	e.writeQPS.set(envs[envWriteQPS], partitions)
	e.writeSize.set(envs[envWriteSize], partitions)
	e.readQPS.set(envs[envReadQPS], partitions)
	e.readSize.set(envs[envReadSize], partitions)
	trigger, err := strconv.ParseInt(envs[envCompactTrigger], 10, 64)
	if err != nil || trigger <= e.trigger || strings.EqualFold(envs[envCompactDisabled], "true") {
		return false
	}
	e.trigger = trigger
	return true
}

// updateScenario ignores values that servers do not know; none means normal.
func (e *replicaEnv) updateScenario(v string) {
	switch v {
	case "":
		e.scenario = "normal"
	case "normal", "prefer_write", "bulk_load":
		e.scenario = v
	}
}
