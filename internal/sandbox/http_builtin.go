package sandbox

import "slices"

// builtinCalls are answered by every server (builtin_http_calls.cpp).
func builtinCalls() []httpCall {
	const all = onMeta | onReplica
	return []httpCall{
		{"", listCalls, all, "Lists all supported calls"},
		{"config", getFlag, all, "get the details of a specified config"},
		{"configs", listFlags, all, "list all configs"},
		{"metrics", getMetrics, all, "ip:port/metrics?with_metric_fields=field1,field2,...&types=type1,type2,...&ids=id1,id2,...&attributes=attr1,value1,attr2,value2,...&metrics=metric1,metric2,..."},
		{"perfCounter", getCounter, all, "Gets the value of a perf counter"},
		{"recentStartTime", recentStartTime, all, "Gets the server start time."},
		{"updateConfig", updateConfig, all, "ip:port/updateConfig?<key>=<value>"},
		{"version", version, all, "Gets the server version."},
	}
}

func listCalls(s *server, _ *httpRequest) httpResponse {
	calls := httpCalls()
	slices.SortFunc(calls, func(a, b httpCall) int {
		if a.path < b.path {
			return -1
		}
		return 1
	})
	var out jsonObject
	for _, call := range calls {
		if call.kind&s.kind() != 0 && s.c.release.hasPath(call.path) {
			out.field("/"+call.path, call.help)
		}
	}
	return httpResponse{body: out.line()}
}

func version(s *server, _ *httpRequest) httpResponse {
	var out jsonObject
	out.field("Version", s.c.release.version())
	out.field("GitCommit", s.c.release.gitCommit())
	return httpResponse{body: out.line()}
}

func recentStartTime(s *server, _ *httpRequest) httpResponse {
	var out jsonObject
	out.field("RecentStartTime", s.startedAt())
	return httpResponse{body: out.line()}
}

// getCounter answers an empty object for an unknown counter.
func getCounter(s *server, req *httpRequest) httpResponse {
	if !req.only("name") {
		return badRequest("")
	}
	var out jsonObject
	if c, ok := s.counter(req.args["name"]); ok {
		out.field("name", c.name)
		if c.kind == percentiles {
			out.field("p99", fixed2(c.value))
			out.field("p999", fixed2(c.value))
		} else {
			out.field("value", fixed2(c.value))
		}
		out.field("type", string(c.kind))
		out.field("description", c.help)
	}
	return httpResponse{body: out.line()}
}
