package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/pegmigrate/pegmigrate/schema"
)

// ReturnStep is the id of the step that adds the duplication of a return ticket.
const ReturnStep = "return-duplication"

// returnDuplicationStep is added before the fence goes up, so that it is there before the first client
// writes on the target: what is written before it exists is not in its log.
func (b *builder) returnDuplicationStep(method *schema.DuplicationMethod) Step {
	remote := b.f.Source.Name
	return Step{
		ID:     ReturnStep,
		Action: AddReturn{Source: b.target, Target: b.source, Remote: remote, FailMode: string(method.FailMode)},
		Why: fmt.Sprintf("%s -> %s, log only, for the way back; it is held as long as %s is fenced: until then every write on the target is kept in its log",
			b.target, b.source, b.source),
		Impact: "incr, check_and_set and check_and_mutate on the target are rejected as long as there is a return ticket",
		Undo:   RemoveReturn{Source: b.target, Target: b.source, Remote: remote},
	}
}

// ticketSteps keep the old source in step with the target, and end that.
func (b *builder) ticketSteps(method *schema.DuplicationMethod) []Step {
	remote, threshold := b.f.Source.Name, method.Cutover.LagThreshold
	return []Step{{
		ID: "open-return", Action: LiftFence{Table: b.source},
		Why:      "nobody uses " + b.source.String() + " any more: its fence comes down, because a fenced table takes no duplication in",
		Impact:   "whoever still asks " + b.source.String() + " is served there: clients are kept away by the route, and watched by counters, only",
		Estimate: estimateSync(b.f.Source.ConfigSync),
	}, {
		ID:     "return-ready",
		Action: AwaitReturn{Source: b.target, Target: b.source, Remote: remote, Threshold: threshold, For: method.ReturnTicket},
		Why: fmt.Sprintf("what was written on the target since the switch arrives on the source: lag under %s mutations on each of %s, no client on the source; the return ticket is valid from here",
			Rows(uint64(threshold)), plural(int(b.partitions), "partition")),
		Estimate: estimateSync(10 * time.Second),
	}, {
		ID:     "return-ticket",
		Action: HoldTicket{Source: b.target, Target: b.source, Remote: remote, Threshold: threshold, For: method.ReturnTicket},
		Gate:   schema.GateTicket,
		Why: fmt.Sprintf("until %s after the switch `pegmigrate rollback` leads clients back; then apply goes on, or earlier with `pegmigrate complete`",
			Duration(method.ReturnTicket)),
	}, {
		ID: "end-return", Action: RemoveReturn{Source: b.target, Target: b.source, Remote: remote},
		Why: fmt.Sprintf("remove the duplication to %s: there is no way back any more", b.source),
	}}
}

// closeStep shuts the old source again once nothing is shipped to it.
func (b *builder) closeStep() Step {
	return Step{
		ID: "close-source", Action: Deny{Table: b.source, Mode: EvictMode},
		Why:      fmt.Sprintf("deny reads and writes on %s again (%s), proven on %s", b.source, EvictMode, plural(int(b.partitions), "partition")),
		Estimate: estimateSync(b.f.Source.ConfigSync),
	}
}

// checkReturn says under which conditions there is a way back.
func (b *builder) checkReturn(method *schema.DuplicationMethod, d *DuplicationFacts) {
	ticket := method.ReturnTicket
	if ticket == 0 {
		return
	}
	place := b.atMethod()
	b.checks.ok("return ticket: `pegmigrate rollback` leads clients back from step return-ready until %s after the switch, as long as %s keeps up and nobody writes to it; everything is compared before",
		Duration(ticket), b.source)
	// Behind the switch readers are evicted, traffic is proven, and the fence comes down.
	if least := method.Cutover.TrafficProof + 3*b.cutoverWindow().ConfigSync; ticket < least {
		b.checks.warn(CodeReturn, place, "declare a longer return_ticket", "return_ticket = %s is counted from the switch, and the ticket is valid about %s after it at the earliest", Duration(ticket), Duration(least))
	}
	b.checks.list = append(b.checks.list, Check{Code: CodeReturnOpen, Severity: Warning, Loud: true, Place: place,
		Text: fmt.Sprintf("as long as there is a return ticket %s takes writes: a fenced table takes no duplication in; clients are kept away by the route and watched by counters only, and a write that one of them does there makes the return refuse", b.source),
		Hint: "find clients that do not go through a listed proxy before; take their rights or their network path to " + b.source.Cluster + " away"})
	b.checks.warn(CodeReturnWrites, place, "change clients that start to use them only when the ticket is over, or end it with `pegmigrate complete`",
		"as long as there is a return ticket incr, check_and_set and check_and_mutate fail on %s as they do on the source now", b.target)
	b.checkReturnDisk(method, d)
	b.checkReturnWindow()
	b.checkReturnTTL()
}

