package view

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pegmigrate/pegmigrate/schema"
)

const brokenConfig = `cluster "east" {
	meta_servers = ["10.0.0.1:34601"]
}
migration "orders" {
  source {
    tabel = "orders" # ` + "\u00e9\u00e8 \u8868" + ` and a tab	here
  }
  method "copy" {
    a = 1
    b = 2
    c = 3
    d = 4
  }
}
`

func brokenFile(t *testing.T) *hcl.File {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(brokenConfig), "migration.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return f
}

// rangeOf is where text is in the broken configuration.
func rangeOf(t *testing.T, text string) *hcl.Range {
	t.Helper()
	at := strings.Index(brokenConfig, text)
	if at < 0 {
		t.Fatalf("%q is not in the configuration", text)
	}
	pos := func(offset int) hcl.Pos {
		before := brokenConfig[:offset]
		return hcl.Pos{Byte: offset, Line: strings.Count(before, "\n") + 1, Column: offset - strings.LastIndex(before, "\n")}
	}
	return &hcl.Range{Filename: "migration.hcl", Start: pos(at), End: pos(at + len(text))}
}

func someDiagnostics(t *testing.T) hcl.Diagnostics {
	t.Helper()
	method := rangeOf(t, "method \"copy\" {")
	method.End = rangeOf(t, "d = 4\n  }").End
	return hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "source has no argument \"tabel\"", Subject: rangeOf(t, "tabel"),
			Extra: schema.Extra{Code: schema.CodeUnknownArgument, Hint: "did you mean \"table\"?"}},
		{Severity: hcl.DiagError, Summary: "Invalid expression", Detail: "Expected the start of an expression, but found an invalid expression token.",
			Subject: rangeOf(t, "表 and a tab\there"), Extra: schema.Extra{Code: schema.CodeSyntax, Hint: "close every quote"}},
		{Severity: hcl.DiagError, Summary: "the method is not in this release", Subject: method,
			Extra: schema.Extra{Code: schema.CodeMethodUnavailable, Hint: "available: copy"}},
		{Severity: hcl.DiagWarning, Summary: "tabs", Subject: rangeOf(t, "meta_servers"), Extra: schema.Extra{Code: schema.CodeNoEffect}},
		{Severity: hcl.DiagError, Summary: "variable \"x\" has no value", Extra: schema.Extra{Code: schema.CodeVariableUnset, Hint: "pass -var x=VALUE"}},
		{Severity: hcl.DiagError, Summary: "HCL of somebody else", Subject: &hcl.Range{Filename: "other.hcl", Start: hcl.Pos{Line: 3, Column: 4}}},
		nil,
	}
}

func TestDiagnostics(t *testing.T) {
	files := map[string]*hcl.File{"migration.hcl": brokenFile(t)}
	var b bytes.Buffer
	Diagnostics(&b, someDiagnostics(t), files, Plain())
	golden(t, "diagnostics.txt", b.Bytes())
	var coloured bytes.Buffer
	Diagnostics(&coloured, someDiagnostics(t), files, Style{Color: true})
	if got := uncolour(coloured.String()); got != b.String() {
		t.Errorf("without colours:\n%s\nwant:\n%s", got, b.String())
	}
}

// The whole way: a file that schema refuses.
func TestDiagnosticsOfSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "migration.hcl")
	if err := os.WriteFile(path, []byte("migration \"orders\" {\n  sauce {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, diags := schema.Load(path, schema.Vars{})
	if !diags.HasErrors() {
		t.Fatal("schema accepts nonsense")
	}
	var b bytes.Buffer
	Diagnostics(&b, diags, config.Files, Plain())
	for _, want := range []string{"error PM1", "migration.hcl:", " | ", "^", "hint: "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

// Ranges come from a library and lines from anybody: neither may bring the tool down, and a line
// of a megabyte must not fill the screen.
func TestOddSnippets(t *testing.T) {
	long := strings.Repeat("a", 5000) + " = 表" + strings.Repeat("b", 5000)
	file := func(src string) map[string]*hcl.File { return map[string]*hcl.File{"f": {Bytes: []byte(src)}} }
	ranges := []hcl.Range{
		{}, {Start: hcl.Pos{Byte: -5}, End: hcl.Pos{Byte: -7}}, {Start: hcl.Pos{Byte: 9000, Line: 1}, End: hcl.Pos{Byte: 9}},
		{Start: hcl.Pos{Byte: 5001, Line: 1}, End: hcl.Pos{Byte: 5002, Line: 1}}, {Start: hcl.Pos{Byte: 0}, End: hcl.Pos{Byte: 1 << 30}},
		{Start: hcl.Pos{Byte: 3, Line: 1}, End: hcl.Pos{Byte: 10000, Line: 1}}, {Start: hcl.Pos{Byte: 5004, Line: 1}, End: hcl.Pos{Byte: 5005, Line: 1}},
	}
	for _, src := range []string{"", "\n", "\n\n\n", "x", "x\r\ny", "\xff\xfe\x00", long} {
		for at := range len(src) + 1 {
			if at > 8 {
				break
			}
			ranges = append(ranges, hcl.Range{Start: hcl.Pos{Byte: at, Line: 1}, End: hcl.Pos{Byte: at + 1, Line: 1}})
		}
		for _, r := range ranges {
			r.Filename = "f"
			var b bytes.Buffer
			Diagnostics(&b, hcl.Diagnostics{{Summary: "s", Subject: &r}}, file(src), Plain())
			fits(t, "snippet", b.Bytes(), plainWidth)
		}
	}
}
