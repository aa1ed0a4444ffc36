package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	configOptions
	planFile    string
	autoApprove bool
	approve     []string
	adopt       bool
	json        bool
	metrics     string // address, "" for none
}

func (e Env) applyCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "apply",
		Usage:     "run the steps, or go on where an earlier run stopped",
		ArgsUsage: "[FOLDER|PLANFILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "auto-approve", Usage: "do not ask before the first change"},
			&ucli.StringSliceFlag{Name: "approve", Usage: "open the gate `GATE`"},
			&ucli.BoolFlag{Name: "adopt", Usage: "take over a migration whose state file is lost, from the marker in the source table"},
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
			metricsFlag(),
			&ucli.StringFlag{Name: "config", Value: ".", Usage: "folder or file of the configuration, when a saved plan is given"}),
		Action: func(c *ucli.Context) error {
			o, err := e.applyOptions(c)
			if err != nil {
				return err
			}
			return e.apply(c.Context, o)
		},
	}
}

func (e Env) applyOptions(c *ucli.Context) (applyOptions, error) {
	o := applyOptions{autoApprove: c.Bool("auto-approve"), adopt: c.Bool("adopt"), json: c.Bool("json"), metrics: c.String(flagMetrics)}
	for _, gates := range c.StringSlice("approve") {
		o.approve = append(o.approve, strings.Split(gates, ",")...)
	}
	var err error
	if o.configOptions, err = configOf(c, e); err != nil {
		return o, err
	}
	if c.NArg() == 1 && isPlanFile(o.path) {
		o.planFile = o.path
		o.path = c.String("config")
	}
	return o, nil
}

// isPlanFile tells a saved plan from a configuration by its name: HCL files end in .hcl, and a
// folder is a configuration.
func isPlanFile(path string) bool {
	return !strings.HasSuffix(path, ".hcl") && isRegular(path)
}

func (e Env) apply(ctx context.Context, o applyOptions) error {
	var saved *plan.Plan
	if o.planFile != "" {
		var err error
		if saved, err = e.readPlan(o.planFile); err != nil {
			return err
		}
		if o.migration == "" {
			o.migration = saved.Migration
		}
	}
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	if err := checkGates(s, o.approve); err != nil {
		return err
	}
	ended, err := s.serveMetrics(ctx, "apply", o.metrics)
	if err != nil {
		return err
	}
	defer ended()
	store, err := s.waitForWatchdog(ctx, func() (*state.Store, error) { return s.openState("apply", o.adopt) })
	if err != nil {
		return err
	}
	defer store.Close()
	away := s.connectAny(ctx)
	defer s.close()
	if len(away) > 0 {
		return s.leaveWindow(ctx, store, away[0], o.json)
	}
	if err := s.takeBack(ctx, store, o.json); err != nil {
		return err
	}
	p, err := s.prepare(ctx, store, saved, o)
	if err != nil || p == nil {
		return s.leaveWindow(ctx, store, err, o.json)
	}
	return s.run(ctx, store, p, o.json)
}

// warnOfFence says that clients are still rejected, for a run that cannot go on now.
func (s *session) warnOfFence(doc *state.Document) {
	if doc == nil || doc.Outcome != state.OutcomeOpen {
		return
	}
	p, err := apply.PlanOf(doc)
	if err != nil {
		return
	}
	up := false
	for _, step := range p.Steps {
		record := doc.Step(step.ID)
		if record == nil {
			continue
		}
		switch step.Action.(type) {
		case plan.Fence:
			up = record.Attempts > 0 && record.Status != state.Undone
		case plan.LiftFence, plan.SwitchRoute:
			up = up && record.Status != state.Done
		}
	}
	if up {
		fmt.Fprintf(s.env.Stderr, "writes on %s may be rejected; `%s` lifts the fence, also while the target is away\n",
			p.Source.TableRef, strings.Replace(s.resumeCommand(), "apply", "rollback", 1))
	}
}

// prepare finds out what is to be done and asks; nil without an error when there is nothing to do.
func (s *session) prepare(ctx context.Context, store *state.Store, saved *plan.Plan, o applyOptions) (*plan.Plan, error) {
	facts, err := s.observe(ctx)
	if err != nil {
		return nil, err
	}
	if o.adopt {
		if err := s.adopt(store, facts); err != nil {
			return nil, err
		}
	}
	p, err := s.choose(store, facts, saved)
	if err != nil {
		return nil, err
	}
	if !o.json {
		if err := view.PlanText(s.env.Stdout, p, s.env.style(s.env.Stdout)); err != nil {
			return nil, failf(codePlanNotShown, "give a standard output that can be written", "the plan could not be shown, nothing was changed: %v", err)
		}
	}
	if p.HasErrors() {
		if o.json {
			return nil, checksFailure(p)
		}
		return nil, &exitError{code: ExitError}
	}
	if !p.Changes() {
		if o.json {
			sink, done := s.env.sink(true)
			defer done()
			sink.Emit(event.RunDone{Migration: p.Migration, Command: "apply", Text: "nothing to do: the migration is finished"})
		}
		return nil, nil
	}
	if err := s.confirm(ctx, p, saved, o); err != nil {
		return nil, err
	}
	return p, s.begin(store, p, o.approve)
}

