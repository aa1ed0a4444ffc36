package archtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/schema"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	helpLine = regexp.MustCompile(`(?m)^   ([a-z]+)(?:, [a-z]+)?  +(.*)$`)
	codeRow  = regexp.MustCompile(`(?m)^\| (\d+) \| `)
	codeHelp = regexp.MustCompile(`(\d+) [a-z]`)
	hclBlock = regexp.MustCompile("(?s)```hcl\n(.*?)```")
)

// help is what `pegmigrate help` prints.
func help(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	e := cli.OS("test")
	e.Stdout, e.Stderr = &out, &out
	if code := cli.Run(t.Context(), []string{"pegmigrate", "help"}, e); code != cli.ExitDone {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	return out.String()
}

// TestReadmeListsTheCommands: what help lists and this release does is in the README's table.
func TestReadmeListsTheCommands(t *testing.T) {
	text, n := readme(t), 0
	for _, m := range helpLine.FindAllStringSubmatch(help(t), -1) {
		name, usage := m[1], m[2]
		if name == "help" || strings.Contains(usage, "not in this release") {
			continue
		}
		n++
		if !regexp.MustCompile("(?m)^\\| .*`" + name + `[ \x60]`).MatchString(text) {
			t.Errorf("README.md does not list the command %s", name)
		}
	}
	if n < 10 {
		t.Errorf("only %d commands were found in the help", n)
	}
}

// TestReadmeListsTheExitCodes compares the README's table with the help, which has it from the code.
func TestReadmeListsTheExitCodes(t *testing.T) {
	_, codes, ok := strings.Cut(help(t), "Exit codes:")
	if !ok {
		t.Fatal("the help lists no exit codes")
	}
	codes, _, _ = strings.Cut(codes, "resumable")
	var want, got []string
	for _, m := range codeHelp.FindAllStringSubmatch(codes, -1) {
		want = append(want, m[1])
	}
	for _, m := range codeRow.FindAllStringSubmatch(readme(t), -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, want) {
		t.Errorf("README.md lists the exit codes %v, the help %v", got, want)
	}
}

// sandboxJSON is what a sandbox tells of itself, which the tour's declaration reads.
const sandboxJSON = `{"clusters": [{"meta_servers": ["127.0.0.1:1001"]}, {"meta_servers": ["127.0.0.1:1002"]}],
	"route_root": "/pegasus-cluster", "metaproxies": ["127.0.0.1:1003"]}`

// TestReadmeShowsValidLanguage loads the README's examples.
func TestReadmeShowsValidLanguage(t *testing.T) {
	blocks := hclBlock.FindAllStringSubmatch(readme(t), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no configuration")
	}
	for _, b := range blocks {
		dir := t.TempDir()
		path := filepath.Join(dir, "online", "migration.hcl")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(b[1]), 0o600),
			os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte(sandboxJSON), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, diags := schema.Load(path, schema.Vars{})
		for _, d := range diags {
			t.Errorf("README.md: %v", d)
		}
	}
}
