package schema

import (
	"cmp"
	"slices"
	"strings"
)

// EnvSpec is one table env that the meta servers of Pegasus 2.5 accept in UPDATE_APP_ENV, or that
// they write themselves.
type EnvSpec struct {
	Key string
	// Form shows the values in a few words, for hints; "" for free text.
	Form string
	// Refused says why a migration must not declare the env on its target; "" when it may.
	Refused string

	validate func(value string) error
}

// Validate checks a value as the meta server does, and where the meta server of 2.5 checks nothing
// as the replicas do, which would ignore a bad value in silence. The error is a fragment of a
// sentence.
func (s EnvSpec) Validate(value string) error {
	if s.validate == nil {
		return nil
	}
	return s.validate(value)
}

// Keys of table envs that the tool itself works with. Origin: src/common/replica_envs.cpp.
const (
	EnvDenyClientRequest   = "replica.deny_client_request"
	EnvDefaultTTL          = "default_ttl"
	EnvBusinessInfo        = "business.info"
	EnvAllowIngestBehind   = "rocksdb.allow_ingest_behind"
	EnvUsageScenario       = "rocksdb.usage_scenario"
	EnvValidateHash        = "replica.split.validate_partition_hash"
	EnvNumLevels           = "rocksdb.num_levels"
	EnvManualCompactPrefix = "manual_compact."
)

// Reasons why an env is not declared on a target.
const (
	refusedDeny    = "it is the fence; the migration sets and lifts it itself"
	refusedOnce    = "it is an order to compact once, not a setting, and would be carried out at once"
	refusedMaster  = "the servers write it when a duplication makes its follower table"
	refusedRestore = "the servers write it when they restore a backup"
	refusedInfo    = "the migration keeps its ownership marker there"
	refusedStatic  = "it counts only in the request that creates a table, and a migration creates tables without it"
	refusedCount   = "the servers write it while they change the replica count"
)

// Envs gives every known env, by key in ascending order. The slice is the caller's.
func Envs() []EnvSpec {
	table := append(serverEnvs(), internalEnvs()...)
	slices.SortFunc(table, func(a, b EnvSpec) int { return cmp.Compare(a.Key, b.Key) })
	return table
}

// LookupEnv gives the spec of a key. A key under a prefix of the servers' own (restore.,
// duplication., manual_compact.once.) is known even when it is not one of those that exist today.
func LookupEnv(key string) (EnvSpec, bool) {
	for _, s := range Envs() {
		if s.Key == key {
			return s, true
		}
	}
	for prefix, why := range map[string]string{
		"restore.": refusedRestore, "duplication.": refusedMaster, "manual_compact.once.": refusedOnce,
	} {
		if strings.HasPrefix(key, prefix) {
			return EnvSpec{Key: key, Refused: why}, true
		}
	}
	return EnvSpec{}, false
}

// declarableEnvs are the keys that target.envs takes.
func declarableEnvs() []string {
	var out []string
	for _, s := range Envs() {
		if s.Refused == "" {
			out = append(out, s.Key)
		}
	}
	return out
}

// serverEnvs are the keys that UPDATE_APP_ENV of 2.5 takes (src/meta/app_env_validator.cpp).
func serverEnvs() []EnvSpec {
	const throttle = `like "20000*delay*100,30000*reject*200" (per table and second; K and M allowed)`
	const boolean = `"true" or "false"`
	const seconds = "whole seconds, 0 for off"
	return []EnvSpec{
		{Key: EnvDenyClientRequest, Form: `"reconfig*write" and the like`, Refused: refusedDeny, validate: denyValue},
		{Key: "replica.write_throttling", Form: throttle, validate: throttling},
		{Key: "replica.write_throttling_by_size", Form: throttle, validate: throttling},
		{Key: "replica.read_throttling", Form: throttle, validate: throttling},
		{Key: "replica.backup_request_throttling", Form: throttle, validate: throttling},
		{Key: "replica.read_throttling_by_size", Form: `bytes per second, like "20000000", "20000K" or "20M"`, validate: throttlingBySize},
		{Key: "replica.slow_query_threshold", Form: "milliseconds, 20 or more", validate: integerFrom(20)},
		{Key: "replica.rocksdb_iteration_threshold_time_ms", Form: "milliseconds, 0 for off", validate: integerFrom(0)},
		{Key: "replica.rocksdb_block_cache_enabled", Form: boolean, validate: boolValue},
		{Key: EnvValidateHash, Form: boolean, validate: boolValue},
		{Key: EnvDefaultTTL, Form: seconds, validate: integerBetween(0, maxTTL)},
		{Key: EnvUsageScenario, Form: `"normal", "prefer_write" or "bulk_load"`, validate: oneOf("normal", "prefer_write", "bulk_load")},
		{Key: EnvAllowIngestBehind, Form: boolean, validate: boolValue},
		{Key: "rocksdb.checkpoint.reserve_min_count", Form: "1 or more", validate: integerFrom(1)},
		{Key: "rocksdb.checkpoint.reserve_time_seconds", Form: seconds, validate: integerFrom(0)},
		{Key: "rocksdb.write_buffer_size", Form: "bytes, 16777216 to 536870912", validate: integerBetween(16<<20, 512<<20)},
		{Key: EnvNumLevels, Refused: refusedStatic, validate: integerBetween(1, 10)},
		{Key: "manual_compact.disabled", Form: boolean, validate: boolValue},
		{Key: "manual_compact.max_concurrent_running_count", Form: "0 or more", validate: integerFrom(0)},
		{Key: "manual_compact.once.trigger_time", Refused: refusedOnce, validate: integerFrom(0)},
		{Key: "manual_compact.once.target_level", Refused: refusedOnce, validate: targetLevel},
		{Key: "manual_compact.once.bottommost_level_compaction", Refused: refusedOnce, validate: oneOf("force", "skip")},
		{Key: "manual_compact.periodic.trigger_time", Form: `like "3:00,21:00"`, validate: clockTimes},
		{Key: "manual_compact.periodic.target_level", Form: "-1, or 1 and more", validate: targetLevel},
		{Key: "manual_compact.periodic.bottommost_level_compaction", Form: `"force" or "skip"`, validate: oneOf("force", "skip")},
		{Key: "user_specified_compaction", Form: "JSON", validate: jsonOrEmpty},
		{Key: EnvBusinessInfo, Refused: refusedInfo},
		{Key: "replica_access_controller.allowed_users"},
		{Key: "replica_access_controller.ranger_policies"},
	}
}

// internalEnvs are keys that the servers write themselves; UPDATE_APP_ENV of 2.5 refuses them.
func internalEnvs() []EnvSpec {
	return []EnvSpec{
		{Key: "duplication.master_cluster", Refused: refusedMaster},
		{Key: "duplication.master_metas", Refused: refusedMaster},
		{Key: "duplication.master_app_name", Refused: refusedMaster},
		{Key: "duplication.follower_app_status", Refused: refusedMaster},
		{Key: "max_replica_count.update", Refused: refusedCount},
		{Key: "restore.policy_name", Refused: refusedRestore},
		{Key: "restore.backup_id", Refused: refusedRestore},
		{Key: "restore.block_service_provider", Refused: refusedRestore},
		{Key: "restore.force_restore", Refused: refusedRestore},
	}
}
