package view

import (
	"fmt"
	"strings"

	"github.com/pegmigrate/pegmigrate/plan"
)

// planAdvice writes what every method would take, the declared one marked.
func planAdvice(page *page, p *plan.Plan) {
	if len(p.Advice) == 0 {
		return
	}
	page.line()
	page.line(page.bold("methods"))
	width := 0
	for _, a := range p.Advice {
		width = max(width, visible(a.Method))
	}
	for _, a := range p.Advice {
		mark, name := " ", pad(clean(a.Method), width)
		if a.Declared {
			mark, name = ">", page.bold(name)
		}
		paint := page.green
		switch a.Verdict {
		case plan.VerdictIf:
			paint = page.yellow
		case plan.VerdictNo:
			paint = page.red
		}
		head := "  " + mark + " " + name + "  " + paint(pad(string(a.Verdict), len("yes"))) + "  "
		if a.Verdict == plan.VerdictNo { // what it would have cost helps nobody
			page.hang(head, adviceReason(a), nil)
			continue
		}
		page.hang(head, adviceCosts(p, a), nil)
		if len(a.Why) > 0 {
			page.hang(strings.Repeat(" ", visible(head)), adviceReason(a), page.dim)
		}
	}
}

// adviceCosts is what a method takes, from whom.
func adviceCosts(p *plan.Plan, a plan.Advice) string {
	parts := []string{"about " + plan.Duration(a.Duration.Duration)}
	switch {
	case a.Reject.Duration == 0 && a.Reject.High == 0:
		parts = append(parts, "rejects nothing")
	default:
		on := p.Source.TableRef.String()
		if a.RejectsOn == "target" {
			on = p.Target.TableRef.String()
		}
		parts = append(parts, fmt.Sprintf("writes to %s rejected about %s", clean(on), plan.Duration(a.Reject.Duration)))
	}
	if a.Disk > 0 {
		disk := plan.Bytes(a.Disk) + " on " + clean(p.Target.Cluster)
		if a.Store > 0 {
			disk += ", " + plan.Bytes(a.Store) + " on the store"
		}
		parts = append(parts, disk)
	}
	return strings.Join(append(parts, clean(a.Load)), "; ")
}

func adviceReason(a plan.Advice) string {
	why := clean(strings.Join(a.Why, "; "))
	if a.Verdict == plan.VerdictIf {
		return "if " + why
	}
	return why
}

// markdownAdvice is planAdvice for a review.
func markdownAdvice(b *strings.Builder, p *plan.Plan) {
	if len(p.Advice) == 0 {
		return
	}
	b.WriteString("\n#### methods\n\n| method | | takes | why |\n|---|---|---|---|\n")
	for _, a := range p.Advice {
		name := markdown(a.Method)
		if a.Declared {
			name = "**" + name + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, a.Verdict, markdown(adviceCosts(p, a)), markdown(adviceReason(a)))
	}
}
