package cli

import (
	"context"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/actuate"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	configOptions
	json    bool
	metrics string // address, "" for none
}

func (e Env) verifyCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "verify",
		Usage:     "compare source and target now, row by row; changes nothing",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
			metricsFlag(),
			&ucli.BoolFlag{Name: "repair", Usage: "copy or delete what differs (not in this release)"},
			&ucli.BoolFlag{Name: "sample", Usage: "compare a sample (not in this release)"}),
		Action: func(c *ucli.Context) error {
			for _, name := range []string{"repair", "sample"} {
				if c.Bool(name) {
					return failf(codeNotYet, "verify without it compares everything",
						"verify -%s is not in this release", name)
				}
			}
			config, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.verify(c.Context, verifyOptions{configOptions: config, json: c.Bool("json"), metrics: c.String(flagMetrics)})
		},
	}
}

func (e Env) verify(ctx context.Context, o verifyOptions) error {
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	ended, err := s.serveMetrics(ctx, "verify", o.metrics)
	if err != nil {
		return err
	}
	defer ended()
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	m := s.migration
	if m.Source.Backup != nil {
		return &failure{Code: apply.CodeVerify, Text: "the source of migration \"" + m.Name + "\" is a backup: there is no table to compare with",
			Hint: "`pegmigrate apply` compares the target with the files of the backup, in its step verify"}
	}
	sink, done := s.sink(o.json, "verify")
	defer done()
	result, err := s.compare(ctx, func(p event.MoveProgress) { p.Step = "verify"; sink.Emit(p) })
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &failure{Code: apply.CodeVerify, Text: "the comparison could not be finished: " + err.Error(),
			Hint: "nothing was changed; run it again"}
	}
	result.Step, result.Round = "verify", 1
	sink.Emit(result)
	if result.Differences > 0 {
		return s.differ(&apply.DifferencesError{Step: "verify", Count: result.Differences})
	}
	return nil
}

// compare reads both tables. Those that clients write both are compared as such: writes may be on their way, and
// each client reckons expiries for each table.
func (s *session) compare(ctx context.Context, report func(event.MoveProgress)) (event.Verified, error) {
	m := s.migration
	source := plan.TableRef{Cluster: m.Source.Cluster.Label, Table: m.Source.Table}
	target := plan.TableRef{Cluster: m.Target.Cluster.Label, Table: m.Target.Table}
	limits := plan.CopyLimits{RowsPerSecond: m.Limits.RowsPerSecond, BytesPerSecond: m.Limits.BytesPerSecond, InFlight: m.Limits.InFlight}
	if _, twice := m.Method.(*schema.DualWriteMethod); twice {
		out, err := actuate.NewLive(s.actuators, s.env.Now).CompareLive(ctx, apply.LiveJob{Source: source, Target: target, Limits: limits,
			Patience: apply.DualPatience, ExpirySkew: apply.DualPatience, Report: report})
		return out.Verified, err
	}
	return actuate.NewEngine(s.actuators, s.env.Now).Verify(ctx, apply.VerifyJob{Source: source, Target: target, Limits: limits,
		AllowExtra: m.Target.IfExists == schema.IfExistsMerge, Report: report})
}

// differ says what to do about differences, which depends on where the migration stands.
func (s *session) differ(found *apply.DifferencesError) error {
	f := &failure{Code: apply.CodeDifferences, Text: found.Error(), cause: found,
		Hint: "the first ones are listed above; `" + s.resumeCommand() + "` copies and compares at its end"}
	doc, err := state.ReadOnly(s.env.FS, s.dir, s.migration.Name)
	if err == nil && doc.Outcome == state.OutcomeDone {
		f.Hint = "the first ones are listed above; the migration is finished, so rows written since are the likely reason; " +
			"to copy everything anew drop the target and run `" + s.resumeCommand() + "`"
	}
	if _, twice := s.migration.Method.(*schema.DualWriteMethod); twice {
		f.Hint = "the first ones are listed above; a writer that writes one table only is the likely reason, and after the cut-over every one is"
	}
	return f
}
