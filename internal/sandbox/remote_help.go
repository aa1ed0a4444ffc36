package sandbox

import (
	"slices"
	"strings"
)

// helpLine is one line of the command help and the servers that print it.
type helpLine struct {
	text string
	kind serverKind
}

// helpLines are the lines of help as 2.5.0 prints them, in its order; help and repeat
// appear once per name that they have. They list more commands than the sandbox has.
func helpLines() []helpLine {
	const all = onMeta | onReplica
	const (
		helpText   = "help|Help|h|H [command] - display help information"
		repeatText = "repeat|Repeat|r|R interval_seconds max_count command - execute command periodically"
		replicaIDs = " [id1,id2,...] (where id is 'app_id' or 'app_id.partition_id')"
	)
	return []helpLine{
		{helpText, all},
		{helpText, all},
		{repeatText, all},
		{repeatText, all},
		{"config-dump - dump configuration", all},
		{"engine - get engine internal information", all},
		{"fd.allow_list", onMeta},
		{"flush-log - flush log to stderr or log file", all},
		{helpText, all},
		{helpText, all},
		{"meta.dump - dump app_states of meta server to local file", onMeta},
		{"meta.lb.add_secondary_enable_flow_control <true|false>", onMeta},
		{"meta.lb.add_secondary_max_count_for_one_node [num | DEFAULT]", onMeta},
		{"lb.assign_delay_ms [num | DEFAULT]", onMeta},
		{"lb.assign_secondary_black_list [<ip:port,ip:port,ip:port>|clear]", onMeta},
		{"meta.lb.balancer_in_turn <true|false>", onMeta},
		{"meta.lb.get_balance_operation_count [total | move_pri | copy_pri | copy_sec | detail]", onMeta},
		{"meta.lb.ignored_app_list <get|set|clear> [app_id1,app_id2..]", onMeta},
		{"meta.lb.only_move_primary <true|false>", onMeta},
		{"meta.lb.only_primary_balancer <true|false>", onMeta},
		{"meta.live_percentage [num | DEFAULT]", onMeta},
		{"nfs.max_copy_rate_megabytes_per_disk [num]", onReplica},
		{"nfs.max_send_rate_megabytes_per_disk [num]", onReplica},
		{"perf-counters - query perf counters, filtered by OR of POSIX basic regular expressions", all},
		{"perf-counters-by-postfix - query perf counters, filtered by OR of postfix strings", all},
		{"perf-counters-by-prefix - query perf counters, filtered by OR of prefix strings", all},
		{"perf-counters-by-substr - query perf counters, filtered by OR of substrs", all},
		{repeatText, all},
		{repeatText, all},
		{"replica.deny-client <true|false>", onReplica},
		{"replica.get-tcmalloc-status - get status of tcmalloc", onReplica},
		{"replica.kill_partition [app_id [partition_index]]", onReplica},
		{"replica.max-concurrent-bulk-load-downloading-count [num | DEFAULT]", onReplica},
		{"replica.mem-release-max-reserved-percentage [num | DEFAULT]", onReplica},
		{"replica.query-app-envs" + replicaIDs, onReplica},
		{"replica.query-compact" + replicaIDs, onReplica},
		{"replica.release-all-reserved-memory - release tcmalloc all reserved-not-used memory", onReplica},
		{"replica.release-tcmalloc-memory <true|false>", onReplica},
		{"replica.trigger-checkpoint" + replicaIDs, onReplica},
		{"replica.verbose-client-log <true|false>", onReplica},
		{"replica.verbose-commit-log <true|false>", onReplica},
		{"reset-log-start-level - reset the log start level", all},
		{"server-info - query server information", all},
		{"server-stat - query selected perf counters", all},
		{"system.queue - get queue internal information", all},
		{"task-code - query task code containing any given keywords", all},
		{"task.queue_max_length <pool_code> [queue_max_length]", all},
	}
}

// help lists the commands of a server, or the one that is asked for.
func help(s *server, args []string) string {
	var lines []string
	for _, line := range helpLines() {
		if word, _, _ := strings.Cut(line.text, " "); line.kind&s.kind() == 0 || !s.c.release.hasCommand(word) {
			continue
		}
		name, _, _ := strings.Cut(line.text, " ")
		if len(args) == 0 || slices.Contains(strings.Split(name, "|"), args[0]) {
			lines = append(lines, line.text+"\n")
		}
	}
	switch {
	case len(args) == 0:
		return strings.Join(lines, "")
	case len(lines) == 0:
		return "cannot find command '" + args[0] + "'"
	default:
		return args[0] + ": " + lines[0]
	}
}
