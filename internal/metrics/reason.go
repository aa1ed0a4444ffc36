package metrics

import "strings"

// reasons are the classes of what bounds the speed; every one is exported, so that a graph has no gaps.
func reasons() []string {
	return []string{"none", "declared", "busy", "capacity", "timeout", "latency", "window", "stop_if", "control", "in_flight", "other"}
}

// reasonOf gives the class of a sentence. The sentence itself names servers and numbers and would make a
// new series every second.
func reasonOf(limit, reason string) string {
	if limit == "" && reason == "" {
		return "none"
	}
	text := strings.ToLower(limit + " " + reason)
	for _, class := range []struct{ word, name string }{
		{"control", "control"}, {"paused", "control"}, {"stop_if", "stop_if"}, {"window", "window"}, {"err_busy", "busy"},
		{"err_capacity_exceeded", "capacity"}, {"err_timeout", "timeout"}, {"no reply", "timeout"}, {"latency", "latency"}, {"p99", "latency"},
		{"declared", "declared"}, {"limits", "declared"}, {"in flight", "in_flight"},
	} {
		if strings.Contains(text, class.word) {
			return class.name
		}
	}
	return "other"
}

// maxKinds bounds the values of a label that come from what servers answer.
const maxKinds = 40

// kinds gives names for label values, and "other" when there are too many or one is not fit.
type kinds map[string]bool

func (k kinds) name(s string) string {
	if s == "" {
		return "none"
	}
	if k[s] {
		return s
	}
	if len(k) >= maxKinds || len(s) > 60 || strings.ContainsFunc(s, unfit) {
		return "other"
	}
	k[s] = true
	return s
}

func unfit(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}
