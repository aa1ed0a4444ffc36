package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/marker"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// kindTicket is the proof of AwaitReturn: a Ticket.
const kindTicket = "ticket"

// Ticket is what is known of the way back after a switch.
type Ticket struct {
	// Valid is when everything that was written on the target since the switch was seen to arrive on the
	// source, zero before.
	Valid time.Time `json:"valid,omitzero"`
	// Until is when apply ends it.
	Until time.Time `json:"until,omitzero"`
	// Void says why there is no way back although the time is not up, "" as long as there is.
	Void string `json:"void,omitempty"`
}

// TicketOf tells what a state document knows of the return ticket of its migration. why says, when there
// is no way back, why not; it is "" with one, also with one that is not Valid yet or whose time is up,
// as long as its duplication was not ended.
func TicketOf(doc *state.Document, begun *plan.Plan) (t Ticket, why string, err error) {
	step, ok := firstStep[plan.AwaitReturn](begun)
	if !ok || begun.Back {
		return t, "no return_ticket was declared when this migration began", nil
	}
	status := func(id string) state.Step {
		if s := doc.Step(id); s != nil {
			return *s
		}
		return state.Step{}
	}
	a := step.Action.(plan.AwaitReturn)
	if t, _, err = unblob[Ticket](status(step.ID).Proof, kindTicket); err != nil {
		return t, "", err
	}
	cert, err := CertificateOf(doc)
	if err != nil {
		return t, "", err
	}
	if cert != nil && !cert.Switched.IsZero() {
		t.Until = cert.Switched.Add(a.For)
	}
	switch end, ended := firstStep[plan.RemoveReturn](begun); {
	case t.Void != "":
		return t, "the return ticket is void: " + t.Void, nil
	case ended && status(end.ID).Attempts > 0:
		return t, "the return ticket was valid until " + stamp(t.Until) + " and is ended", nil
	}
	for i, s := range begun.Steps {
		if s.ID != step.ID || i == 0 {
			continue
		}
		if before := begun.Steps[i-1]; status(before.ID).Status != state.Done {
			return t, "the return ticket is not valid yet: it is from step " + step.ID + " on", nil
		}
	}
	return t, "", nil
}

// ticket is TicketOf for this run's own migration.
func (r *Run) ticket() (Ticket, string, error) { return TicketOf(r.Store.Document(), r.Plan) }

// ticketEnds says why a ticket is not kept any longer, "" while it is.
func (r *Run) ticketEnds() (string, error) {
	doc := r.Store.Document()
	t, _, err := r.ticket()
	switch {
	case err != nil:
		return "", err
	case t.Void != "":
		return "it is void: " + t.Void, nil
	case slices.Contains(doc.Approved, schema.GateTicket):
		return "it is ended early, as it was asked for", nil
	case !t.Until.IsZero() && !r.Now().Before(t.Until):
		return "its time was up at " + stamp(t.Until), nil
	}
	return "", nil
}

// backLook is one look at what is shipped back.
type backLook struct {
	entry           Duplication
	found           bool
	unknown, behind int
	worst, total    int64
	shipped         int64
	partitions      int
	problem         string
	source          TrafficSample
}

// lookBack asks about the duplication of a return ticket, and about clients of the table that it goes to.
func (b base) lookBack(ctx context.Context, from, to plan.TableRef, threshold int64) (l backLook, err error) {
	if l.entry, l.found, err = b.findReturn(ctx, from); err != nil || !l.found {
		return l, err
	}
	// A state that was lost and rebuilt does not know it yet.
	if err := b.r.rememberOf(plan.ReturnStep, func(p *duplicationProof) { p.ID = l.entry.ID }); err != nil {
		return l, err
	}
	if l.entry.Status == dsPause {
		if err := b.hold(ctx, from, l.entry.ID, false); err != nil {
			return l, err
		}
	}
	lags, err := b.lagsOnce(ctx, from, l.entry.ID)
	if err != nil {
		return l, err
	}
	l.partitions = len(lags)
	l.unknown, l.problem = unstored(lags)
	for _, lag := range lags {
		if lag.Shipped < 0 {
			continue
		}
		n := max(lag.Committed-lag.Shipped, 0)
		l.shipped += lag.Shipped
		l.total, l.worst = l.total+n, max(l.worst, n)
		if n > max(threshold, 1) { // up to 2.5 the last mutation waits for the next one
			l.behind++
		}
	}
	call, cancel := b.call(ctx)
	defer cancel()
	l.source, err = b.r.World.Traffic.Traffic(call, to)
	return l, err
}

