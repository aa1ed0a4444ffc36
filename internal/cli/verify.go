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
	json bool
}

func (e Env) verifyCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "verify",
		Usage:     "compare source and target now, row by row; changes nothing",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
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
			return e.verify(c.Context, verifyOptions{configOptions: config, json: c.Bool("json")})
		},
	}
}

func (e Env) verify(ctx context.Context, o verifyOptions) error {
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	m := s.migration
	if m.Source.Backup != nil {
		return &failure{Code: apply.CodeVerify, Text: "the source of migration \"" + m.Name + "\" is a backup: there is no table to compare with",
			Hint: "`pegmigrate apply` compares the target with the files of the backup, in its step verify"}
	}
	sink, done := e.sink(o.json)
	defer done()
	result, err := actuate.NewEngine(s.actuators, e.Now).Verify(ctx, apply.VerifyJob{
		Source:     plan.TableRef{Cluster: m.Source.Cluster.Label, Table: m.Source.Table},
		Target:     plan.TableRef{Cluster: m.Target.Cluster.Label, Table: m.Target.Table},
		Limits:     plan.CopyLimits{RowsPerSecond: m.Limits.RowsPerSecond, BytesPerSecond: m.Limits.BytesPerSecond, InFlight: m.Limits.InFlight},
		AllowExtra: m.Target.IfExists == schema.IfExistsMerge,
		Report:     func(p event.MoveProgress) { p.Step = "verify"; sink.Emit(p) },
	})
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

// differ says what to do about differences, which depends on where the migration stands.
func (s *session) differ(found *apply.DifferencesError) error {
	f := &failure{Code: apply.CodeDifferences, Text: found.Error(), cause: found,
		Hint: "the first ones are listed above; `" + s.resumeCommand() + "` copies and compares at its end"}
	doc, err := state.ReadOnly(s.env.FS, s.dir, s.migration.Name)
	if err == nil && doc.Outcome == state.OutcomeDone {
		f.Hint = "the first ones are listed above; the migration is finished, so rows written since are the likely reason; " +
			"to copy everything anew drop the target and run `" + s.resumeCommand() + "`"
	}
	return f
}