// choose gives the plan to run: the one under way, the saved one when its facts still hold, or a
// fresh one.
func (s *session) choose(store *state.Store, facts plan.Facts, saved *plan.Plan) (*plan.Plan, error) {
	doc := store.Document()
	open := doc != nil && doc.Outcome == state.OutcomeOpen
	if saved == nil {
		return s.planFor(facts, doc)
	}
	if doc != nil && doc.PlanFingerprint == saved.ID {
		if !open {
			return nil, &staleError{text: "this plan was applied already, its migration is " + doc.Outcome}
		}
		return s.planFor(facts, doc)
	}
	if open {
		return nil, &staleError{text: "the migration is under way with another plan (" + short(doc.PlanFingerprint) + ")"}
	}
	if saved.ConfigFingerprint != s.migration.Fingerprint {
		return nil, &staleError{text: "the declaration changed since the plan was made"}
	}
	if moved := saved.Stale(facts); len(moved) > 0 {
		return nil, &staleError{moved: moved}
	}
	return saved, nil
}

// confirm asks once, before the first change of a migration. While it waited the world may have
// moved, so the facts are looked at again.
func (s *session) confirm(ctx context.Context, p, saved *plan.Plan, o applyOptions) error {
	if o.autoApprove || saved != nil || p.Progress != nil {
		return nil
	}
	yes, err := view.Confirm(ctx, s.env.Stdin, s.env.Stderr, "run these steps?")
	if err != nil {
		return err
	}
	if !yes {
		return failf(codeNotApproved, "answer yes, or pass -auto-approve", "not approved; nothing was changed")
	}
	facts, err := s.observe(ctx)
	if err != nil {
		return err
	}
	if moved := p.Stale(facts); len(moved) > 0 {
		return &staleError{moved: moved}
	}
	return nil
}

// begin writes the state document of a new migration, and what this command approves.
func (s *session) begin(store *state.Store, p *plan.Plan, approve []string) error {
	if doc := store.Document(); doc == nil || doc.Outcome != state.OutcomeOpen {
		next, err := apply.NewDocument(p, state.NewLineage(), s.env.Version)
		if err != nil {
			return err
		}
		if err := store.Create(next); err != nil {
			return err
		}
	}
	return store.Update(func(d *state.Document) error {
		d.ToolVersion = s.env.Version
		d.ConfigFingerprint = s.migration.Fingerprint
		for _, gate := range approve {
			if !slices.Contains(d.Approved, gate) {
				d.Approved = append(d.Approved, gate)
			}
		}
		return nil
	})
}

func (s *session) run(ctx context.Context, store *state.Store, p *plan.Plan, json bool) error {
	sink, done := s.sink(json, "apply")
	defer done()
	defer s.servePace(ctx, sink, "apply")()
	return s.newRun(store, p, sink, s.resumeCommand()).Apply(ctx)
}

// newRun prepares the carrying out of a plan; resume is the command that goes on with it.
func (s *session) newRun(store *state.Store, p *plan.Plan, sink event.Sink, resume string) *apply.Run {
	return apply.New(apply.Config{Plan: p, Store: store, World: s.world(), Sink: sink, Waits: s.env.Waits,
		Owner: owner(), Resume: resume, Now: s.env.Now, Watchdog: s.watchdog(p)})
}

// checkGates refuses -approve of a gate that the method does not have.
func checkGates(s *session, approve []string) error {
	gates := s.migration.Method.Gates()
	if s.migration.After.Source == schema.AfterDrop {
		gates = append(slices.Clone(gates), gateComplete)
	}
	if ticketOf(s) > 0 {
		gates = append(slices.Clone(gates), schema.GateTicket)
	}
	for _, gate := range approve {
		if !slices.Contains(gates, gate) {
			return failf(codeGate, "its gates are "+strings.Join(gates, ", "), "method %q has no gate %q", s.migration.Method.Kind(), gate)
		}
	}
	return nil
}

// checksFailure names the first failed check, for output that shows no plan.
func checksFailure(p *plan.Plan) error {
	for _, c := range p.Checks {
		if c.Severity == plan.Error {
			return &failure{Code: c.Code, Place: c.Place, Text: c.Text, Hint: c.Hint}
		}
	}
	return errors.New("the plan has errors")
}

// resumeCommand is what an operator types to go on.
func (s *session) resumeCommand() string {
	return strings.Join(append([]string{"pegmigrate apply"}, s.args...), " ")
}

func short(id string) string { return fmt.Sprintf("%.8s…", id) }
