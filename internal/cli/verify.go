package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
	"github.com/pegmigrate/pegmigrate/state"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	configOptions
	json        bool
	metrics     string // address, "" for none
	mode        string // "" as declared
	sample      float64
	patience    time.Duration
	patient     bool // patience was given
	restart     bool
	report      string
	repair      bool
	from        string
	drift       bool
	autoApprove bool
}

const verifyHelp = `Compares source and target as they are now, and changes nothing without -repair. Clients may write
meanwhile: where a duplication or clients that write both tables bring the target up to date, a row that
differs is read again, and only what stays different for longer than a write needs is a difference.

-repair shows first what it would write and delete, and asks. It writes to the target alone, each row as
the source has it at that moment, and reads it again on both sides. It refuses where the target is the
truth (after a cut-over, or when clients write to it), and where rows are not this migration's to touch.

`

func (e Env) verifyCommand() *ucli.Command {
	return &ucli.Command{
		Name:        "verify",
		Usage:       "compare source and target now, and repair the target when asked to",
		ArgsUsage:   "[FOLDER|FILE]",
		Description: verifyHelp + exitHelp,
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per event on stdout"},
			metricsFlag(),
			&ucli.StringFlag{Name: "mode", Usage: "full, sample or count; default is what verify.mode declares"},
			&ucli.StringFlag{Name: "sample", Usage: "compare this share of the rows, `1%`; -mode sample is understood"},
			&ucli.DurationFlag{Name: "patience", Usage: "how long a write may take to reach the target, `30s`; default is measured"},
			&ucli.BoolFlag{Name: "restart", Usage: "do not go on where a comparison was interrupted"},
			&ucli.StringFlag{Name: "report", Usage: "write every difference to `FILE`, one JSON object per line"},
			&ucli.BoolFlag{Name: "repair", Usage: "copy or delete on the target what differs, after showing it"},
			&ucli.StringFlag{Name: "from", Usage: "with -repair: only the rows of the report `FILE`, without comparing everything"},
			&ucli.BoolFlag{Name: "drift", Usage: "with -report list, with -repair repair rows too that only default_ttl or clocks gave another expiry"},
			&ucli.BoolFlag{Name: "auto-approve", Usage: "with -repair: do not ask"}),
		Action: func(c *ucli.Context) error {
			o, err := e.verifyOptions(c)
			if err != nil {
				return err
			}
			return e.verify(c.Context, o)
		},
	}
}

func (e Env) verifyOptions(c *ucli.Context) (o verifyOptions, err error) {
	o = verifyOptions{json: c.Bool("json"), metrics: c.String(flagMetrics), mode: c.String("mode"), patience: c.Duration("patience"), patient: c.IsSet("patience"),
		restart: c.Bool("restart"), report: c.String("report"), repair: c.Bool("repair"), from: c.String("from"),
		drift: c.Bool("drift"), autoApprove: c.Bool("auto-approve")}
	if o.configOptions, err = configOf(c, e); err != nil {
		return o, err
	}
	if text := c.String("sample"); text != "" {
		if o.sample, err = share(text); err != nil {
			return o, err
		}
		if o.mode == "" {
			o.mode = plan.VerifySample
		}
	}
	return o, o.check(c)
}

// share reads "1%" or "0.01".
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v < 1) {
		return 0, failf(codeFlag, `write a share between 0 and 100 %, like "1%"`, "-sample %q is no share of the rows", text)
	}
	return v, nil
}

// check refuses flags that cannot be meant together.
func (o verifyOptions) check(c *ucli.Context) error {
	switch o.mode {
	case "", plan.VerifyFull, plan.VerifySample, plan.VerifyCount:
	default:
		return failf(codeFlag, "use full, sample or count", "-mode %q is no way to compare", o.mode)
	}
	if o.sample > 0 && o.mode != plan.VerifySample {
		return failf(codeFlag, "leave one of them out", "-sample goes with -mode sample, not with -mode %s", o.mode)
	}
	if o.patience < 0 {
		return failf(codeFlag, "give a duration like 30s", "-patience %s is below zero", o.patience)
	}
	if o.mode == plan.VerifyCount || o.mode == plan.VerifySample {
		for _, name := range []string{"repair", "report", "drift"} {
			if c.IsSet(name) {
				return failf(codeFlag, "-mode full finds every row that differs", "-%s needs the rows that differ, and -mode %s does not name all of them", name, o.mode)
			}
		}
	}
	if !o.repair {
		for _, name := range []string{"from", "auto-approve"} {
			if c.IsSet(name) {
				return failf(codeFlag, "add -repair, or leave it out", "-%s goes with -repair", name)
			}
		}
	}
	if o.from == "" {
		return nil
	}
	for _, name := range []string{"mode", "sample", "report", "restart"} {
		if c.IsSet(name) {
			return failf(codeFlag, "without -from everything is compared first", "-%s cannot be together with -from: nothing is compared then", name)
		}
	}
	return nil
}