// checkReturnDisk: a source that does not take in what is shipped back, for as long as the ticket is,
// leaves all of it in the logs of the target.
func (b *builder) checkReturnDisk(method *schema.DuplicationMethod, d *DuplicationFacts) {
	src, alive := b.f.SourceTable, b.f.Target.Alive()
	if d.WriteQPS == 0 || src.Rows == 0 || alive == 0 {
		return
	}
	row := float64(src.Bytes)/float64(src.Rows)*logFactor + logHeader
	each := uint64(d.WriteQPS * row * float64(b.replicas) * method.ReturnTicket.Seconds() / float64(alive))
	table := src.Bytes * uint64(b.replicas) / uint64(alive)
	worst := NodeFacts{}
	for _, n := range b.f.Target.Nodes {
		if n.Alive && n.DiskTotal > 0 && (worst.Addr == "" || n.DiskAvailable < worst.DiskAvailable) {
			worst = n
		}
	}
	assumed := fmt.Sprintf("assumed: %.0f writes per second of %s, on %d replicas, for %s", d.WriteQPS, Bytes(uint64(row)), b.replicas, Duration(method.ReturnTicket))
	if worst.Addr != "" && each+table > worst.DiskAvailable*9/10 {
		b.checks.warn(CodeReturnDisk, b.atMethod(), "make room there, or declare a shorter return_ticket; while "+b.source.Cluster+" keeps up there is next to nothing to keep",
			"should %s be away for the whole of the return ticket, logs of about %s pile up on each server of %s, beside %s of rows; %s has %s left (%s)",
			b.source.Cluster, Bytes(each), b.target.Cluster, Bytes(table), worst.Addr, Bytes(worst.DiskAvailable), assumed)
		return
	}
	b.checks.ok("should %s be away for the whole of the return ticket, logs of about %s pile up on each server of %s (%s)",
		b.source.Cluster, Bytes(each), b.target.Cluster, assumed)
}

// backward looks at the clusters from the other side: clients are on the target.
func (b *builder) backward() *builder {
	back := &builder{m: b.m, f: b.f, source: b.target, target: b.source, partitions: b.partitions, replicas: b.replicas}
	back.f.Source, back.f.Target = b.f.Target, b.f.Source
	return back
}

// checkReturnWindow: the way back rejects writes on the target, whose servers have intervals of their own.
func (b *builder) checkReturnWindow() {
	w := b.backward().cutoverWindow()
	if w.Declared && w.Budget < w.Minimum {
		b.checks.warn(CodeReturnWindow, b.atLimits(),
			fmt.Sprintf("raise limits.write_reject to %s or more before `pegmigrate rollback`", Duration(roundUp(w.Minimum, time.Second))),
			"limits.write_reject = %s cannot be kept on the way back: the smallest window on %s is %s (%s)", Duration(w.Budget), b.target.Cluster,
			Duration(w.Minimum), w.parts())
	}
}

// checkReturnTTL: a write without an expiry is stamped where it arrives, with what is in force there.
func (b *builder) checkReturnTTL() {
	declared, has := b.m.Target.Envs[EnvDefaultTTL]
	if !has || declared == b.f.SourceTable.Envs[EnvDefaultTTL] || (declared == "" || declared == "0") && !ttlInForce(b.f.SourceTable.Envs) {
		return
	}
	b.checks.warn(CodeReturnTTL, b.place(b.m.Target.Range), "declare the same default_ttl on both sides for as long as there may be a return",
		"source and target have different default_ttl: what is written without an expiry after the switch gets another one on the way back, and the comparison of a return may refuse it")
}

