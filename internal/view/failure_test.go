package view

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/plan"
)

func failures() []Failure {
	return []Failure{
		{Code: "PM2101", Place: "migration.hcl:12,3", Text: "east/orders does not exist",
			Hint: "check the spelling; the cluster's shell lists tables with `ls`"},
		{Text: "something that has no code"},
		{Code: plan.CodeStale, Text: "the plan is stale: 2 of its facts have moved", Hint: "plan again", Details: []string{
			plan.Moved{Name: "source.table.partition_count", Planned: "64", Now: "128"}.String(),
			plan.Moved{Name: "target.table", Planned: "absent", Now: "present"}.String(),
		}},
		{Code: "PM3001", Hint: "when the cause is mended, run the same command again: it goes on here",
			Text: fmt.Errorf("copy: stopped: %w", errors.Join(errors.New("partition 3: no reply within 5s from 10.0.0.1:34801"),
				errors.New("partition 9: connection reset\x1b[31m"))).Error()},
	}
}

func TestPrintFailure(t *testing.T) {
	var b bytes.Buffer
	for _, f := range failures() {
		PrintFailure(&b, f, Plain())
		b.WriteString("--\n")
	}
	golden(t, "failures.txt", b.Bytes())
	b.Reset()
	for _, f := range failures() {
		PrintFailure(&b, f, Style{Terminal: true, Width: 60})
		b.WriteString("--\n")
	}
	golden(t, "failures_60.txt", b.Bytes())
	fits(t, "failures_60.txt", b.Bytes(), 60)
}

// What is not a terminal gets one line per message, however long: logs are searched.
func TestAFailureIsOneLineInALog(t *testing.T) {
	var b bytes.Buffer
	PrintFailure(&b, Failure{Code: "PM1", Text: strings.Repeat("word ", 100)}, Plain())
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Errorf("%d lines:\n%s", n, b.String())
	}
}
