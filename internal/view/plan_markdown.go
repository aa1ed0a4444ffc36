package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
)

// PlanMarkdown writes a plan for a comment in a review (GitHub-flavoured Markdown). The error is
// that of w.
func PlanMarkdown(w io.Writer, p *plan.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### migration %s\n\n| | |\n|---|---|\n", markdown(p.Migration))
	row := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", label, markdown(text))
		}
	}
	row("source", endpoint(p, p.Source, "source"))
	row("target", endpoint(p, p.Target, "target"))
	row("method", methodLine(p))
	if len(p.Steps) > 0 {
		row("clients", p.Clients)
		row("return", p.Return)
	}
	markdownChecks(&b, p)
	markdownAdvice(&b, p)
	markdownSteps(&b, p)
	fmt.Fprintf(&b, "\nplan `%s`, %s, config `%s`, nothing was changed", short(p.ID),
		plural(len(p.Facts), "fact"), short(p.ConfigFingerprint))
	if n := countChecks(p, plan.Error); n > 0 {
		fmt.Fprintf(&b, "; **%s: apply will refuse**", plural(n, "error"))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownChecks(b *strings.Builder, p *plan.Plan) {
	if len(p.Checks) == 0 {
		return
	}
	b.WriteString("\n#### checks\n\n")
	for _, c := range sortedChecks(p.Checks) {
		label := string(c.Severity)
		if c.Severity == plan.Error || c.Loud {
			label = "**" + label + "**"
		}
		if c.Code != "" {
			label += " " + c.Code
		}
		fmt.Fprintf(b, "- %s: %s", label, markdown(c.Text))
		if c.Place != "" {
			fmt.Fprintf(b, " (%s)", markdown(c.Place))
		}
		if c.Hint != "" {
			fmt.Fprintf(b, "<br>hint: %s", markdown(c.Hint))
		}
		b.WriteString("\n")
	}
}

func markdownSteps(b *strings.Builder, p *plan.Plan) {
	if len(p.Steps) == 0 {
		if text := nothingToDo(p); text != "" {
			fmt.Fprintf(b, "\n%s\n", markdown(text))
		}
		return
	}
	next := nextStep(p)
	b.WriteString("\n#### steps\n\n")
	if p.Progress != nil {
		fmt.Fprintf(b, "%s\n\n", markdown(progressLine(p, next)))
	}
	b.WriteString("| # | | step | what | notes |\n|--:|---|---|---|---|\n")
	for i, s := range p.Steps {
		number := fmt.Sprint(i + 1)
		if p.Progress != nil && i < next {
			number += " done"
		}
		fmt.Fprintf(b, "| %s | `%s` | %s | %s | %s |\n", number, plan.Symbol(s.Action),
			markdown(s.ID), markdown(s.Why), markdown(strings.Join(stepNotes(s), "; ")))
	}
}

// markdown makes text mean itself: names of tables and envs come from clusters, and a review page
// must not render what somebody wrote there.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '@': // no mention of a stranger
			b.WriteString("&#64;")
		case '\\', '`', '*', '_', '|', '[', ']', '~', '#', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
