package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// planOptions are the flags of plan.
type planOptions struct {
	configOptions
	out      string
	format   string
	detailed bool
}

func (e Env) planCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "plan",
		Usage:     "look at both clusters and print the steps; changes nothing",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.StringFlag{Name: "out", Usage: "save the plan to `FILE`, for apply FILE"},
			&ucli.StringFlag{Name: "format", Value: "text", Usage: "text, json or markdown"},
			&ucli.BoolFlag{Name: "detailed-exitcode", Usage: "exit with 2 when there is something to do"}),
		Action: func(c *ucli.Context) error {
			config, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.plan(c.Context, planOptions{configOptions: config, out: c.String("out"),
				format: c.String("format"), detailed: c.Bool("detailed-exitcode")})
		},
	}
}

func (e Env) plan(ctx context.Context, o planOptions) error {
	if o.format != "text" && o.format != "json" && o.format != "markdown" {
		return failf(codeFormat, "use text, json or markdown", "unknown format %q", o.format)
	}
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil && !errors.Is(err, state.ErrNoState) {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	facts, err := s.observe(ctx)
	if err != nil {
		return err
	}
	p, err := s.planFor(facts, doc)
	if err != nil {
		return err
	}
	if err := e.printPlan(p, o.format); err != nil {
		return err
	}
	if p.HasErrors() {
		return &exitError{code: ExitError}
	}
	if o.out != "" {
		if err := e.savePlan(p, s.config, o); err != nil {
			return err
		}
	}
	if o.detailed && p.Changes() {
		return &exitError{code: ExitChanges}
	}
	return nil
}

func (e Env) printPlan(p *plan.Plan, format string) error {
	switch format {
	case "json":
		return view.PlanJSON(e.Stdout, p)
	case "markdown":
		return view.PlanMarkdown(e.Stdout, p)
	}
	return view.PlanText(e.Stdout, p, e.style(e.Stdout))
}

func (e Env) savePlan(p *plan.Plan, config *schema.Config, o planOptions) error {
	data, err := plan.Encode(p)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(e.FS, o.out, data); err != nil {
		return failf(codePlanNotSaved, "choose a writable path", "the plan was not saved: %v", err)
	}
	// The plan names its migration; the declaration it is held against is found by -config.
	again := configOptions{path: ".", vars: o.vars}.again(config)
	if o.path != "." {
		again = append(again, "-config", quoted(o.path))
	}
	fmt.Fprintf(e.Stderr, "saved to %s; run it with: pegmigrate apply %s\n", o.out, strings.Join(append(again, quoted(o.out)), " "))
	return nil
}
