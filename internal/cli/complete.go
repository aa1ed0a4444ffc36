package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// gateComplete stands before a declared drop of the source.
const gateComplete = "complete"

// completeCommand opens the last gate: the old table is dropped as declared.
func (e Env) completeCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "complete",
		Usage:     "after a cut-over and its waiting time: end the return ticket, and drop the old table as declared in after { source = \"drop\" }",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "auto-approve", Usage: "do not ask"},
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"}),
		Action: func(c *ucli.Context) error {
			config, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.complete(c.Context, applyOptions{configOptions: config, autoApprove: c.Bool("auto-approve"), json: c.Bool("json")})
		},
	}
}

func (e Env) complete(ctx context.Context, o applyOptions) error {
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	drops, ticket := s.migration.After.Source == schema.AfterDrop, ticketOf(s) > 0
	if !drops && !ticket {
		return failf(codeNothingToComplete, "declare after { source = \"drop\" } before the migration begins, or drop the table by hand",
			"migration %q leaves the source table as it is: there is nothing to complete", s.migration.Name)
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil && !errors.Is(err, state.ErrNoState) {
		return err
	}
	if doc == nil {
		return failf(codeNothingToComplete, "`pegmigrate apply` begins it", "migration %q has no state: it was not begun", s.migration.Name)
	}
	if begun, err := apply.PlanOf(doc); err != nil {
		return err
	} else if ticket && !apply.Switched(doc, begun) {
		return failf(codeNothingToComplete, "`pegmigrate apply` goes on", "migration %q has not led its clients over yet: there is nothing to complete", s.migration.Name)
	}
	if doc.Return != nil && doc.Outcome == state.OutcomeOpen {
		return failf(codeNothingToComplete, "`pegmigrate rollback` goes on with it; `pegmigrate apply` takes it back as long as clients were not led back",
			"migration %q is being led back", s.migration.Name)
	}
	if !o.autoApprove {
		question := "end the return ticket?"
		if drops {
			question = fmt.Sprintf("drop %s/%s (it can be recalled for %s)?",
				s.migration.Source.Cluster.Label, s.migration.Source.Table, plan.Duration(s.migration.After.Reserve))
		}
		if drops && ticket {
			question = "end the return ticket and " + question
		}
		yes, err := view.Confirm(ctx, e.Stdin, e.Stderr, question)
		if err != nil {
			return err
		}
		if !yes {
			return failf(codeNotApproved, "answer yes, or pass -auto-approve", "not approved; nothing was changed")
		}
	}
	if drops {
		o.approve = append(o.approve, gateComplete)
	}
	if ticket {
		o.approve = append(o.approve, schema.GateTicket)
	}
	return e.apply(ctx, o)
}

// ticketOf is the declared return ticket, 0 for none.
func ticketOf(s *session) time.Duration {
	if m, ok := s.migration.Method.(*schema.DuplicationMethod); ok {
		return m.ReturnTicket
	}
	return 0
}
