package schema

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
)

var update = flag.Bool("update", false, "write the golden files again")

// render shows diagnostics as a person would see them: place, line, message, hint.
func render(cfg *Config, diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		x, _ := ExtraOf(d)
		fmt.Fprintf(&b, "%s %s: %s\n", severity, x.Code, d.Summary)
		if d.Detail != "" {
			fmt.Fprintf(&b, "  %s\n", d.Detail)
		}
		if d.Subject != nil {
			fmt.Fprintf(&b, "  at %s:%d,%d\n", filepath.Base(d.Subject.Filename), d.Subject.Start.Line, d.Subject.Start.Column)
			if f := cfg.Files[d.Subject.Filename]; f != nil {
				lines := bytes.Split(f.Bytes, []byte("\n"))
				if n := d.Subject.Start.Line; n >= 1 && n <= len(lines) {
					fmt.Fprintf(&b, "  | %s\n", shorten(string(lines[n-1])))
				}
			}
		}
		if x.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", x.Hint)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

func TestGoldenDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/diag/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".hcl"), func(t *testing.T) {
			cfg, diags := Load(file, Vars{})
			if !diags.HasErrors() {
				t.Error("no error")
			}
			if len(cfg.Migrations) > 0 || len(cfg.Clusters) > 0 {
				t.Error("declarations are given out although there are errors")
			}
			checkExtras(t, diags)
			compareGolden(t, strings.TrimSuffix(file, ".hcl")+".golden", render(cfg, diags))
		})
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// checkExtras holds every diagnostic to the promise of the package.
func checkExtras(t *testing.T, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		x, ok := ExtraOf(d)
		if !ok {
			t.Errorf("no code: %v", d)
			continue
		}
		if _, ok := LookupCode(x.Code); !ok {
			t.Errorf("%s is not in the table: %v", x.Code, d)
		}
		if d.Expression != nil || d.EvalContext != nil {
			t.Errorf("%s carries an evaluation context, which may hold secrets", x.Code)
		}
	}
}

func TestCodeTable(t *testing.T) {
	table := Codes()
	for i, c := range table {
		if i > 0 && table[i-1].Code >= c.Code {
			t.Errorf("%s is not above %s", c.Code, table[i-1].Code)
		}
		if c.Title == "" || c.Meaning == "" || c.Hint == "" {
			t.Errorf("%s is not explained", c.Code)
		}
	}
	if _, ok := LookupCode("PM1999"); ok {
		t.Error("PM1999 exists")
	}
	if _, ok := ExtraOf(nil); ok {
		t.Error("a nil diagnostic has an extra")
	}
}

// TestEveryCodeIsShown asks for a golden case of every code that a single file can cause.
func TestEveryCodeIsShown(t *testing.T) {
	elsewhere := map[Code]string{
		CodeUnreadable: "TestLoadPaths", CodeNoFiles: "TestLoadPaths",
		CodeVariableUnknown: "TestVariableSources", CodeVariableValue: "TestVariableSources", CodeVarFile: "TestVariableSources",
	}
	var all strings.Builder
	files, _ := filepath.Glob("testdata/diag/*.golden")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for _, c := range Codes() {
		if elsewhere[c.Code] == "" && !strings.Contains(all.String(), string(c.Code)) {
			t.Errorf("no golden case shows %s, %s", c.Code, c.Title)
		}
	}
}
