package plan

import (
	"fmt"
	"slices"

	"github.com/pegmigrate/pegmigrate/schema"
)

// sayDuplication fills the two sentences of the header that an operator reads first. They count from
// where a run that goes on stands.
func (b *builder) sayDuplication(p *Plan, method *schema.DuplicationMethod, w Window) {
	final := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Final }) + 1
	if b.f.Owned != nil && final > 0 && b.f.Owned.Progress.StepsDone >= final {
		p.Clients = b.afterwards(p, method)
		p.Return = fmt.Sprintf("nothing can be undone any more: step %d was the point of no return", final)
		if ready, end := indexOf(p, "return-ready"), indexOf(p, "end-return"); ready > 0 && b.f.Owned.Progress.StepsDone < ready {
			p.Return = fmt.Sprintf("step %d was the point of no return, until the return ticket is valid behind step %d", final, ready)
		} else if end > 0 && b.f.Owned.Progress.StepsDone < end {
			p.Return = "`pegmigrate rollback` leads clients back as long as the return ticket is valid: `pegmigrate status` says until when"
		}
		return
	}
	p.Clients = b.rejectedLine(p, w)
	p.Return = fmt.Sprintf("every step can be undone until step %d", final)
	if ready := indexOf(p, "return-ready"); ready > 0 {
		p.Return += fmt.Sprintf("; behind step %d `pegmigrate rollback` leads clients back, until %s after the switch", ready, Duration(method.ReturnTicket))
	}
	if !method.DropFollower {
		p.Return += "; the follower stays after a rollback (drop_follower is not declared)"
	}
}

// rejectedLine says for how long writes are rejected, and what becomes of readers.
func (b *builder) rejectedLine(p *Plan, w Window) string {
	line := fmt.Sprintf("writes rejected about %s (%s to %s, budget %s) from step %d ", Duration(w.Total.Duration),
		Duration(w.Total.Low), Duration(w.Total.High), Duration(w.Budget), indexOf(p, "fence-source"))
	if n := indexOf(p, "evict"); n > 0 {
		return line + fmt.Sprintf("to %d; reads stale for up to %s at step %d", indexOf(p, "switch"), Duration(w.ConfigSync), n)
	}
	last := max(indexOf(p, "recheck"), indexOf(p, "drain"))
	if n := indexOf(p, "unfence-source"); n > 0 {
		return line + fmt.Sprintf("to %d, and until step %d takes the fence down; change the clients before that", last, n)
	}
	return line + fmt.Sprintf("to %d, and left rejected until you change the clients", last)
}

// afterwards is what clients notice behind the point of no return.
func (b *builder) afterwards(p *Plan, method *schema.DuplicationMethod) string {
	if open := indexOf(p, "open-return"); open > 0 && b.f.Owned.Progress.StepsDone >= open && b.f.SourceTable.Envs[EnvDeny] == "" {
		return fmt.Sprintf("led to %s since step %d; whoever still asks %s is served there, and makes a return impossible by a write", b.target, indexOf(p, "switch"), b.source)
	}
	if method.Cutover.MetaProxy != nil {
		return fmt.Sprintf("led to %s since step %d; whoever still asks %s is turned away", b.target, indexOf(p, "switch"), b.source)
	}
	if b.m.After.Source == schema.AfterUnfence {
		return fmt.Sprintf("writes to %s are rejected until step %d; change the clients before that", b.source, indexOf(p, "unfence-source"))
	}
	return fmt.Sprintf("writes to %s are rejected; give the clients the meta servers of %s", b.source, b.target.Cluster)
}
