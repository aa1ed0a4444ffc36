package cli

import (
	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

func (e Env) reportCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "report",
		Usage:     "the page of a migration (-out FILE.html), or the certificate of its cut-over: what was proven, by whom and when",
		ArgsUsage: "[FOLDER|FILE]",
		Flags: append(configFlags(),
			&ucli.StringFlag{Name: "format", Value: "text", Usage: "text, json or markdown for the certificate; html for the page of the whole migration: charts, steps, proofs, differences"},
			&ucli.StringFlag{Name: "out", Usage: "write to `FILE`; html when its name ends so"}),
		Action: func(c *ucli.Context) error {
			o, err := reportOptionsOf(c, e)
			if err != nil {
				return err
			}
			return e.write(o, func(e Env) error {
				if o.format == "html" {
					return e.page(o.configOptions)
				}
				return e.certificate(o.configOptions, o.format)
			})
		},
	}
}

// certificate prints what the state document knows; it asks no cluster.
func (e Env) certificate(o configOptions, format string) error {
	s, err := e.load(o)
	if err != nil {
		return err
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil {
		return noState(err)
	}
	c, err := apply.CertificateOf(doc)
	if err != nil {
		return failf(codeStateUnusable, "`pegmigrate state show -json` prints the document", "the certificate of %q cannot be read: %v", doc.Migration, err)
	}
	if c == nil {
		return failf(codeNoCertificate, "a certificate is written by the steps of a cut-over; `pegmigrate status` says how far the migration is",
			"migration %q has no certificate: no cut-over was begun", doc.Migration)
	}
	if err := e.showCertificate(format, shownCertificate(c, doc), doc.Certificate, doc); err != nil {
		return err
	}
	return e.returnCertificate(format, doc)
}

// returnCertificate prints the evidence of a return below that of the way there.
func (e Env) returnCertificate(format string, doc *state.Document) error {
	c, err := apply.ReturnCertificateOf(doc)
	if err != nil || c == nil {
		return err
	}
	shown := shownCertificate(c, doc)
	shown.Finished = doc.Outcome == state.OutcomeRolledBack
	return e.showCertificate(format, shown, doc.ReturnCertificate, doc)
}

func (e Env) showCertificate(format string, c view.Certificate, raw *state.Blob, doc *state.Document) error {
	switch format {
	case "json":
		return view.CertificateJSON(e.Stdout, doc.UpdatedAt, raw.Data)
	case "markdown":
		return view.CertificateMarkdown(e.Stdout, c)
	}
	return view.CertificateText(e.Stdout, c, e.style(e.Stdout))
}

// shownCertificate is the evidence in the view's words.
func shownCertificate(c *apply.Certificate, doc *state.Document) view.Certificate {
	out := view.Certificate{
		Migration: c.Migration, Source: tableName(c.Source), Target: tableName(c.Target), Lineage: c.Lineage, PlanID: c.PlanID,
		Finished:   doc.Outcome == state.OutcomeDone,
		SourceRows: c.Compared.SourceRows, TargetRows: c.Compared.TargetRows, Drifted: c.Compared.Drifted, Rechecked: c.RecheckedKeys,
		Written: c.Written, Deleted: c.Deleted,
		Moments: []view.Moment{
			{What: "the first partition of the source rejected a write", At: c.FirstRejected},
			{What: "every partition rejected writes", At: c.Fenced},
			{What: "the last decree was frozen", At: c.Frozen},
			{What: "every frozen decree was committed", At: c.Quiesced},
			{What: "every frozen decree was on the target", At: c.Drained},
			{What: "keys that were unequal while clients wrote were equal", At: c.Rechecked},
			{What: "what differed was brought over, read again, and equal", At: c.CaughtUp},
			{What: "the source took writes again", At: c.Lifted},
			{What: "the route led to the target", At: c.Switched},
			{What: "every proxy led to the target", At: c.Resolved},
			{What: "every partition of the source rejected reads", At: c.Evicted},
		},
		Window: c.Window, RouteBefore: shownRoute(c.RouteBefore), RouteAfter: shownRoute(c.RouteAfter),
	}
	for _, p := range c.Partitions {
		out.Partitions = append(out.Partitions, view.CertifiedPartition{Partition: p.Partition, Primary: p.Primary, Ballot: p.Ballot,
			Frozen: p.FrozenDecree, Shipped: p.ShippedDecree, Fenced: p.Fenced, FrozenAt: p.FrozenAt, ShippedAt: p.ShippedAt})
	}
	for _, p := range c.Proxies {
		out.Proxies = append(out.Proxies, view.CertifiedProxy{Proxy: p.Proxy, LeadsTo: p.LeadsTo, AppID: p.AppID, Error: p.Error, At: p.At})
	}
	for _, y := range c.Canaries {
		out.Canaries = append(out.Canaries, view.CertifiedCanary{Proxy: y.Proxy, Rows: y.Rows, Error: y.Error, Advisory: y.Advisory})
	}
	for _, t := range c.Traffic {
		out.Traffic = append(out.Traffic, shownTraffic(t))
	}
	return out
}

// tableName is "" for a table that the certificate does not name.
func tableName(t plan.TableRef) string {
	if t == (plan.TableRef{}) {
		return ""
	}
	return t.String()
}

func shownRoute(r *apply.RouteRecord) *view.CertifiedRoute {
	if r == nil {
		return nil
	}
	return &view.CertifiedRoute{Cluster: r.ClusterName, Metas: r.MetaAddrs, Version: r.Version}
}

func shownTraffic(t apply.TrafficProof) view.CertifiedTraffic {
	return view.CertifiedTraffic{
		At: t.Target.At, SourceReads: t.Source.ReadQPS, SourceWrites: t.Source.WriteQPS,
		TargetReads: t.Target.ReadQPS, TargetWrites: t.Target.WriteQPS,
		SourceFailures: t.Source.ReadFailures + t.Source.WriteFailures, TargetFailures: t.Target.ReadFailures + t.Target.WriteFailures,
		Refused: t.Source.RejectedNonIdempotent + t.Target.RejectedNonIdempotent,
	}
}
