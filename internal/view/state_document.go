package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/pegmigrate/pegmigrate/state"
)

// StateDocument writes a state document: whole, as indented JSON with the names that it is stored
// with, or summarised for people. The summary names the kinds of intents, priors, cursors and
// proofs and leaves out their content. The error is that of w.
func StateDocument(w io.Writer, d *state.Document, asJSON bool) error {
	if d == nil {
		return fmt.Errorf("show the state: %w", state.ErrNoState)
	}
	if asJSON {
		data, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return fmt.Errorf("show the state: %w", err)
		}
		_, err = w.Write(append(data, '\n'))
		return err
	}
	p := newPage(Plain())
	p.line("migration  ", clean(d.Migration))
	p.line("outcome    ", documentOutcome(d))
	p.line(fmt.Sprintf("document   format %d, lineage %s, serial %d, written by pegmigrate %s",
		d.FormatVersion, clean(d.Lineage), d.Serial, clean(d.ToolVersion)))
	p.line("created    ", stamp(d.CreatedAt))
	p.line("updated    ", stamp(d.UpdatedAt))
	p.line(fmt.Sprintf("plan       %s, config %s, identity %s", short(d.PlanFingerprint),
		short(d.ConfigFingerprint), short(d.IdentityFingerprint)))
	if len(d.Approved) > 0 {
		p.line("approved   ", clean(strings.Join(d.Approved, ", ")))
	}
	if d.Owner != nil {
		p.line("marker     in the source table")
	}
	documentSteps(p, d.Steps)
	return p.writeTo(w)
}

func documentOutcome(d *state.Document) string {
	if d.Outcome == state.OutcomeOpen {
		return "open"
	}
	return clean(d.Outcome)
}

func documentSteps(p *page, steps []state.Step) {
	if len(steps) == 0 {
		return
	}
	p.line("steps")
	id := 0
	for _, s := range steps {
		id = max(id, visible(clean(s.ID)))
	}
	number := len(fmt.Sprint(len(steps)))
	for i, s := range steps {
		head := fmt.Sprintf("  %*d  %s  %s  ", number, i+1, pad(clean(string(s.Status)), len(state.Intended)), pad(clean(s.ID), id))
		p.hang(head, strings.Join(documentStep(s), "; "), nil)
		if s.Error != "" {
			p.hang(strings.Repeat(" ", visible(head))+"error: ", clean(s.Error), nil)
		}
	}
}

func documentStep(s state.Step) []string {
	var parts []string
	if times := stepTimes(StepStatus{Started: s.Started, Finished: s.Finished, Attempts: s.Attempts}); times != "" {
		parts = append(parts, times)
	}
	var kept []string
	for _, b := range []struct {
		what string
		blob *state.Blob
	}{{"prior", s.Prior}, {"cursor", s.Cursor}, {"proof", s.Proof}} {
		if b.blob != nil {
			kept = append(kept, fmt.Sprintf("%s (%s, %s)", b.what, clean(b.blob.Kind), plural(len(b.blob.Data), "byte")))
		}
	}
	if len(kept) > 0 {
		parts = append(parts, "keeps "+strings.Join(kept, ", "))
	}
	return parts
}
