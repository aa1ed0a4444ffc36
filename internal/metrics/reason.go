package metrics

import (
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

// reasons are the classes of what bounds the speed; every one is exported, so that a graph has no gaps.
func reasons() []string {
	return []string{"none", "declared", "busy", "capacity", "timeout", "latency", "window", "stop_if", "control", "in_flight", "other"}
}

// reasonOf gives the class of what is in force. The sentence itself names servers and numbers and would make
// a new series every second; its error code is all that is taken from it.
func reasonOf(e event.MoveProgress) string {
	switch source, _, _ := strings.Cut(e.LimitSource, " "); {
	case e.Limit == "" && e.LimitReason == "" && source == "":
		return "none"
	case slices.Contains([]string{"declared", "window", "stop_if", "control"}, source):
		return source
	}
	text := e.Limit + " " + e.LimitReason
	for _, class := range []struct{ word, name string }{
		{"ERR_BUSY", "busy"}, {"ERR_CAPACITY_EXCEEDED", "capacity"}, {"ERR_TIMEOUT", "timeout"}, {"no reply", "timeout"}, {"latency", "latency"},
		{"declared limits", "declared"}, {"in flight", "in_flight"},
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