// BackOptions is what plan.Back has to know besides the facts.
type BackOptions struct {
	// Route is where the record led before the switch.
	Route RouteEnd
	// TargetID is the app id of the table that clients are on.
	TargetID int32
	// Until is when the ticket ends.
	Until time.Time
}

// Back plans the return with a ticket: the cut-over of a migration that was switched, backwards. begun is
// the plan of the migration, f what is there now. The ids of its steps are none of begun's.
func Back(begun *Plan, m *schema.Migration, f Facts, o BackOptions) (*Plan, error) {
	method, ok := m.Method.(*schema.DuplicationMethod)
	if !ok || f.SourceTable == nil || f.TargetTable == nil {
		return nil, fmt.Errorf("plan a return: a table is gone, or the method has none")
	}
	b := &builder{m: m, f: f, source: begun.Source.TableRef, target: begun.Target.TableRef,
		partitions: begun.Target.Partitions, replicas: begun.Target.Replicas}
	p := b.head(Options{ToolVersion: begun.ToolVersion})
	p.Back, p.IdentityFingerprint = true, begun.IdentityFingerprint
	p.Source, p.Target = begun.Target, begun.Source
	p.Source.Exists, p.Source.ID = true, o.TargetID
	p.Source.Rows, p.Source.Bytes = sizeOf(f.TargetTable)
	p.Target.Rows, p.Target.Bytes = sizeOf(f.SourceTable)
	b.checkClusters()
	b.checkIdentity(begun)
	back := b.backward()
	back.f.SourceTable, back.f.TargetTable = f.TargetTable, f.SourceTable
	back.checkWindow()
	b.checks.list = append(b.checks.list, back.checks.list...)
	p.Checks = b.checks.list
	w := back.cutoverWindow()
	p.Steps = back.backSteps(begun, method, w, o)
	p.Clients = back.backClients(p, w)
	p.Return = fmt.Sprintf("until step %d clients stay on %s when anything fails: its fence is lifted, and `pegmigrate apply` takes the return back; the ticket is valid until %s",
		indexOf(p, "back-switch"), back.source, o.Until.UTC().Format(time.RFC3339))
	p.Estimate = addUp(p.Steps)
	p.Facts = []Fact{}
	return p, p.seal()
}

// backClients is rejectedLine for the steps of a return.
func (b *builder) backClients(p *Plan, w Window) string {
	return fmt.Sprintf("writes rejected about %s (%s to %s, budget %s) from step %d to %d; reads stale for up to %s at step %d", Duration(w.Total.Duration),
		Duration(w.Total.Low), Duration(w.Total.High), Duration(w.Budget), indexOf(p, "back-fence"), indexOf(p, "back-switch"),
		Duration(w.ConfigSync), indexOf(p, "back-evict"))
}

