package plan

import (
	"maps"
	"strings"

	"github.com/pegmigrate/pegmigrate/schema"
)

// The table envs that steps treat specially.
const (
	EnvDeny          = schema.EnvDenyClientRequest
	EnvDefaultTTL    = schema.EnvDefaultTTL
	EnvBusinessInfo  = schema.EnvBusinessInfo
	EnvIngestBehind  = schema.EnvAllowIngestBehind
	EnvUsageScenario = schema.EnvUsageScenario
	EnvNumLevels     = schema.EnvNumLevels
)

// DeniesReads says whether a table with these envs answers no read: nothing can be copied from it,
// and nothing proven on it.
func DeniesReads(envs map[string]string) bool {
	_, scope, _ := strings.Cut(envs[EnvDeny], "*")
	return scope == "all" || scope == "read"
}

// envMoment says when an env reaches the target.
type envMoment int

const (
	envNever    envMoment = iota // belongs to the source alone
	envAtCreate                  // RocksDB reads it when it opens
	envEarly                     // once the table is healthy, before rows
	envLate                      // after the last copied or repaired row
)

// momentOf sorts one env of the source. Late are those that change rows (default_ttl,
// compaction rules), slow the copy down (throttling) or might lock us out (access control); the
// rest is set early so that the copied rows meet the table as it will be.
//
// default_ttl and manual_compact.* must never be create-time envs: a replica server that opens a
// table with them among its creation envs crashes, again after each restart.
func momentOf(key, value string) envMoment {
	switch key {
	case EnvDeny, EnvBusinessInfo, "max_replica_count.update", EnvNumLevels:
		return envNever
	case EnvIngestBehind:
		return envAtCreate
	case EnvUsageScenario:
		if value == "bulk_load" {
			return envNever
		}
		return envEarly
	case EnvDefaultTTL, "user_specified_compaction":
		return envLate
	}
	switch {
	case strings.HasPrefix(key, "duplication."), strings.HasPrefix(key, "restore."),
		strings.HasPrefix(key, "manual_compact.once."):
		return envNever
	case strings.HasPrefix(key, "manual_compact."), strings.HasPrefix(key, "replica_access_controller."),
		strings.Contains(key, "throttling"):
		return envLate
	}
	return envEarly
}

// carried is the outcome of sorting the source's envs for the target.
type carried struct {
	create, early, late map[string]string
	left                []string // keys that stay behind, ordered
	info                string   // business.info of a target that is created
}

// carryEnvs sorts the envs that the target is to have: the source's, overridden by the declared
// ones. A declared value of "" takes an env out. prior is the source's business.info without our
// marker, "" when it had none.
func carryEnvs(source, declared map[string]string, prior string) carried {
	want := maps.Clone(source)
	if want == nil {
		want = map[string]string{}
	}
	delete(want, EnvBusinessInfo)
	for k, v := range declared {
		if v == "" {
			delete(want, k)
			continue
		}
		want[k] = v
	}
	out := carried{create: map[string]string{}, early: map[string]string{}, late: map[string]string{}, info: prior}
	for _, k := range sortedKeys(want) {
		switch momentOf(k, want[k]) {
		case envNever:
			out.left = append(out.left, k)
		case envAtCreate:
			out.create[k] = want[k]
		case envEarly:
			out.early[k] = want[k]
		case envLate:
			out.late[k] = want[k]
		}
	}
	return out
}

// missingEnvs gives those of want that have is without, or has with another value.
func missingEnvs(want, have map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			out[k] = v
		}
	}
	return out
}
