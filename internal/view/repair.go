package view

import (
	"fmt"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// repairPlanLines say what a repair would do, with the first rows of each kind.
func repairPlanLines(p event.RepairPlanned, style Style) []string {
	lines := []string{style.bold(fmt.Sprintf("%s: %s would change", clean(p.Step), clean(p.Target)))}
	if n := p.Writes(); n > 0 {
		lines = append(lines, fmt.Sprintf("  write   %s as on the source at that moment%s", plan.Counted(n, "row"), among(p)))
	}
	if p.Extra > 0 {
		lines = append(lines, style.yellow(fmt.Sprintf("  delete  %s that the source does not have", plan.Counted(p.Extra, "row"))))
	}
	if p.Left > 0 {
		lines = append(lines, fmt.Sprintf("  leave   %s that no request can mend, or that are not this migration's", plan.Counted(p.Left, "row")))
	}
	for _, d := range p.First {
		lines = append(lines, "    "+differenceLine(d, style))
	}
	if total := p.Writes() + p.Extra + p.Left; total > uint64(len(p.First)) {
		lines = append(lines, fmt.Sprintf("    … all of them in %s", clean(p.Report)))
	}
	for _, note := range p.Notes {
		lines = append(lines, "  "+clean(note))
	}
	return lines
}

// among says of which kinds the rows are that would be written.
func among(p event.RepairPlanned) string {
	v := event.Verified{Missing: p.Missing, Changed: p.Changed, ExpiryDiffers: p.Expiry}
	kinds := differenceKinds(v)
	if p.Drifted > 0 {
		if kinds != "" {
			kinds += ", "
		}
		kinds += fmt.Sprintf("%d whose expiry drifted", p.Drifted)
	}
	return ": " + kinds
}

// repairedLines say what a repair did.
func repairedLines(r event.Repaired, style Style) []string {
	text := fmt.Sprintf("%s written, %d deleted, %d equal by themselves, %d left", plan.Counted(r.Written, "row"), r.Deleted, r.Equal, r.Left)
	paint := style.green
	if r.Unseen > 0 {
		text += fmt.Sprintf(", %d not looked at", r.Unseen)
	}
	if r.Left > 0 || r.Unseen > 0 {
		paint = style.loud
	}
	lines := []string{fmt.Sprintf("%s: %s in %s; each was read on both sides again", clean(r.Step), paint(text), took(r.Elapsed))}
	for _, d := range r.FirstLeft[:min(len(r.FirstLeft), shownDifferences)] {
		lines = append(lines, "  left  "+differenceLine(d, style))
	}
	if n := uint64(min(len(r.FirstLeft), shownDifferences)); r.Left > n {
		lines = append(lines, fmt.Sprintf("  … and %d more", r.Left-n))
	}
	return lines
}
