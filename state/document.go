package state

import (
	"encoding/json"
	"slices"
	"time"
)

// FormatVersion is the version of the document format that this package writes. It reads every version from 1 on.
const FormatVersion = 1

// Blob is a piece of somebody else's data: a plan, a prior value, a cursor, a proof. This package stores it and never
// looks into Data. The JSON names of a Blob are part of format 1 of the journal and never change.
type Blob struct {
	// Kind names the type of Data, for example "copy-cursor". Never empty.
	Kind string `json:"kind"`
	// Key tells records of one kind in one journal apart, for example the partition "12". The latest record of a
	// (Kind, Key) replaces the earlier ones. Empty when there is only one, and outside of journals.
	Key string `json:"key,omitempty"`
	// Version of the layout of Data, counted by the owner of Kind.
	Version int `json:"version"`
	// Data is one JSON value. White space around its tokens is not kept, every other byte is. Empty
	// means null.
	Data json.RawMessage `json:"data"`
}

// Status is how far a step has come. It is what the last run believed; never act on it without asking the clusters.
type Status string

// The statuses of a step.
const (
	Pending  Status = "pending"  // nothing was begun
	Intended Status = "intended" // about to change something, or interrupted while changing it
	Done     Status = "done"     // the change was seen in the world and Proof says how
	Failed   Status = "failed"   // ended with Error; may be tried again
	Undone   Status = "undone"   // rolled back: the prior value was seen in the world again
)

// Outcome values of a Document.
const (
	OutcomeOpen       = ""            // under way, or not begun
	OutcomeDone       = "done"        // every step is done
	OutcomeRolledBack = "rolled-back" // everything was undone
)

// Step is the memory of one step of the plan.
type Step struct {
	// ID is the plan's step ID, unique in the document, for example "fence-source".
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Intent is what the step is about to do. Written before the first change.
	Intent *Blob `json:"intent,omitempty"`
	// Prior is the value that the step replaces, and what undo puts back. Written before the change, and never again
	// afterwards: a second attempt would record its own first attempt as the prior value.
	Prior *Blob `json:"prior,omitempty"`
	// Cursor is where to go on. While the step runs its journal may be newer; Journal.Replay gives both.
	Cursor *Blob `json:"cursor,omitempty"`
	// Proof is the positive evidence that the step is done.
	Proof *Blob `json:"proof,omitempty"`
	// Started is the time of the first intent, Finished that of the last end. Zero when that has not happened.
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// Error is the text of the last failure, for people. Never branch on it.
	Error string `json:"error,omitempty"`
	// Attempts counts how often the step was begun, from 1.
	Attempts int `json:"attempts"`
}

// Document is the whole memory of one migration. A value that a Store hands out is a copy; change it by Store.Update.
type Document struct {
	// FormatVersion, Serial, UpdatedAt and Checksum are set by the Store; what a caller puts there is overwritten.
	FormatVersion int `json:"format_version"`
	// ToolVersion is the version of pegmigrate that wrote the document last. For messages; never branch on it.
	ToolVersion string `json:"tool_version"`
	// Lineage is born with the document and never changes. The ownership marker in the source table carries it too.
	Lineage string `json:"lineage"`
	// Serial is raised by every write, by 1 unless a write failed in between.
	Serial uint64 `json:"serial"`
	// Migration is the label of the migration block. It never changes.
	Migration string `json:"migration"`
	// The fingerprints say which configuration and plan the steps belong to. IdentityFingerprint covers only what
	// makes it this migration (tables, clusters, method), so that a limit may be edited half-way.
	ConfigFingerprint   string `json:"config_fingerprint"`
	IdentityFingerprint string `json:"identity_fingerprint"`
	PlanFingerprint     string `json:"plan_fingerprint"`
	// Plan is the plan being carried out.
	Plan *Blob `json:"plan,omitempty"`
	// Steps are in the order of the plan.
	Steps []Step `json:"steps"`
	// Owner is the content of the ownership marker that this migration put into the source table, nil before.
	Owner *Blob `json:"owner,omitempty"`
	// Approved are the gates that an operator has opened.
	Approved  []string  `json:"approved,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Outcome is OutcomeOpen, OutcomeDone or OutcomeRolledBack.
	Outcome string `json:"outcome,omitempty"`
	// Certificate is the evidence of a cut-over, nil without one.
	Certificate *Blob `json:"certificate,omitempty"`
	// Return is the plan of a return with a ticket that is under way or done, nil without one; its steps
	// follow those of Plan in Steps. ReturnCertificate is the evidence of its cut-over.
	Return            *Blob `json:"return,omitempty"`
	ReturnCertificate *Blob `json:"return_certificate,omitempty"`
	// Checksum is that of the stored document, "sha256:" and 64 hexadecimal digits.
	Checksum string `json:"checksum"`
}

// Step returns the step of that ID in the document itself, nil when there is none. Inside Store.Update the result may
// be changed in place.
func (d *Document) Step(id string) *Step {
	for i := range d.Steps {
		if d.Steps[i].ID == id {
			return &d.Steps[i]
		}
	}
	return nil
}

// SameLineage returns a *LineageError when the document belongs to another lineage than the one given, which comes from
// a saved plan or from the ownership marker.
func (d *Document) SameLineage(lineage string) error {
	if d.Lineage == lineage {
		return nil
	}
	return &LineageError{Migration: d.Migration, Have: d.Lineage, Want: lineage}
}

// Clone returns a deep copy.
func (d *Document) Clone() *Document {
	if d == nil {
		return nil
	}
	c := *d
	c.Plan, c.Owner, c.Certificate = d.Plan.clone(), d.Owner.clone(), d.Certificate.clone()
	c.Return, c.ReturnCertificate = d.Return.clone(), d.ReturnCertificate.clone()
	c.Approved = slices.Clone(d.Approved)
	c.Steps = slices.Clone(d.Steps)
	for i := range c.Steps {
		s := &c.Steps[i]
		s.Intent, s.Prior, s.Cursor, s.Proof = s.Intent.clone(), s.Prior.clone(), s.Cursor.clone(), s.Proof.clone()
	}
	return &c
}

func (b *Blob) clone() *Blob {
	if b == nil {
		return nil
	}
	c := *b
	c.Data = slices.Clone(b.Data)
	return &c
}
