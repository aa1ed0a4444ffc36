package state

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile/crashfs"
)

const (
	testDir  = "/conf"
	testName = "orders"
)

// TestMain lets the test binary be the other process of the lock and kill tests.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PEGMIGRATE_TEST_HOLD_LOCK"); dir != "" {
		holdLock(dir)
	}
	if dir := os.Getenv("PEGMIGRATE_TEST_RUN"); dir != "" {
		runUntilKilled(dir, os.Getenv("PEGMIGRATE_TEST_KILL_AT"))
	}
	os.Exit(m.Run())
}

var testTime = time.Date(2026, 11, 21, 3, 0, 0, 123456789, time.UTC)

func fixedClock() time.Time { return testTime }

func testHolder() Holder {
	return Holder{Who: "ann", Host: "ops1", PID: 4711, Command: "pegmigrate apply", Since: testTime}
}

func newDisk() *crashfs.FS { return crashfs.New(testDir) }

func mustOpen(t *testing.T, fsys atomicfile.FS) *Store {
	t.Helper()
	s, err := Open(fsys, testDir, testName, testHolder(), WithClock(fixedClock))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func blob(kind, data string) *Blob {
	return &Blob{Kind: kind, Version: 1, Data: json.RawMessage(data)}
}

func keyed(key, data string) Blob {
	return Blob{Kind: "cursor", Key: key, Version: 1, Data: json.RawMessage(data)}
}

// testDocument has something in every field.
func testDocument() *Document {
	return &Document{
		ToolVersion: "0.1.0", Lineage: "11111111-2222-4333-8444-555555555555", Migration: testName,
		ConfigFingerprint: "c0", IdentityFingerprint: "i0", PlanFingerprint: "p0",
		Plan: blob("plan", `{"steps":["fence","copy"],"why":"a < b & \"c\""}`),
		Steps: []Step{
			{
				ID: "fence", Status: Done, Intent: blob("env", `{"deny":true}`), Prior: blob("env", `null`),
				Proof: blob("probe", `[1,2,3]`), Started: testTime, Finished: testTime.Add(time.Second), Attempts: 2,
				Error: "line one\nline two",
			},
			{ID: "copy", Status: Pending},
		},
		Owner: blob("marker", `"11111111"`), Approved: []string{"clients"},
		CreatedAt: testTime.Add(-time.Hour),
	}
}

func setStatus(id string, status Status) func(*Document) error {
	return func(d *Document) error {
		d.Step(id).Status = status
		return nil
	}
}

// isA says whether err is or wraps an error of type E.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
