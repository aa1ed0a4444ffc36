package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/state"
)

// reportOptions are the flags of report.
type reportOptions struct {
	configOptions
	format string // text, json, markdown or html
	out    string // file, "" for stdout
}

func reportOptionsOf(c *ucli.Context, e Env) (reportOptions, error) {
	o := reportOptions{format: c.String("format"), out: c.String("out")}
	switch strings.ToLower(filepath.Ext(o.out)) {
	case ".html", ".htm":
		if !c.IsSet("format") {
			o.format = "html"
		}
	}
	switch o.format {
	case "text", "json", "markdown", "html":
	default:
		return o, failf(codeFormat, "use text, json, markdown or html", "unknown format %q", o.format)
	}
	var err error
	o.configOptions, err = configOf(c, e)
	return o, err
}

// write runs make and puts what it wrote where it belongs: a file gets all of it or stays as it was.
func (e Env) write(o reportOptions, make func(Env) error) error {
	if o.out == "" {
		return make(e)
	}
	var page bytes.Buffer
	inner := e
	inner.Stdout = &page
	if err := make(inner); err != nil {
		return err
	}
	// Reports name tables, addresses and keys of rows: they are for the eyes of their owner, as the state is.
	if err := atomicfile.WriteFile(e.FS, o.out, page.Bytes()); err != nil {
		return failf(codeUnwritable, "choose another file with -out", "the report could not be written: %v", err)
	}
	fmt.Fprintf(e.Stderr, "wrote %s\n", o.out)
	return nil
}

// page writes the HTML page of a migration; it asks no cluster.
func (e Env) page(o configOptions) error {
	s, err := e.load(o)
	if err != nil {
		return err
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil {
		return noState(err)
	}
	p := view.RunPage{Made: e.Now(), Version: e.Version, WrittenBy: doc.ToolVersion, Lineage: doc.Lineage, Created: doc.CreatedAt,
		Updated: doc.UpdatedAt, Outcome: doc.Outcome}
	if p.Plan, err = apply.PlanOf(doc); err != nil {
		return err
	}
	if p.Back, err = apply.ReturnOf(doc); err != nil {
		return err
	}
	for _, step := range doc.Steps {
		p.Steps = append(p.Steps, view.PageStep{Proof: proofText(step.Proof), StepStatus: view.StepStatus{ID: step.ID, Status: string(step.Status),
			Started: step.Started, Finished: step.Finished, Error: step.Error, Attempts: step.Attempts}})
	}
	if p.Certificates, err = shownCertificates(doc); err != nil {
		return err
	}
	p.History, p.NoHistory = s.history()
	return view.HTMLPage(e.Stdout, p)
}

// proofText is the proof of a step that is a sentence; other evidence is in the certificate.
func proofText(b *state.Blob) string {
	var text string
	if b == nil || json.Unmarshal(b.Data, &text) != nil {
		return ""
	}
	return text
}

// shownCertificates are those of the way there and of the return, as far as there are any.
func shownCertificates(doc *state.Document) (out []view.Certificate, err error) {
	c, err := apply.CertificateOf(doc)
	if err != nil {
		return nil, failf(codeStateUnusable, "`pegmigrate state show -json` prints the document", "the certificate of %q cannot be read: %v", doc.Migration, err)
	}
	if c != nil {
		out = append(out, shownCertificate(c, doc))
	}
	back, err := apply.ReturnCertificateOf(doc)
	if err != nil || back == nil {
		return out, err
	}
	shown := shownCertificate(back, doc)
	shown.Finished = doc.Outcome == state.OutcomeRolledBack
	return append(out, shown), nil
}

// history reads what runs have recorded, or says why there is nothing to draw.
func (s *session) history() (h *history.History, why string) {
	h, err := history.Read(atomicfile.OS{}, historyFolder(s.dir), s.migration.Name)
	file := history.Path(historyFolder(s.dir), s.migration.Name)
	switch {
	case err == nil:
		return h, ""
	case errors.Is(err, fs.ErrNotExist):
		return nil, "There is no history of this migration (" + file + "): its runs were made by a pegmigrate that kept none, or the file is gone. " +
			"Rates, lag and limits over time cannot be drawn; what the state document knows is below."
	}
	return nil, "The history of this migration cannot be read (" + file + "): " + err.Error() +
		". Rates, lag and limits over time cannot be drawn; what the state document knows is below."
}
