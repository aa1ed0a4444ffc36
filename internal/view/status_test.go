package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/state"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func someStatus() Status {
	return Status{
		At: noon.Add(time.Hour), Migration: "orders", Source: "east/orders", Target: "west/orders", Method: "copy",
		Lineage: "6f1c9a9e-0000-4000-8000-000000000001", Serial: 41, UpdatedAt: noon.Add(20 * time.Minute),
		Holder:           "kim on ops1 (process 4242, since 2026-11-21T12:00:00Z): pegmigrate apply",
		PartitionsCopied: 12, PartitionCount: 64, RowsCopied: 152250113,
		Steps: []StepStatus{
			{ID: "own", Status: "done", Started: noon, Finished: noon.Add(45 * time.Millisecond), Attempts: 1},
			{ID: "create-target", Status: "done", Started: noon.Add(time.Second), Finished: noon.Add(31 * time.Second), Attempts: 2},
			{ID: "copy", Status: "intended", What: "64 source partitions", Started: noon.Add(time.Minute), Attempts: 1},
			{ID: "verify", Status: "pending", What: "every row of both tables"},
		},
		Live: []string{"east/orders: id 12, 64 partitions x 3, about 812 M rows", "east/orders: FENCED, replica.deny_client_request=reconfig*write"},
	}
}

func TestStatusText(t *testing.T) {
	failed := someStatus()
	failed.Holder, failed.Next = "", "`pegmigrate apply` goes on"
	failed.Steps[2].Status, failed.Steps[2].Error = "failed", "the copy stopped: partition 3: no reply within 5s from 10.0.0.1:34801"
	failed.Steps[2].Finished = noon.Add(5 * time.Minute)
	done := someStatus()
	done.Outcome = state.OutcomeDone
	done.Window = someCertificate().Window
	undone := someStatus()
	undone.Outcome = state.OutcomeRolledBack
	var b bytes.Buffer
	for _, s := range []Status{someStatus(), failed, done, undone, {Migration: "other", Live: []string{"a: no meta server answers"}}} {
		if err := StatusText(&b, s, Style{Width: 100}); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n")
	}
	golden(t, "status.txt", b.Bytes())
	fits(t, "status.txt", b.Bytes(), 100)
}

func TestStatusJSON(t *testing.T) {
	var b bytes.Buffer
	if err := StatusJSON(&b, someStatus()); err != nil {
		t.Fatal(err)
	}
	if err := StatusJSON(&b, Status{Migration: "new"}); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.jsonl", b.Bytes())
}

func someDocument() *state.Document {
	return &state.Document{
		FormatVersion: 1, ToolVersion: "0.1.0", Lineage: "6f1c9a9e-0000-4000-8000-000000000001", Serial: 41, Migration: "orders",
		ConfigFingerprint: "7d10aa55fe", IdentityFingerprint: "11aa22bb33", PlanFingerprint: "3f9c1a2be7d04c55aa",
		Plan: &state.Blob{Kind: "plan", Version: 1, Data: json.RawMessage(`{"steps":[]}`)},
		Steps: []state.Step{
			{ID: "own", Status: state.Done, Started: noon, Finished: noon.Add(45 * time.Millisecond), Attempts: 1,
				Prior: &state.Blob{Kind: "priors", Version: 1, Data: json.RawMessage(`{"info":"secret-of-somebody"}`)},
				Proof: &state.Blob{Kind: "proof", Version: 1, Data: json.RawMessage(`"x"`)}},
			{ID: "copy", Status: state.Failed, Started: noon, Finished: noon.Add(time.Minute), Attempts: 2, Error: "no reply from 10.0.0.1:34801"},
			{ID: "verify", Status: state.Pending},
		},
		Owner: &state.Blob{Kind: "marker", Version: 1}, Approved: []string{"copy"},
		CreatedAt: noon, UpdatedAt: noon.Add(time.Minute), Checksum: "sha256:00",
	}
}

func TestStateDocument(t *testing.T) {
	var b bytes.Buffer
	if err := StateDocument(&b, someDocument(), false); err != nil {
		t.Fatal(err)
	}
	golden(t, "state.txt", b.Bytes())
	if bytes.Contains(b.Bytes(), []byte("secret")) {
		t.Error("the summary shows prior values")
	}
	b.Reset()
	if err := StateDocument(&b, someDocument(), true); err != nil {
		t.Fatal(err)
	}
	var back state.Document
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Serial != 41 || len(back.Steps) != 3 {
		t.Errorf("the JSON form does not read back: %v, %+v", err, back)
	}
	if err := StateDocument(&b, nil, false); !errors.Is(err, state.ErrNoState) {
		t.Errorf("no document: got %v", err)
	}
}
