package actuate

import (
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/plan"
)

// measured is what a look found out about one threshold.
type measured struct {
	// known is false when a server did not answer; why says which. never says that all answered and none
	// has the number.
	known, never bool
	why          string
	// over is whether the threshold is exceeded, fine whether it is kept by a margin.
	over, fine bool
	text       string // "source p99 is 80 ms (get of partition 3 on 10.0.0.1:34801), over 50 ms"
}

// rule is one threshold and where it stands.
type rule struct {
	name, side string
	measure    func(reading) measured
	// atOnce says that easing does not help: everything stops.
	atOnce bool

	overSince, blindSince time.Time
	// held says that the rule holds, unseen that it does for want of an answer.
	held, unseen bool
	fine         int
}

// source is the rule's name towards the pacer.
func (r *rule) source() string { return "stop_if " + r.name + " " + r.side }

// newWatcher has a rule for each threshold that is declared.
func newWatcher(p *pace.Pacer, s plan.StopIf, warn func(code, text, hint string)) *watcher {
	w := &watcher{pacer: p, warn: warn}
	add := func(wanted bool, r *rule) {
		if wanted {
			w.rules = append(w.rules, r)
		}
	}
	add(s.SourceP99 > 0, &rule{name: "source_p99", side: "source", measure: func(o reading) measured { return o.latency("source", s.SourceP99) }})
	add(s.TargetP99 > 0, &rule{name: "target_p99", side: "target", measure: func(o reading) measured { return o.latency("target", s.TargetP99) }})
	add(s.DiskFree > 0, &rule{name: "disk_free", side: "target", atOnce: true, measure: func(o reading) measured { return o.disk(s.DiskFree) }})
	add(s.PendingCompaction > 0, &rule{name: "pending_compaction", side: "target", atOnce: true,
		measure: func(o reading) measured { return o.compaction(float64(s.PendingCompaction)) }})
	for _, side := range []string{"source", "target"} {
		add(s.FailuresPerSecond > 0, &rule{name: "failures_per_second", side: side,
			measure: func(o reading) measured { return o.failing(side, s.FailuresPerSecond) }})
	}
	return w
}

// judge eases, holds or frees. Not to know is never good: it neither ends a hold nor counts as kept,
// and after a while it holds.
func (r *rule) judge(p *pace.Pacer, m measured, now time.Time) {
	if !m.known {
		r.fine = 0
		if r.blindSince.IsZero() {
			r.blindSince = now
		}
		if span := now.Sub(r.blindSince); span >= blind && !r.held {
			r.unseen = true
			r.hold(p, fmt.Sprintf("limits.stop_if.%s of the %s is not known: %s", r.name, r.side, m.why))
		}
		return
	}
	r.blindSince = time.Time{}
	if m.over {
		r.fine, r.unseen = 0, false
		if r.overSince.IsZero() {
			r.overSince = now
		}
		if r.atOnce || r.held || now.Sub(r.overSince) >= patient {
			r.hold(p, m.text)
			return
		}
		p.Ease(r.source(), easing, m.text)
		return
	}
	r.overSince = time.Time{}
	if !r.held {
		return
	}
	if r.fine++; !m.fine && !r.unseen {
		r.fine = 0
	}
	if r.fine >= better {
		r.held, r.unseen, r.fine = false, false, 0
		p.Free(r.source())
	}
}

// hold stops everything.
func (r *rule) hold(p *pace.Pacer, text string) {
	r.held = true
	p.Hold(r.source(), text)
}
