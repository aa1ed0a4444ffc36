package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// envHint validates one env of UPDATE_APP_ENV as app_env_validator.cpp of 2.5.0
// does, and returns the hint that a refusal carries, "" for a valid one.
func envHint(key, value string) string {
	switch key {
	case envDeny:
		return denyHint(value)
	case envWriteQPS, envWriteSize, envReadQPS, "replica.backup_request_throttling":
		return throttlingHint(value)
	case envReadSize:
		if _, _, ok := readSizeLimit(value); !ok {
			return "wrong format, you can set like 20000 or 20K"
		}
	case "replica.slow_query_threshold":
		if n, err := strconv.ParseUint(value, 10, 64); err != nil || n < 20 {
			return "Slow query threshold must be >= 20ms"
		}
	case envIterationMs:
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			return "Rocksdb iteration threshold must be greater than zero"
		}
	case "replica.rocksdb_block_cache_enabled", envValidateHash, "rocksdb.allow_ingest_behind":
		if !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
			return fmt.Sprintf("invalid string %s, should be \"true\" or \"false\"", value)
		}
	case envWriteBuffer, envNumLevels:
		return rocksOptionHint(key, value)
	default:
		if !uncheckedEnv(key) {
			return fmt.Sprintf("app_env \"%s\" is not supported", key)
		}
	}
	return ""
}

// RocksDB options among the envs, the only ones that CREATE_APP validates.
const (
	envWriteBuffer = "rocksdb.write_buffer_size"
	envNumLevels   = "rocksdb.num_levels"
)

// createEnvsValid checks the envs of CREATE_APP; all but RocksDB options are stored
// unseen.
func createEnvsValid(envs map[string]string) bool {
	for _, key := range []string{envWriteBuffer, envNumLevels} {
		if v, ok := envs[key]; ok && rocksOptionHint(key, v) != "" {
			return false
		}
	}
	return true
}

func rocksOptionHint(key, value string) string {
	if key == envNumLevels {
		switch n, err := strconv.ParseInt(value, 10, 32); {
		case err != nil:
			return "rocksdb.num_levels cannot set this val: " + value
		case n < 1 || n > 10:
			return "rocksdb.num_levels suggest set val in range [1 , 10]"
		}
		return ""
	}
	switch n, err := strconv.ParseUint(value, 10, 64); {
	case err != nil:
		return "rocksdb.write_buffer_size cannot set this val: " + value
	case n < 16<<20 || n > 512<<20:
		return "rocksdb.write_buffer_size suggest set val in range [16777216, 536870912]"
	}
	return ""
}

// uncheckedEnv tells whether 2.5.0 takes any value for a key.
func uncheckedEnv(key string) bool {
	switch key {
	case envDefaultTTL, envUsageScenario, "user_specified_compaction", "business.info",
		"rocksdb.checkpoint.reserve_min_count", "rocksdb.checkpoint.reserve_time_seconds",
		envCompactDisabled, "manual_compact.max_concurrent_running_count",
		envCompactTrigger, envCompactLevel, envCompactBottommost,
		"manual_compact.periodic.trigger_time", "manual_compact.periodic.target_level",
		"manual_compact.periodic.bottommost_level_compaction",
		"replica_access_controller.allowed_users", "replica_access_controller.ranger_policies":
		return true
	default:
		return false
	}
}

func denyHint(value string) string {
	switch value {
	case "timeout*all", "timeout*write", "timeout*read", "reconfig*all", "reconfig*write", "reconfig*read":
		return ""
	default:
		return "Invalid deny client args, valid include: timeout*all, timeout*write, timeout*read; " +
			"reconfig*all, reconfig*write, reconfig*read"
	}
}

// throttlingHint is check_throttling.
func throttlingHint(value string) string {
	if value == "" {
		return "The value shouldn't be empty"
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		fields := strings.Split(part, "*")
		if len(fields) != 3 {
			return fmt.Sprintf("The field count of %s should be 3", part)
		}
		units := strings.TrimSuffix(fields[0], "K")
		if units == fields[0] {
			units = strings.TrimSuffix(units, "M")
		}
		if n, err := strconv.ParseInt(units, 10, 64); err != nil || n < 0 {
			return fmt.Sprintf("%s should be non-negative int", units)
		}
		if fields[1] != "delay" && fields[1] != "reject" {
			return fmt.Sprintf("%s should be \"delay\" or \"reject\"", fields[1])
		}
		if seen[fields[1]] {
			return fmt.Sprintf("duplicate %s config", fields[1])
		}
		seen[fields[1]] = true
		if n, err := strconv.ParseInt(fields[2], 10, 64); err != nil || n < 0 {
			return fmt.Sprintf("%s should be non-negative int", fields[2])
		}
	}
	return ""
}
