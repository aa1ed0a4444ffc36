package sandbox

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// flagList is the answer to /configs recorded from a replica server 2.5.0, one flag
// per line. Meta servers are the same program and have the same flags.
//
//go:embed flags.jsonl
var flagList []byte

// flag is one configuration flag of a server.
type flag struct {
	Name        string `json:"name"`
	Section     string `json:"section"`
	Type        string `json:"type"` // FV_BOOL, FV_INT32, ...
	Tags        string `json:"tags"`
	Description string `json:"description"`
	Value       string `json:"value"`
}

// mutableTag marks flags that /updateConfig may change.
const mutableTag = "flag_tag::FT_MUTABLE"

// Flags that the sandbox itself lives by.
const (
	flagConfigSync   = "config_sync_interval_ms"
	flagGroupCheck   = "group_check_interval_ms"
	flagNFSSendRate  = "max_send_rate_megabytes_per_disk"
	flagNFSCopyRate  = "max_copy_rate_megabytes_per_disk"
	flagDownloads    = "max_concurrent_bulk_load_downloading_count"
	flagBlockBytes   = "nfs_copy_block_bytes"
	flagSnapshotSecs = "perf_counter_update_interval_seconds"
)

// parseFlags reads a list of flags, one JSON object per line, ordered by name.
func parseFlags(list []byte) ([]flag, error) {
	var flags []flag
	for line := range bytes.Lines(list) {
		var f flag
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, fmt.Errorf("sandbox: flag %d: %w", len(flags)+1, err)
		}
		flags = append(flags, f)
	}
	return flags, nil
}

// flagValues are the flags of one cluster that are not as recorded: a sandbox has
// its own names and works at its own pace, and clients derive their waits from it.
func (c *Cluster) flagValues() map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
	// Whole seconds are the unit of these; what is shorter counts as one.
	seconds := func(d time.Duration) string {
		return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
	}
	root := "/pegasus/" + c.cfg.Name
	return map[string]string{
		"cold_backup_disabled": strconv.FormatBool(c.cfg.BackupDisabled),
		"duplication_enabled":  strconv.FormatBool(!c.cfg.DuplicationDisabled),
		"cluster_name":         c.cfg.Name, "cluster_root": root, "cold_backup_root": c.cfg.Name,
		"distributed_lock_service_parameters":  root + "/lock",
		"hosts_list":                           c.zooKeeperHosts(),
		flagConfigSync:                         ms(c.timing.ConfigSync),
		flagGroupCheck:                         ms(c.timing.GroupCheck),
		"lb_interval_ms":                       ms(c.timing.Balance),
		"replica_assign_delay_ms_for_dropouts": ms(c.timing.Dropout),
		"fd_grace_seconds":                     seconds(c.timing.NodeGrace),
		"meta_function_level_on_start":         "lively",
		"mutation_2pc_min_replica_count":       "0", // derived from each table's replica count
		"max_allowed_write_size":               strconv.Itoa(maxWriteSize),
		"rocksdb_max_iteration_count":          strconv.Itoa(maxIterations),
		"hold_seconds_for_dropped_app":         strconv.Itoa(holdDropped),
		"rocksdb_iteration_threshold_time_ms":  ms(defaultIteration),
	}
}

// settings are the flags that were changed on one server while it ran; they do not
// survive its restart. The zero value has none.
type settings struct {
	mu     sync.Mutex
	values map[string]string
}

func (v *settings) get(name string) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	value, ok := v.values[name]
	return value, ok
}

func (v *settings) set(name, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.values == nil {
		v.values = make(map[string]string)
	}
	v.values[name] = value
}

func (v *settings) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.values = nil
}

func (v *settings) snapshot() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.values)
}

// startFlags are the flags of a server as its configuration file sets them.
func (c *Cluster) startFlags() []flag {
	flags := slices.Clone(c.flags)
	if len(c.cfg.BlockServices)+len(c.cfg.HDFSServices) > 0 {
		flags = append(flags, hdfsFlags()...)
		slices.SortFunc(flags, func(a, b flag) int { return strings.Compare(a.Name, b.Name) })
	}
	return withValues(flags, c.flagValues())
}

// hdfsFlags are the flags of servers that are built with HDFS, as those are that were not
// recorded (hdfs_service.cpp). They exist whatever the providers are, and mean nothing to
// local_service.
func hdfsFlags() []flag {
	one := func(name, kind, value, description string) flag {
		return flag{Name: name, Section: "replication", Type: kind, Tags: mutableTag, Description: description, Value: value}
	}
	return []flag{
		one("hdfs_read_batch_size_bytes", "FV_UINT64", "67108864", "hdfs read batch size, the default value is 64MB"),
		one("hdfs_read_limit_rate_mb_per_sec", "FV_UINT32", "200", "hdfs read limit(MB/s)"),
		one("hdfs_write_batch_size_bytes", "FV_UINT64", "67108864", "hdfs write batch size, the default value is 64MB"),
		one("hdfs_write_limit_rate_mb_per_sec", "FV_UINT32", "200", "hdfs write limit(MB/s)"),
	}
}

// allFlags are the flags of a server with the values that they have now.
func (s *server) allFlags() []flag { return withValues(s.c.startFlags(), s.settings.snapshot()) }

// withValues gives flags the values of a map where it has one.
func withValues(flags []flag, values map[string]string) []flag {
	for i := range flags {
		if v, ok := values[flags[i].Name]; ok {
			flags[i].Value = v
		}
	}
	return flags
}

// flag is one flag of a server.
func (s *server) flag(name string) (flag, bool) {
	flags := s.allFlags()
	i := slices.IndexFunc(flags, func(f flag) bool { return f.Name == name })
	if i < 0 {
		return flag{}, false
	}
	return flags[i], true
}

// flagInt is the value of a flag that is a whole number.
func (s *server) flagInt(name string) int64 {
	f, _ := s.flag(name)
	n, err := strconv.ParseInt(f.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
