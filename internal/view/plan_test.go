package view

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

func TestPlanText(t *testing.T) {
	plans := map[string]*plan.Plan{
		"stopped": stoppedPlan(), "fenced": fencedPlan(), "refused": refusedPlan(),
		"underway": underwayPlan(), "finished": finishedPlan(),
	}
	for name, p := range plans {
		for _, width := range []int{80, 120, 140} {
			file := fmt.Sprintf("plan_%s_%d.txt", name, width)
			t.Run(file, func(t *testing.T) {
				var b bytes.Buffer
				if err := PlanText(&b, p, Style{Width: width}); err != nil {
					t.Fatal(err)
				}
				golden(t, file, b.Bytes())
				fits(t, file, b.Bytes(), width)
			})
		}
	}
}

// Colour must add nothing but colour.
func TestPlanTextInColour(t *testing.T) {
	for name, p := range map[string]*plan.Plan{"underway": underwayPlan(), "refused": refusedPlan()} {
		var plainText, coloured bytes.Buffer
		if err := PlanText(&plainText, p, Style{Width: 100}); err != nil {
			t.Fatal(err)
		}
		if err := PlanText(&coloured, p, Style{Width: 100, Color: true}); err != nil {
			t.Fatal(err)
		}
		golden(t, "plan_"+name+"_colour.txt", coloured.Bytes())
		if got := uncolour(coloured.String()); got != plainText.String() {
			t.Errorf("%s without colours:\n%s\nwant:\n%s", name, got, plainText.String())
		}
	}
}

func uncolour(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		_, s, _ = strings.Cut(rest, "m")
	}
	return b.String()
}

func TestPlanMarkdown(t *testing.T) {
	for name, p := range map[string]*plan.Plan{"fenced": fencedPlan(), "refused": refusedPlan(), "underway": underwayPlan(), "finished": finishedPlan()} {
		var b bytes.Buffer
		if err := PlanMarkdown(&b, p); err != nil {
			t.Fatal(err)
		}
		golden(t, "plan_"+name+".md", b.Bytes())
	}
}

// A program that reads -format json reads what -out would save.
func TestPlanJSONIsTheSavedForm(t *testing.T) {
	p := stoppedPlan()
	var b bytes.Buffer
	if err := PlanJSON(&b, p); err != nil {
		t.Fatal(err)
	}
	want, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got %s", b.Bytes())
	}
}

type brokenWriter struct{}

var errBroken = errors.New("no space left on device")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestDataThatCannotBeWrittenIsAnError(t *testing.T) {
	for name, err := range map[string]error{
		"plan text":   PlanText(brokenWriter{}, stoppedPlan(), Plain()),
		"markdown":    PlanMarkdown(brokenWriter{}, stoppedPlan()),
		"json":        PlanJSON(brokenWriter{}, stoppedPlan()),
		"status":      StatusText(brokenWriter{}, Status{}, Plain()),
		"status json": StatusJSON(brokenWriter{}, Status{}),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Every action that a plan can have says how it is undone in words, not by its kind.
func TestUndoTexts(t *testing.T) {
	for _, p := range []*plan.Plan{stoppedPlan(), fencedPlan()} {
		for _, s := range p.Steps {
			if s.Undo != nil && undoText(s.Undo) == s.Undo.Kind() {
				t.Errorf("step %s: undo is called %q", s.ID, s.Undo.Kind())
			}
		}
	}
}

// Plans that nobody thought of must not bring the tool down.
func TestOddPlans(t *testing.T) {
	odd := []*plan.Plan{
		{},
		{Steps: []plan.Step{{}}, Progress: &plan.Progress{StepsDone: 99, Next: "gone"}},
		{Steps: []plan.Step{{ID: strings.Repeat("x", 300), Why: strings.Repeat("y", 300)}}, Progress: &plan.Progress{StepsDone: -1}},
		{Checks: []plan.Check{{Severity: "odd", Text: "\xff\x00\n\u202e"}}},
		{Progress: &plan.Progress{RolledBack: true}},
	}
	for i, p := range odd {
		for _, width := range []int{-1, 0, 1, 80, 100000} {
			var b bytes.Buffer
			if err := PlanText(&b, p, Style{Width: width, Color: true}); err != nil {
				t.Errorf("plan %d: %v", i, err)
			}
			if s := uncolour(b.String()); strings.ContainsAny(s, "\x00\x1b\u202e") {
				t.Errorf("plan %d: control characters in %q", i, s)
			}
		}
		if err := PlanMarkdown(&bytes.Buffer{}, p); err != nil {
			t.Errorf("plan %d: %v", i, err)
		}
	}
}
