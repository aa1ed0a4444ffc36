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
	"github.com/pegmigrate/pegmigrate/state"
)

// statusOptions are the flags of status.
type statusOptions struct {
	configOptions
	json  bool
	watch bool
}

// watchEvery is the pause between two looks of status -watch.
const watchEvery = 2 * time.Second

func (e Env) statusCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "status",
		Usage:     "where every migration stands, from state and live clusters",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.BoolFlag{Name: "json", Usage: "one JSON object per migration"},
			&ucli.BoolFlag{Name: "watch", Usage: "look again every 2 seconds until interrupted"}),
		Action: func(c *ucli.Context) error {
			config, err := configOf(c, e)
			if err != nil {
				return err
			}
			return e.status(c.Context, statusOptions{configOptions: config, json: c.Bool("json"), watch: c.Bool("watch")})
		},
	}
}

func (e Env) status(ctx context.Context, o statusOptions) error {
	names, err := e.migrationNames(o.configOptions)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		err := e.statusOfAll(ctx, names, o)
		if !o.watch || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// statusOfAll shows one migration after the other. One whose state cannot be read does not hide
// the others: its failure is shown in its place.
func (e Env) statusOfAll(ctx context.Context, names []string, o statusOptions) error {
	var failed error
	for _, name := range names {
		one := o.configOptions
		one.migration = name
		err := e.statusOf(ctx, one, o.json)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
		case len(names) == 1:
			return err
		default:
			e.report(err)
			failed = &exitError{code: ExitError, err: err}
		}
	}
	return failed
}

// migrationNames gives the one that is named, or all that are declared.
func (e Env) migrationNames(o configOptions) ([]string, error) {
	if o.migration != "" {
		return []string{o.migration}, nil
	}
	config, diags := loadQuietly(o)
	if diags.HasErrors() {
		e.printDiagnostics(diags, config)
		return nil, &exitError{code: ExitError, err: errDiagnosed}
	}
	var names []string
	for _, m := range config.Migrations {
		names = append(names, m.Name)
	}
	if len(names) == 0 {
		_, err := pick(config, "")
		return nil, err
	}
	return names, nil
}

// statusOf shows what the state remembers and what the clusters say; clusters that do not answer
// are part of the answer, not the end of it.
func (e Env) statusOf(ctx context.Context, o configOptions, json bool) error {
	s, err := e.load(o)
	if err != nil {
		return err
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil && !errors.Is(err, state.ErrNoState) {
		return err
	}
	m := s.migration
	out := view.Status{Migration: m.Name, At: e.Now(), Method: m.Method.Kind(),
		Source: plan.TableRef{Cluster: m.Source.Label(), Table: m.Source.Table}.String(), Target: m.Target.Cluster.Label + "/" + m.Target.Table}
	if doc != nil {
		if err := e.remember(s, doc, &out); err != nil {
			return err
		}
	}
	if holder, err := state.ReadHolder(e.FS, s.dir, s.migration.Name); err == nil && holder != nil {
		out.Holder, out.Next = holder.String(), ""
		if holder.Gone() {
			out.Holder += "; that process is gone, `" + s.resumeCommand() + "` goes on"
		}
	}
	if said := watchdogSaid(s.dir, s.migration.Name); said != "" && doc != nil && doc.Outcome == state.OutcomeOpen {
		out.Live = append(out.Live, said)
	}
	if err := s.connect(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		out.Live = append(out.Live, err.Error())
	} else {
		defer s.close()
		facts, err := s.observe(ctx)
		if err != nil {
			out.Live = append(out.Live, err.Error())
		} else {
			out.Live = append(out.Live, liveLines(out.Source, out.Target, facts)...)
		}
	}
	if json {
		return view.StatusJSON(e.Stdout, out)
	}
	return view.StatusText(e.Stdout, out, e.style(e.Stdout))
}

// remember fills in what the state document says.
func (e Env) remember(s *session, doc *state.Document, out *view.Status) error {
	begun, err := apply.PlanOf(doc)
	if err != nil {
		return err
	}
	o := s.ownership(doc, begun)
	out.Lineage, out.Serial, out.Outcome = doc.Lineage, doc.Serial, doc.Outcome
	out.UpdatedAt = doc.UpdatedAt
	certificate, err := apply.CertificateOf(doc)
	if err != nil {
		return err
	}
	if certificate != nil {
		out.Window = certificate.Window
	}
	if out.Return, err = ticketLine(doc, begun); err != nil {
		return err
	}
	out.Next = s.next(doc, begun)
	if view.Copies(begun) {
		out.PartitionsCopied, out.PartitionCount, out.RowsCopied = o.Progress.PartitionsCopied, o.Progress.PartitionCount, o.Progress.RowsCopied
	}
	for _, step := range doc.Steps {
		out.Steps = append(out.Steps, view.StepStatus{ID: step.ID, Status: string(step.Status), Started: step.Started,
			Finished: step.Finished, Error: step.Error, Attempts: step.Attempts})
	}
	return nil
}

// liveLines says what the clusters show, one line a fact that an operator asks for at night.
func liveLines(source, target string, f plan.Facts) []string {
	lines := tableLines(source, f.SourceTable)
	if f.Duplication == nil {
		return append(lines, tableLines(target, f.TargetTable)...)
	}
	lines = append(lines, shippedLines(source, f.Duplication.Entries)...)
	lines = append(lines, tableLines(target, f.TargetTable)...)
	return append(lines, shippedLines(target, f.Duplication.TargetEntries)...)
}

// shippedLines says where a table is duplicated to.
func shippedLines(name string, entries []plan.DuplicationEntry) (lines []string) {
	for _, d := range entries {
		lines = append(lines, fmt.Sprintf("%s: duplicated to %s (id %d, %s)", name, d.Remote, d.ID, d.Status))
	}
	return lines
}

// tableLines describes one table by its full name, "cluster/table".
func tableLines(name string, t *plan.TableFacts) []string {
	if t == nil {
		return []string{name + ": the table does not exist"}
	}
	lines := []string{fmt.Sprintf("%s: id %d, %s x %d, about %s rows, %d of %s fully replicated",
		name, t.ID, counted(int(t.Partitions), "partition"), t.Replicas, plan.Rows(t.Rows), t.Health.Full, counted(int(t.Partitions), "partition"))}
	if v := t.Envs[plan.EnvDeny]; v != "" {
		lines = append(lines, fmt.Sprintf("%s: FENCED, %s=%s", name, plan.EnvDeny, v))
	}
	if m := t.Marker; m != nil {
		lines = append(lines, fmt.Sprintf("%s: marked by %s since %s (migration %q, lineage %s)",
			name, m.Owner, m.Since.UTC().Format(time.RFC3339), m.Migration, m.Lineage))
	}
	return lines
}