// wrong says what keeps a return from being possible right now, "" for nothing.
func (l backLook) wrong(to plan.TableRef, threshold int64) string {
	switch {
	case l.entry.Status != dsLog:
		return "the duplication is in " + l.entry.Status
	case l.unknown > 0:
		return fmt.Sprintf("%d partitions do not ship from a decree that is stored (%s)", l.unknown, l.problem)
	case l.behind > 0:
		return fmt.Sprintf("%d partitions are more than %d mutations behind, the worst %d", l.behind, max(threshold, 1), l.worst)
	case l.used():
		return fmt.Sprintf("somebody uses %s: %.1f reads and %.1f writes per second", to, l.source.ReadQPS, l.source.WriteQPS)
	}
	return ""
}

func (l backLook) used() bool { return l.source.ReadQPS+l.source.WriteQPS >= quietQPS }

func (l backLook) progress(step string, elapsed time.Duration) event.LagProgress {
	return event.LagProgress{Step: step, Partitions: l.partitions, Behind: l.behind, Unknown: l.unknown, Worst: l.worst, Total: l.total, Elapsed: elapsed}
}

// readyRunner starts the duplication of a return ticket and waits until it has caught up.
type readyRunner struct {
	base
	a     plan.AwaitReturn
	ready bool // seen by this process
}

func (q *readyRunner) done(context.Context) (bool, string, error) {
	if q.r.Plan.Back {
		return q.ready, fmt.Sprintf("%s is shipped to %s, which nobody uses", q.a.Source, q.a.Target), nil
	}
	t, known, err := unblob[Ticket](q.r.record(q.id).Proof, kindTicket)
	if err != nil {
		return false, "", err
	}
	if known && !t.Valid.IsZero() {
		return true, "the return ticket is valid until " + stamp(t.Until), nil
	}
	ends, err := q.r.ticketEnds()
	if err != nil || ends != "" {
		return err == nil, "there is no return ticket: " + ends, err
	}
	return false, "the return ticket is not valid yet", nil
}

// holds: a return looks anew each time it goes on, but not behind its fence: the route may be switched
// already, and then clients are where they belong.
func (q *readyRunner) holds(context.Context) (bool, error) {
	return !q.r.Plan.Back || q.r.fenceUp(), nil
}

func (q *readyRunner) run(ctx context.Context) error {
	begun := q.r.Now()
	var good, usedSince = 0, time.Time{}
	const causes = "known causes: servers of the old source that are down, its fence that is up, a disk that is full there"
	err := q.awaitProgress(ctx, q.r.trafficEvery(), CodeLag, func(ctx context.Context) (sight, error) {
		l, err := q.lookBack(ctx, q.a.Source, q.a.Target, q.a.Threshold)
		if err != nil {
			reason, err := tolerate(ctx, err)
			return sight{mark: "?", limit: q.r.Waits.Stall, reason: reason, causes: causes}, err
		}
		if !l.found {
			return sight{over: true}, q.void()
		}
		now := q.r.Now()
		q.r.Sink.Emit(l.progress(q.id, now.Sub(begun)))
		wrong := l.wrong(q.a.Target, q.a.Threshold)
		if good++; wrong != "" {
			good = 0
		}
		switch {
		case !l.used():
			usedSince = time.Time{}
		case usedSince.IsZero():
			usedSince = now
		case now.Sub(usedSince) >= q.r.Waits.Traffic:
			return sight{}, &StepError{Step: q.id, Code: CodeTraffic, Text: wrong,
				Hint: "find these clients: what they write there is on no other table; the same command goes on here, and `" + q.r.completeCommand() + "` gives the return ticket up"}
		}
		if wrong == "" {
			wrong = fmt.Sprintf("what was written on %s is on %s, looked at %d of %d times", q.a.Source, q.a.Target, good, baselineSamples)
		}
		return sight{over: good >= baselineSamples, mark: fmt.Sprint(l.shipped, l.unknown, good, l.used()), limit: q.r.Waits.Stall, reason: wrong, causes: causes}, nil
	})
	if err != nil || good < baselineSamples {
		return err
	}
	q.ready = true
	if q.r.Plan.Back {
		return nil
	}
	q.tellRefused(ctx, q.a.Source)
	t, _, err := q.r.ticket()
	if err != nil {
		return err
	}
	t.Valid = q.r.Now()
	if t.Until.IsZero() { // when the route was switched is not known any more
		t.Until = t.Valid.Add(q.a.For)
	}
	return q.remember(t)
}

// tell writes into the marker of the source until when the ticket is valid: what is found there then, an
// open table and a duplication into it, is meant to be. It is for people, so a failure ends nothing.
func (h *ticketRunner) tell(ctx context.Context) {
	step, ok := firstStep[plan.Own](h.r.Plan)
	p, err := h.r.priors()
	if !ok || err != nil {
		return
	}
	own := step.Action.(plan.Own)
	s, err := h.table(ctx, own.Source)
	if err == nil {
		if m, err := marker.Parse(s.Envs[marker.Env]); err != nil || m == nil || m.Ticket.Equal(h.r.validUntil()) {
			return
		}
		err = h.mark(ctx, own.Source, "source", own.Target, p.SourceInfo, p)
	}
	if err != nil && ctx.Err() == nil {
		h.warn(CodeTicket, "the ownership marker does not say until when the return ticket is valid: "+err.Error(), "")
	}
}

