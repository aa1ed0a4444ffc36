package plan

import (
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/schema"
)

// say fills the two sentences of the header that an operator reads first.
func (b *builder) say(p *Plan, method *schema.CopyMethod) {
	p.Clients = b.clientsLine(p, method)
	p.Return = b.returnLine(p)
}

func (b *builder) clientsLine(p *Plan, method *schema.CopyMethod) string {
	switch method.SourceWrites {
	case schema.SourceWritesFenced:
		w := b.window()
		line := fmt.Sprintf("writes to the source rejected about %s (%s to %s", Duration(w.Duration), Duration(w.Low), Duration(w.High))
		if budget := b.m.Limits.WriteReject; budget > 0 {
			line += ", budget " + Duration(budget)
		}
		line += fmt.Sprintf(") from step %d", indexOf(p, "fence-source"))
		if n := indexOf(p, "unfence-source"); n > 0 {
			return line + fmt.Sprintf(" to %d; reads go on", n)
		}
		return line + " on, and left rejected; reads go on"
	case schema.SourceWritesCatchUp:
		return b.caughtUpLine(p)
	case schema.SourceWritesAccepted:
		return "nothing is rejected; what they write during the copy may be missing on the target"
	}
	return "nothing is rejected; writers must be stopped by you, from now until the copy is verified"
}

// caughtUpLine says for how long writes are rejected when the copy is caught up.
func (b *builder) caughtUpLine(p *Plan) string {
	w := b.catchUpWindow()
	if s, ok := p.Step("catch-up"); ok {
		w.Budget = s.Action.(CatchUp).Budget
	}
	r := w.Total
	lift := indexOf(p, "unfence-source")
	if lift > 0 {
		r = w.rejected()
	}
	line := fmt.Sprintf("nothing is rejected while rows are copied; then writes to the source about %s (%s to %s, budget %s) from step %d",
		Duration(r.Duration), Duration(r.Low), Duration(r.High), Duration(w.Budget), indexOf(p, "fence-source"))
	if lift > 0 {
		return line + fmt.Sprintf(" to %d; reads go on", lift)
	}
	return line + " on, and left rejected; reads go on"
}

func (b *builder) returnLine(p *Plan) string {
	if b.allowExtra {
		return "rows that are merged into an existing table cannot be taken out again; everything else can be undone until step " +
			fmt.Sprint(len(p.Steps))
	}
	if !b.create {
		return fmt.Sprintf("rows that are copied stay in the existing table; everything else can be undone until step %d", len(p.Steps))
	}
	return fmt.Sprintf("every step can be undone until step %d", len(p.Steps))
}

// indexOf gives the 1-based number of a step, 0 when the plan has none of that id.
func indexOf(p *Plan, id string) int {
	return slices.IndexFunc(p.Steps, func(s Step) bool { return s.ID == id }) + 1
}
