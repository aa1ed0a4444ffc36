package view

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/plan"
)

//go:embed assets/report.html assets/report.css assets/report.js
var assets embed.FS

// RunPage is what the page of a migration shows. Whatever is zero was not reached or is not known, and the
// page says so or leaves it out.
type RunPage struct {
	Made time.Time
	// Version is that of the tool that makes the page, WrittenBy that of the one that wrote the state last.
	Version, WrittenBy string
	Plan               *plan.Plan
	// Back is the plan of a return with a ticket, nil without one.
	Back             *plan.Plan
	Lineage          string
	Created, Updated time.Time
	// Outcome is "", "done" or "rolled-back".
	Outcome string
	Steps   []PageStep
	// Certificates are that of the way there and that of the return.
	Certificates []Certificate
	// History is nil without one; NoHistory says why.
	History   *history.History
	NoHistory string
}

// PageStep is one step as the state remembers it.
type PageStep struct {
	StepStatus
	Proof string
}

// HTMLPage writes one self-contained page: no request leaves it, and it is readable without scripts. The
// error is that of w, or of a page that cannot be made.
func HTMLPage(w io.Writer, p RunPage) error {
	css, err := assets.ReadFile("assets/report.css")
	if err != nil {
		return err
	}
	js, err := assets.ReadFile("assets/report.js")
	if err != nil {
		return err
	}
	t, err := template.ParseFS(assets, "assets/report.html")
	if err != nil {
		return err
	}
	m := model(p)
	m.CSS, m.JS = template.CSS(css), template.JS(js)
	// Styles and scripts run by their hash only: what a table name might smuggle in does not run, whatever
	// the escaping missed.
	m.Policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
		sourceHash(css), sourceHash(js))
	return t.Execute(w, m)
}

// sourceHash is the hash of an inline style or script in a content security policy.
func sourceHash(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
