package state

import (
	"encoding/json"
	"time"
)

// Format 1, from the first release on. FROZEN: files of this format exist on the disks of users, so what this file
// reads may never change. A change of the layout is a new versionN.go with a reader of its own; only the newest format
// has a writer.

type documentV1 struct {
	ToolVersion         string    `json:"tool_version"`
	Lineage             string    `json:"lineage"`
	Serial              uint64    `json:"serial"`
	Migration           string    `json:"migration"`
	ConfigFingerprint   string    `json:"config_fingerprint"`
	IdentityFingerprint string    `json:"identity_fingerprint"`
	PlanFingerprint     string    `json:"plan_fingerprint"`
	CreatedAt           time.Time `json:"created_at"`
	UpdatedAt           time.Time `json:"updated_at"`
	Outcome             string    `json:"outcome,omitempty"`
	Approved            []string  `json:"approved,omitempty"`
	Owner               *blobV1   `json:"owner,omitempty"`
	Steps               []stepV1  `json:"steps"`
	// Certificate was added within format 1: who does not know it loses nothing that a run needs.
	Certificate *blobV1 `json:"certificate,omitempty"`
	// Return and ReturnCertificate were added within format 1: a tool that does not know them does not
	// know the actions of a plan with a return ticket either, and refuses it.
	Return            *blobV1 `json:"return,omitempty"`
	ReturnCertificate *blobV1 `json:"return_certificate,omitempty"`
	// Plan comes last: it is long, and a person who opens the file looks for the rest.
	Plan *blobV1 `json:"plan,omitempty"`
}

type stepV1 struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Error    string    `json:"error,omitempty"`
	Intent   *blobV1   `json:"intent,omitempty"`
	Prior    *blobV1   `json:"prior,omitempty"`
	Cursor   *blobV1   `json:"cursor,omitempty"`
	Proof    *blobV1   `json:"proof,omitempty"`
}

type blobV1 struct {
	Kind    string          `json:"kind"`
	Key     string          `json:"key,omitempty"`
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}

func readV1(raw json.RawMessage) (*Document, error) {
	var v documentV1
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	d := &Document{
		FormatVersion: 1, ToolVersion: v.ToolVersion, Lineage: v.Lineage, Serial: v.Serial, Migration: v.Migration,
		ConfigFingerprint: v.ConfigFingerprint, IdentityFingerprint: v.IdentityFingerprint,
		PlanFingerprint: v.PlanFingerprint, Plan: v.Plan.blob(), Steps: make([]Step, 0, len(v.Steps)),
		Owner: v.Owner.blob(), Approved: v.Approved, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt, Outcome: v.Outcome,
		Certificate: v.Certificate.blob(), Return: v.Return.blob(), ReturnCertificate: v.ReturnCertificate.blob(),
	}
	for _, s := range v.Steps {
		d.Steps = append(d.Steps, Step{
			ID: s.ID, Status: Status(s.Status), Intent: s.Intent.blob(), Prior: s.Prior.blob(), Cursor: s.Cursor.blob(),
			Proof: s.Proof.blob(), Started: s.Started, Finished: s.Finished, Error: s.Error, Attempts: s.Attempts,
		})
	}
	return d, nil
}

func writeV1(d *Document) (json.RawMessage, error) {
	v := documentV1{
		ToolVersion: d.ToolVersion, Lineage: d.Lineage, Serial: d.Serial, Migration: d.Migration,
		ConfigFingerprint: d.ConfigFingerprint, IdentityFingerprint: d.IdentityFingerprint,
		PlanFingerprint: d.PlanFingerprint, CreatedAt: d.CreatedAt.UTC(), UpdatedAt: d.UpdatedAt.UTC(),
		Outcome: d.Outcome, Approved: d.Approved, Owner: newBlobV1(d.Owner), Steps: make([]stepV1, 0, len(d.Steps)),
		Plan: newBlobV1(d.Plan), Certificate: newBlobV1(d.Certificate),
		Return: newBlobV1(d.Return), ReturnCertificate: newBlobV1(d.ReturnCertificate),
	}
	for _, s := range d.Steps {
		v.Steps = append(v.Steps, stepV1{
			ID: s.ID, Status: string(s.Status), Attempts: s.Attempts, Started: s.Started.UTC(), Finished: s.Finished.UTC(),
			Error: s.Error, Intent: newBlobV1(s.Intent), Prior: newBlobV1(s.Prior), Cursor: newBlobV1(s.Cursor),
			Proof: newBlobV1(s.Proof),
		})
	}
	return marshal(v)
}

func (b *blobV1) blob() *Blob {
	if b == nil {
		return nil
	}
	d := Blob(*b)
	return &d
}

func newBlobV1(b *Blob) *blobV1 {
	if b == nil {
		return nil
	}
	v := blobV1(*b)
	if len(v.Data) == 0 {
		v.Data = nil // the encoder writes null for nil and refuses the empty slice
	}
	return &v
}