// validUntil is until when the return ticket is valid, zero without one.
func (r *Run) validUntil() time.Time {
	if t, why, err := r.ticket(); err == nil && why == "" && !t.Valid.IsZero() {
		return t.Until.UTC().Truncate(time.Second)
	}
	return time.Time{}
}

func (q *readyRunner) remember(t Ticket) error {
	proof, err := blob(kindTicket, t)
	if err != nil {
		return err
	}
	return q.r.update(q.id, func(s *state.Step) { s.Proof = proof })
}

// tellRefused tells of writes that fail because of the ticket: the table was made by this migration, so
// whatever was refused there as not idempotent was refused since.
func (b base) tellRefused(ctx context.Context, t plan.TableRef) {
	call, cancel := b.call(ctx)
	defer cancel()
	if n, err := b.r.World.Duplications.Rejected(call, t); err == nil && n > 0 {
		b.warn(CodeTicket, fmt.Sprintf("%.0f writes of %s were refused as not idempotent: its clients use incr, check_and_set or check_and_mutate, which fail as long as there is a return ticket", n, t),
			"`"+b.r.completeCommand()+"` ends it, and they work again")
	}
}

// void is what becomes of a ticket whose duplication somebody removed: what was written since is in no
// log that would be shipped.
func (q *readyRunner) void() error {
	text := fmt.Sprintf("the duplication of %s back to %s is gone: somebody removed it, and what was written since is not on %s", q.a.Source, q.a.Target, q.a.Target)
	if q.r.Plan.Back {
		return &StepError{Step: q.id, Code: CodeTicket, Text: text, Hint: "there is no way back; `pegmigrate apply` finishes the migration"}
	}
	return q.r.voidTicket(q.base, text)
}

// voidTicket notes that there is no way back any more; the migration itself goes on.
func (r *Run) voidTicket(b base, why string) error {
	step, ok := firstStep[plan.AwaitReturn](r.Plan)
	if !ok {
		return nil
	}
	b.warn(CodeTicket, "the return ticket is void: "+why, "find out who removed it; clients stay on the target")
	t, _, err := r.ticket()
	if err != nil {
		return err
	}
	t.Void = why
	return (&readyRunner{base: base{r: r, id: step.ID}}).remember(t)
}

// ticketRunner keeps the ticket until its time is up.
type ticketRunner struct {
	base
	a plan.HoldTicket
}

func (h *ticketRunner) done(context.Context) (bool, string, error) {
	ends, err := h.r.ticketEnds()
	if err != nil || ends == "" {
		return false, "the return ticket is held", err
	}
	return true, "the return ticket is over: " + ends, nil
}

func (h *ticketRunner) run(ctx context.Context) error {
	l, err := h.lookBack(ctx, h.a.Source, h.a.Target, h.a.Threshold)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.warn(CodeTicket, "it cannot be told whether the return ticket holds: "+err.Error(), "look again with `"+h.r.Resume+"`")
	} else if !l.found {
		return h.r.voidTicket(h.base, fmt.Sprintf("the duplication of %s back to %s is gone: somebody removed it, and what was written since is not on %s", h.a.Source, h.a.Target, h.a.Target))
	}
	if err == nil {
		h.r.Sink.Emit(l.progress(h.id, 0))
		if wrong := l.wrong(h.a.Target, h.a.Threshold); wrong != "" {
			h.warn(CodeTicket, "a return would have to wait, or be refused: "+wrong,
				"a client that writes on "+h.a.Target.String()+" makes the comparison of a return refuse it; look again with `"+h.r.Resume+"`")
		}
	}
	h.tell(ctx)
	h.tellRefused(ctx, h.a.Source)
	t, _, err := h.r.ticket()
	if err != nil {
		return err
	}
	return &GateError{Gate: schema.GateTicket, Step: h.id, Until: t.Until}
}

// completeCommand is the command that gives a ticket up, with the same flags and folder.
func (r *Run) completeCommand() string { return r.command("complete") }

// errNoReturn says that a rollback has no way back.
func (r *Run) errNoReturn(id string) error {
	_, why, err := r.ticket()
	if err != nil {
		return err
	}
	hint := "`" + r.Resume + "` finishes the migration"
	if _, declared := firstStep[plan.AwaitReturn](r.Plan); !declared {
		return &StepError{Step: id, Code: CodeFinished, Text: "this step was begun, and nothing before it is undone any more", Hint: hint}
	}
	if why == "" {
		return &StepError{Step: id, Code: CodeFinished, Text: "this step was begun: the way back is a return, not an undo", Hint: "`" + r.rollbackCommand() + "`"}
	}
	return &StepError{Step: id, Code: CodeTicket, Text: "this step was begun, and nothing before it is undone any more: " + why, Hint: hint}
}