func (e Env) verify(ctx context.Context, o verifyOptions) error {
	s, err := e.load(o.configOptions)
	if err != nil {
		return err
	}
	m := s.migration
	if m.Source.Backup != nil {
		return &failure{Code: apply.CodeVerify, Text: "the source of migration \"" + m.Name + "\" is a backup: there is no table to compare with",
			Hint: "`pegmigrate apply` compares the target with the files of the backup, in its step verify"}
	}
	ended, err := s.serveMetrics(ctx, "verify", o.metrics)
	if err != nil {
		return err
	}
	defer ended()
	v := &verification{session: s, o: o, mode: modeOf(o, m), sample: o.sample}
	if v.mode == plan.VerifySample && v.sample == 0 {
		v.sample = cmp.Or(m.Verify.Sample, defaultSample)
	}
	if err := v.openState(); err != nil {
		return err
	}
	defer v.close()
	if err := v.refuseMoved(); err != nil {
		return err
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.close()
	if err := v.look(ctx); err != nil {
		return err
	}
	if o.from != "" {
		return v.compareIndex(ctx, v.repairFrom(ctx))
	}
	return v.compareIndex(ctx, v.run(ctx))
}

// modeOf is how much is compared: what was asked for, or what is declared.
func modeOf(o verifyOptions, m *schema.Migration) string {
	switch {
	case o.mode != "":
		return o.mode
	case o.repair || o.report != "":
		return plan.VerifyFull // only that finds every row
	case m.Verify.Mode == schema.VerifySample || m.Verify.Mode == schema.VerifyCount:
		return string(m.Verify.Mode)
	}
	return plan.VerifyFull
}

// verification is one run of verify.
type verification struct {
	*session
	o      verifyOptions
	mode   string
	sample float64
	// store holds the lock of the state, nil unless something is to be repaired; doc is the document, nil without one.
	store *state.Store
	doc   *state.Document
	looked
}

// openState reads the state document. A repair also keeps apply out.
func (v *verification) openState() (err error) {
	m := v.migration
	v.source = plan.TableRef{Cluster: m.Source.Cluster.Label, Table: m.Source.Table}
	v.target = plan.TableRef{Cluster: m.Target.Cluster.Label, Table: m.Target.Table}
	defer func() { v.moved = clientsMoved(v.doc, m) }()
	if !v.o.repair {
		v.doc, err = state.ReadOnly(v.env.FS, v.dir, v.migration.Name)
		if errors.Is(err, state.ErrNoState) {
			err = nil
		}
		return err
	}
	if v.store, err = v.session.openState("verify -repair", false); err != nil {
		return err
	}
	v.doc = v.store.Document()
	return nil
}

func (v *verification) close() {
	if v.store != nil {
		_ = v.store.Close()
	}
}

// run compares, and repairs when that is asked for.
func (v *verification) run(ctx context.Context) error {
	if v.o.repair {
		if err := v.refuse(ctx); err != nil {
			return err
		}
	}
	switch v.mode {
	case plan.VerifySample, plan.VerifyCount:
		return v.estimate(ctx)
	}
	result, list, err := v.compare(ctx)
	if err != nil {
		return err
	}
	if v.o.repair {
		return v.repairListed(ctx, result, list)
	}
	return v.verdict(ctx, result)
}

// verdict is the end of a comparison that repairs nothing.
func (v *verification) verdict(ctx context.Context, result event.Verified) error {
	if result.Differences == 0 {
		return nil
	}
	if err := v.stillShips(ctx, result.Differences); err != nil {
		return err
	}
	return v.differs(&apply.DifferencesError{Step: "verify", Count: result.Differences})
}

// differs says what to do about differences, which depends on where the migration stands.
func (v *verification) differs(found *apply.DifferencesError) error {
	f := &failure{Code: apply.CodeDifferences, Text: found.Error(), cause: found,
		Hint: "the first ones are listed above; `" + v.command("-repair") + "` shows what it would write and delete, and asks"}
	_, twice := v.migration.Method.(*schema.DualWriteMethod)
	switch {
	case v.mode == plan.VerifyCount:
		f.Hint = "`" + v.command("-mode", "full") + "` finds which rows differ"
	case v.mode == plan.VerifySample:
		f.Hint = "those of the sample are listed above; `" + v.command("-mode", "full", "-report", "FILE") + "` finds all of them"
	case v.o.repair:
		f.Hint = "these are left; `" + v.command("-repair") + "` compares anew and tries again"
	case v.moved != "":
		f.Hint = "the first ones are listed above; " + v.moved + ", so rows written since are the likely reason"
	case v.ahead(func(a plan.Action) bool { _, copies := a.(plan.Copy); return copies }):
		f.Hint = "the copy is not over, and rows that are still to come are missing; `" + v.resumeCommand() + "` goes on with it"
	case v.ahead(func(a plan.Action) bool { _, catches := a.(plan.CatchUp); return catches }):
		f.Hint = "`" + v.resumeCommand() + "` brings over what clients changed since the copy, behind its fence"
	case twice:
		f.Hint = "the first ones are listed above; a writer that writes one table only is the likely reason: find it first, then `" + v.command("-repair") + "`"
	case v.doc != nil && v.doc.Outcome == state.OutcomeDone:
		f.Hint = "the first ones are listed above; the migration is finished, so rows written since are the likely reason; " +
			"as long as no client writes to the target `" + v.command("-repair") + "` brings them over"
	}
	return f
}

// ahead says that this migration is under way and has such a step still to do.
func (v *verification) ahead(is func(plan.Action) bool) bool {
	if v.doc == nil || v.doc.Outcome != state.OutcomeOpen {
		return false
	}
	begun, err := apply.PlanOf(v.doc)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(begun.Steps, func(s plan.Step) bool {
		record := v.doc.Step(s.ID)
		return is(s.Action) && (record == nil || record.Status != state.Done)
	})
}

// command is what an operator types to verify again with some flags.
func (v *verification) command(flags ...string) string {
	return strings.Join(append(append([]string{"pegmigrate verify"}, flags...), v.args...), " ")
}
