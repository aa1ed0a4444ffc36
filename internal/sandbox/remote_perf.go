package sandbox

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// countersMatching makes a command that lists the counters which match any of its
// arguments, all of them without arguments.
func countersMatching(match func(name, arg string) bool) remoteCommand {
	return func(s *server, args []string) string {
		return s.counterList(func(name string) bool {
			for _, arg := range args {
				if match(name, arg) {
					return true
				}
			}
			return len(args) == 0
		})
	}
}

// countersByRegexp lists the counters whose whole name matches any of the POSIX
// basic regular expressions.
func countersByRegexp(s *server, args []string) string {
	var all []*regexp.Regexp
	for _, arg := range args {
		re, err := regexp.Compile("^(?:" + basicRegexp(arg) + ")$")
		if err != nil {
			return s.counterReport("ERROR: invalid filter: "+arg, nil)
		}
		all = append(all, re)
	}
	return s.counterList(func(name string) bool {
		for _, re := range all {
			if re.MatchString(name) {
				return true
			}
		}
		return len(all) == 0
	})
}

func (s *server) counterList(keep func(name string) bool) string {
	return s.counterReport("OK", s.counters(keep))
}

// counterReport is a perf_counter_info as JSON, with the time of the snapshot, not of the
// answer. Unlike elsewhere its values are numbers, doubles with at least one decimal.
func (s *server) counterReport(result string, list []counter) string {
	now := s.perf.takenAt(s.c.now())
	b := append(appendJSONString([]byte(`{"result":`), result), `,"timestamp":`...)
	b = append(strconv.AppendInt(b, now.Unix(), 10), `,"timestamp_str":"`...)
	b = append(now.UTC().AppendFormat(b, timeFormat), `","counters":[`...)
	for i, c := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(append(b, `{"name":`...), c.name), `,"type":"`...)
		b = append(append(append(b, c.kind...), `","value":`...), double(c.value)...)
		b = append(b, '}')
	}
	return string(append(b, "]}"...))
}

// double prints a number as rapidjson prints doubles.
func double(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// basicRegexp translates a POSIX basic regular expression into the syntax of Go:
// brackets and braces mean something only behind a backslash there, and plus,
// question mark and bar never do.
func basicRegexp(basic string) string {
	var b strings.Builder
	for i := 0; i < len(basic); i++ {
		c := basic[i]
		switch {
		case c == '\\' && i+1 < len(basic):
			i++
			if !strings.ContainsRune("(){}", rune(basic[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(basic[i])
		case c == '[':
			end := bracketEnd(basic, i)
			b.WriteString(strings.ReplaceAll(basic[i:end], `\`, `\\`))
			i = end - 1
		case strings.ContainsRune("(){}+?|", rune(c)), c == '*' && i == 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// bracketEnd is where the bracket expression that starts at i ends, the end of the
// text when it does not.
func bracketEnd(s string, i int) int {
	from := i + 1
	if from < len(s) && s[from] == '^' {
		from++
	}
	if from < len(s) {
		from++ // a closing bracket in front is an ordinary character
	}
	if n := strings.IndexByte(s[min(from, len(s)):], ']'); n >= 0 {
		return from + n + 1
	}
	return len(s)
}

// serverStat prints selected counters: first those that the server has, then those
// that it lacks.
func serverStat(s *server, _ []string) string {
	values := make(map[string]float64)
	for _, c := range s.counters(func(string) bool { return true }) {
		values[c.name] = c.value
	}
	var have, lack []string
	for _, st := range briefStats() {
		if v, ok := values[st[0]]; ok {
			have = append(have, fmt.Sprintf("%s=%.0f", st[1], v))
		} else {
			lack = append(lack, st[0]+"=not_found")
		}
	}
	return strings.Join(append(have, lack...), ", ")
}

// briefStats are the counters of server-stat with the names they get there, ordered
// by counter (s_brief_stat_map of perf_counters.cpp).
func briefStats() [][2]string {
	return [][2]string{
		{"replica*app.pegasus*manual.compact.enqueue.count", "manual_compact_enqueue_count"},
		{"replica*app.pegasus*manual.compact.running.count", "manual_compact_running_count"},
		{"replica*app.pegasus*rdb.block_cache.memory_usage", "rdb_block_cache_memory_usage"},
		{"replica*eon.replica_stub*closing.replica(Count)", "closing_replica_count"},
		{"replica*eon.replica_stub*disk.available.max.ratio", "disk_available_max_ratio"},
		{"replica*eon.replica_stub*disk.available.min.ratio", "disk_available_min_ratio"},
		{"replica*eon.replica_stub*disk.available.total.ratio", "disk_available_total_ratio"},
		{"replica*eon.replica_stub*disk.capacity.total(MB)", "disk_capacity_total(MB)"},
		{"replica*eon.replica_stub*opening.replica(Count)", "opening_replica_count"},
		{"replica*eon.replica_stub*replica(Count)", "serving_replica_count"},
		{"replica*eon.replica_stub*replicas.commit.qps", "commit_throughput"},
		{"replica*eon.replica_stub*replicas.learning.count", "learning_count"},
		{"replica*eon.replica_stub*shared.log.size(MB)", "shared_log_size(MB)"},
		{"replica*server*memused.res(MB)", "memused_res(MB)"},
		{"replica*server*memused.virt(MB)", "memused_virt(MB)"},
		{"zion*profiler*RPC_RRDB_RRDB_BATCH_GET.latency.server", "batch_get_p99(ns)"},
		{"zion*profiler*RPC_RRDB_RRDB_BATCH_GET.qps", "batch_get_qps"},
		{"zion*profiler*RPC_RRDB_RRDB_GET.latency.server", "get_p99(ns)"},
		{"zion*profiler*RPC_RRDB_RRDB_GET.qps", "get_qps"},
		{"zion*profiler*RPC_RRDB_RRDB_MULTI_GET.latency.server", "multi_get_p99(ns)"},
		{"zion*profiler*RPC_RRDB_RRDB_MULTI_GET.qps", "multi_get_qps"},
		{"zion*profiler*RPC_RRDB_RRDB_MULTI_PUT.latency.server", "multi_put_p99(ns)"},
		{"zion*profiler*RPC_RRDB_RRDB_MULTI_PUT.qps", "multi_put_qps"},
		{"zion*profiler*RPC_RRDB_RRDB_PUT.latency.server", "put_p99(ns)"},
		{"zion*profiler*RPC_RRDB_RRDB_PUT.qps", "put_qps"},
	}
}
