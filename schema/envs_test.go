package schema

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvValues(t *testing.T) {
	for key, values := range map[string]struct{ good, bad []string }{
		EnvDenyClientRequest: {
			good: []string{"timeout*all", "timeout*write", "timeout*read", "reconfig*all", "reconfig*write", "reconfig*read"},
			bad:  []string{"", "reconfig", "reconfig*", "*write", "reconfig*write*x", "RECONFIG*write", "deny*write"}},
		"replica.write_throttling": {
			good: []string{"20000*delay*100", "20K*delay*100,30K*reject*200", "1M*reject*0", "0*delay*0", " 1*delay*1 , 2*reject*1"},
			bad:  []string{"", ",", "1*delay", "1*delay*", "1*delay*x", "-1*delay*1", "KK*delay*1", "1KM*delay*1", "*delay*1", "1*slow*1", "1*delay*1,1*delay*1", "1*delay*1*1"}},
		"replica.read_throttling_by_size": {
			good: []string{"20000", "20K", "20M", "1*delay*1", "1*delay*1,2*reject*1"}, bad: []string{"", "0", "0M", "-1", "K", "20G", "x*reject*1"}},
		"replica.slow_query_threshold":                    {good: []string{"20", "100000"}, bad: []string{"", "19", "-20", "20ms", "+20", " 20", "2e3", "99999999999999999999"}},
		"replica.rocksdb_iteration_threshold_time_ms":     {good: []string{"0", "30000"}, bad: []string{"-1", "x"}},
		"replica.rocksdb_block_cache_enabled":             {good: []string{"true", "False"}, bad: []string{"", "1", "yes"}},
		EnvDefaultTTL:                                     {good: []string{"0", "86400", "2147483647"}, bad: []string{"", "-1", "1.5", "1d", "2147483648"}},
		EnvUsageScenario:                                  {good: []string{"normal", "prefer_write", "bulk_load"}, bad: []string{"", "NORMAL", "fast"}},
		"rocksdb.write_buffer_size":                       {good: []string{"16777216", "536870912"}, bad: []string{"16777215", "536870913", "64M"}},
		EnvNumLevels:                                      {good: []string{"1", "10"}, bad: []string{"0", "11"}},
		"rocksdb.checkpoint.reserve_min_count":            {good: []string{"1"}, bad: []string{"0"}},
		"manual_compact.periodic.trigger_time":            {good: []string{"3:00", "03:00,21:59"}, bad: []string{"", "24:00", "3", "3:60", "3:00,"}},
		"manual_compact.periodic.target_level":            {good: []string{"-1", "1", "6"}, bad: []string{"0", "-0", "-2", ""}},
		"manual_compact.once.bottommost_level_compaction": {good: []string{"force", "skip"}, bad: []string{"Force"}},
		"user_specified_compaction":                       {good: []string{"", `{"ops":[]}`}, bad: []string{"{", "ops"}},
		EnvBusinessInfo:                                   {good: []string{"", "anything"}},
	} {
		spec, ok := LookupEnv(key)
		if !ok {
			t.Errorf("%s is not known", key)
			continue
		}
		for _, v := range values.good {
			if err := spec.Validate(v); err != nil {
				t.Errorf("%s = %q: %v", key, v, err)
			}
		}
		for _, v := range values.bad {
			if spec.Validate(v) == nil {
				t.Errorf("%s takes %q", key, v)
			}
		}
	}
}

func TestEnvTable(t *testing.T) {
	envs := Envs()
	if !slices.IsSortedFunc(envs, func(a, b EnvSpec) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("not sorted")
	}
	for i, s := range envs {
		if i > 0 && envs[i-1].Key == s.Key {
			t.Errorf("%s is there twice", s.Key)
		}
		if s.validate != nil && s.Refused == "" && s.Form == "" {
			t.Errorf("%s: no form to hint at", s.Key)
		}
	}
	for key, known := range map[string]bool{"restore.something": true, "duplication.x": true, "manual_compact.once.x": true,
		"manual_compact.x": false, "": false, "Default_TTL": false} {
		spec, ok := LookupEnv(key)
		if ok != known || ok && spec.Refused == "" {
			t.Errorf("%q: known %v, %+v", key, ok, spec)
		}
	}
}
