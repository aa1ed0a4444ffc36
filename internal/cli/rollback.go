package cli

import (
	"context"
	"errors"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/state"
)

// rollbackOptions are the flags of rollback.
type rollbackOptions struct {
	configOptions
	autoApprove bool
	json        bool
	metrics     string // address, "" for none
}

func (e Env) rollbackCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "rollback",
		Usage:     "undo what can be undone, in reverse, up to the point of no return; behind it, lead clients back with a return ticket",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "auto-approve", Usage: "do not ask"},
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
			metricsFlag()),
		Action: func(c *ucli.Context) error {
			config, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.rollback(c.Context, rollbackOptions{configOptions: config,
				autoApprove: c.Bool("auto-approve"), json: c.Bool("json"), metrics: c.String(flagMetrics)})
		},
	}
}

func (e Env) rollback(ctx context.Context, o rollbackOptions) error {
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	ended, err := s.serveMetrics(ctx, "rollback", o.metrics)
	if err != nil {
		return err
	}
	defer ended()
	store, err := s.waitForWatchdog(ctx, func() (*state.Store, error) { return s.openState("rollback", false) })
	if err != nil {
		return err
	}
	defer store.Close()
	doc := store.Document()
	if doc == nil {
		return failf(codeNothingToUndo, "`pegmigrate doctor` looks for leftovers without one; `pegmigrate apply -adopt` rebuilds a lost one",
			"migration %q has no state: there is nothing to undo", s.migration.Name)
	}
	if doc.Outcome == state.OutcomeRolledBack {
		return failf(codeNothingToUndo, "`pegmigrate apply` begins the migration anew", "migration %q is rolled back already: there is nothing to undo", s.migration.Name)
	}
	p, err := apply.PlanOf(doc)
	if err != nil {
		return err
	}
	if goesBack(doc, p) {
		return s.goBack(ctx, store, p, o)
	}
	if !o.autoApprove && doc.Outcome == state.OutcomeOpen { // else Rollback says why there is nothing to undo
		yes, err := view.Confirm(ctx, e.Stdin, e.Stderr, "undo migration "+s.migration.Name+" of "+
			p.Source.TableRef.String()+" to "+p.Target.TableRef.String()+"?")
		if err != nil {
			return err
		}
		if !yes {
			return failf(codeNotApproved, "answer yes, or pass -auto-approve", "not approved; nothing was changed")
		}
	}
	away := s.connectAny(ctx)
	defer s.close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(s.clusters) == 0 {
		return errors.Join(away...)
	}
	for _, err := range away { // what can be undone without it is undone now
		e.report(err)
	}
	sink, done := s.sink(o.json, "rollback")
	defer done()
	return apply.New(apply.Config{Plan: p, Store: store, World: s.world(), Sink: sink, Waits: e.Waits,
		Owner: owner(), Resume: s.resumeCommand(), Now: e.Now}).Rollback(ctx)
}