// backSteps: b looks from the target, which clients are on; its source ships to the old source.
func (b *builder) backSteps(begun *Plan, method *schema.DuplicationMethod, w Window, o BackOptions) []Step {
	steps := []Step{{
		ID:     "back-ready",
		Action: AwaitReturn{Source: b.source, Target: b.target, Remote: b.f.Target.Name, Threshold: method.Cutover.LagThreshold, For: method.ReturnTicket},
		Why:    fmt.Sprintf("the return ticket holds: %s is shipped to %s, and no client uses that", b.source, b.target),
	}}
	full := b.comparesInWindow()
	steps = append(steps, b.catchUpSteps(method, w)...)
	if b.m.Verify.Mode == schema.VerifyOff { // a migration may go uncompared, a return may not
		limits := copyLimits(b.m.Limits)
		steps = append(steps, Step{ID: "compare", Action: CompareLive{Source: b.source, Target: b.target, Limits: limits},
			Why: "live comparison: every row of both tables: key, value, expiry, partition", Estimate: estimateMove(b.f.SourceTable.Rows, b.f.SourceTable.Bytes, limits, true)})
	}
	window := b.windowSteps(method, w)
	if b.m.Verify.Mode == schema.VerifyOff {
		window = append(window, Step{ID: "recheck", Action: RecheckKeys{Source: b.source, Target: b.target, Full: full, Limits: copyLimits(b.m.Limits)},
			Why: recheckWhy, Estimate: w.Recheck})
	}
	steps = append(append(steps, window...), b.backSwitch(begun, method, w, o)...)
	steps = append(steps, Step{
		ID: "end-duplication", Action: RemoveDuplication{Source: b.source, Target: b.target, Remote: b.f.Target.Name},
		Why: "everything is proven to be shipped once more; remove the duplication",
	}, Step{
		ID: "release-balancer", Action: ReleaseBalancer{Cluster: b.source.Cluster, Step: "back-hold-balancer"},
		Why: "give the meta level of " + b.source.Cluster + " back",
	})
	if method.DropFollower {
		steps = append(steps, Step{ID: "drop", Action: DropTable{Table: b.source, Reserve: DropReserve},
			Why: "drop " + b.source.String() + ", recallable for " + Duration(DropReserve)})
	}
	info := ""
	if s, ok := begun.Step("disown"); ok {
		if a, ok := s.Action.(Disown); ok {
			info = a.TargetInfo
		}
	}
	steps = append(steps, Step{ID: "disown", Action: Disown{Source: b.target, Target: b.source, TargetInfo: info},
		Why: "take the ownership marker out of " + EnvBusinessInfo})
	return backward(steps)
}

// backSwitch leads clients back to where the record led before.
func (b *builder) backSwitch(begun *Plan, method *schema.DuplicationMethod, w Window, o BackOptions) []Step {
	steps := b.switchSteps(method, w)
	there, ok := begun.Step("switch")
	if !ok {
		return steps
	}
	a, ok := there.Action.(SwitchRoute)
	if !ok {
		return steps
	}
	for i, s := range steps {
		switch now := s.Action.(type) {
		case SwitchRoute:
			now.Route, now.From, now.To = a.Route, a.To, o.Route
			s.Action = now
			s.Why = fmt.Sprintf("%s: %s -> %s", a.Route.Path(), now.From.ClusterName, now.To.ClusterName)
		case Evict:
			now.Route = a.Route
			s.Action = now
		}
		steps[i] = s
	}
	return steps
}

// backward gives steps the ids that they have in a return.
func backward(steps []Step) []Step {
	out := slices.Clone(steps)
	for i, s := range out {
		switch s.ID {
		case "back-ready":
			continue
		case "fence-source":
			s.ID = "back-fence"
		case "quiesce-source":
			s.ID = "back-quiesce"
		default:
			s.ID = "back-" + s.ID
		}
		switch a := s.Undo.(type) {
		case ReleaseBalancer:
			a.Step = s.ID
			s.Undo = a
		}
		out[i] = s
	}
	return out
}

// ResumeBack describes a return that is under way: its steps stay those that were shown, its window gets
// the limits that are declared now. What would keep a return from being begun is only told of.
func ResumeBack(back, begun *Plan, m *schema.Migration, f Facts, o BackOptions) (*Plan, error) {
	fresh, err := Back(begun, m, f, o)
	if err != nil {
		return nil, err
	}
	p := *back
	p.Steps = slices.Clone(back.Steps)
	for i, s := range p.Steps {
		now, ok := fresh.Step(s.ID)
		if !ok {
			continue
		}
		switch s.Action.(type) {
		case Fence, AwaitLag, CompareLive, RecheckKeys:
			if now.Action.Kind() == s.Action.Kind() {
				p.Steps[i].Action, p.Steps[i].Estimate = now.Action, now.Estimate
			}
		}
	}
	p.Checks = slices.Clone(fresh.Checks)
	for i := range p.Checks {
		if p.Checks[i].Severity == Error {
			p.Checks[i].Severity = Warning
		}
	}
	p.Clients, p.Return, p.Estimate = fresh.Clients, fresh.Return, fresh.Estimate
	return &p, p.seal()
}
