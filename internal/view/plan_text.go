package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
)

// PlanText writes a plan for people: header, checks, steps, closing line. The error is that of w.
func PlanText(w io.Writer, p *plan.Plan, style Style) error {
	page := newPage(style)
	planHeader(page, p)
	planChecks(page, p.Checks)
	planAdvice(page, p)
	planSteps(page, p)
	page.line()
	planClosing(page, p)
	return page.writeTo(w)
}

// longName is the length up to which a migration's name is the label of the first header line.
const longName = 16

func planHeader(page *page, p *plan.Plan) {
	name, label := clean(p.Migration), clean(p.Migration)
	if visible(name) > longName {
		page.line(page.bold(name))
		label = "tables"
	}
	width := max(visible(label), len("clients"))
	head := func(label, text string) {
		if text != "" {
			page.hang(page.bold(pad(label, width))+"  ", text, nil)
		}
	}
	head(label, endpoint(p, p.Source, "source")+"  ->  "+endpoint(p, p.Target, "target"))
	head("method", methodLine(p))
	if len(p.Steps) > 0 {
		head("clients", clean(p.Clients))
		head("return", clean(p.Return))
	}
}

// endpoint describes one side: what is there, or what will be.
func endpoint(p *plan.Plan, e plan.Endpoint, side string) string {
	shape := fmt.Sprintf("%s x %d", plural(int(e.Partitions), "partition"), e.Replicas)
	name := clean(e.TableRef.String())
	switch {
	case !e.Exists && e.Partitions == 0:
		return name + " (absent)"
	case !e.Exists:
		return name + " (absent; " + shape + ")"
	}
	parts := []string{fmt.Sprintf("id %d", e.ID), shape}
	switch {
	case e.Rows > 0:
		parts = append(parts, amount(e.Rows, e.Bytes))
	case fact(p, side+".table.has_rows") == "false":
		parts = append(parts, "empty")
	}
	return name + " (" + strings.Join(parts, ", ") + ")"
}

// fact gives the planned value of a fact, "" when the plan does not rest on it.
func fact(p *plan.Plan, name string) string {
	for _, f := range p.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// amount writes estimated rows and bytes. Servers tell the size of what lies in files, in whole
// MiB, so a small or fresh table shows none: that is not known rather than nothing.
func amount(rows, bytes uint64) string {
	s := "about " + plan.Rows(rows) + " rows"
	if rows == 1 {
		s = "about 1 row"
	}
	if bytes > 0 {
		s += ", " + plan.Bytes(bytes)
	}
	return s
}

func methodLine(p *plan.Plan) string {
	line := clean(p.Method)
	if len(p.Steps) == 0 {
		return line
	}
	left := "takes "
	if p.Progress != nil {
		left = "remaining "
	}
	line += ", " + left + estimate(p.Estimate)
	for _, s := range p.Steps {
		if plan.Symbol(s.Action) != ">" || s.Estimate.Rows == 0 {
			continue
		}
		line += ", moves " + amount(s.Estimate.Rows, s.Estimate.Bytes)
		if p.Target.Replicas > 1 {
			line += fmt.Sprintf(" (x %d on %s)", p.Target.Replicas, clean(p.Target.Cluster))
		}
		break
	}
	return line
}

// rank orders checks so that what forbids apply is read last and next to the closing line.
func rank(s plan.Severity) int {
	return slices.Index([]plan.Severity{plan.OK, plan.Warning, plan.Error}, s)
}

func sortedChecks(checks []plan.Check) []plan.Check {
	sorted := slices.Clone(checks)
	slices.SortStableFunc(sorted, func(a, b plan.Check) int { return rank(a.Severity) - rank(b.Severity) })
	return sorted
}

func planChecks(page *page, checks []plan.Check) {
	if len(checks) == 0 {
		return
	}
	page.line()
	page.line(page.bold("checks"))
	for _, c := range sortedChecks(checks) {
		planCheck(page, c)
	}
}

func planCheck(page *page, c plan.Check) {
	paint := func(s string) string { return s }
	switch {
	case c.Severity == plan.Error || c.Loud:
		paint = page.loud
	case c.Severity == plan.Warning:
		paint = page.yellow
	case c.Severity == plan.OK:
		paint = page.green
	}
	head := "  " + paint(pad(string(c.Severity), len("warning"))) + "  "
	if c.Code != "" {
		head += pad(c.Code, len("PM2000")) + "  "
	}
	text := clean(c.Text)
	if c.Place != "" {
		text += " (" + clean(c.Place) + ")"
	}
	if c.Loud {
		page.hang(head, text, page.red)
	} else {
		page.hang(head, text, nil)
	}
	if c.Hint != "" {
		page.hang(strings.Repeat(" ", visible(head))+"hint: ", clean(c.Hint), page.dim)
	}
}

// planClosing says which plan this was and what becomes of it.
func planClosing(page *page, p *plan.Plan) {
	text := fmt.Sprintf("%s, config %s, ", plural(len(p.Facts), "fact"), short(p.ConfigFingerprint))
	if p.Progress == nil {
		text += "nothing was changed"
	} else {
		text += "planning changed nothing"
	}
	head := page.bold("plan "+short(p.ID)) + "  "
	failed := countChecks(p, plan.Error)
	if failed == 0 {
		page.hang(head, text, nil)
		return
	}
	page.hang(head, text+"; "+page.loud(plural(failed, "error"))+page.loud(": apply will refuse"), nil)
}

func countChecks(p *plan.Plan, s plan.Severity) int {
	n := 0
	for _, c := range p.Checks {
		if c.Severity == s {
			n++
		}
	}
	return n
}
