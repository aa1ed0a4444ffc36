package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// committed lists the files that git knows, or all files where there is no git.
func committed(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		return strings.Split(strings.Trim(string(out), "\x00"), "\x00")
	}
	var all []string
	if err := walk(func(path string) error { all = append(all, path); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// foreign is what has no place in a repository that others clone. The pieces are joined so that
// this file does not match itself.
func foreign() map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{
		"a path of somebody's machine": regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/(ro` + `ot|ho` + `me|Us` + `ers|wo` + `rk)/[A-Za-z0-9._-]`),
		"the host of a package registry or proxy": regexp.MustCompile(`(?i)\b(pro` + `xy\.golang\.org|sum` + `\.golang\.org|` +
			`go` + `proxy\.[a-z]+|art` + `ifactory|ne` + `xus\.[a-z]|regis` + `try\.(npmjs|hub|docker)|py` + `pi\.org)`),
		"unfinished work":  regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`),
		"a merge conflict": regexp.MustCompile(`(?m)^(<<<<<<<|>>>>>>>) `),
	}
}

func TestCommittedFilesNameNothingOfThisMachine(t *testing.T) {
	a := allow(map[string]string{
		"internal/sandbox/flags.jsonl": "the defaults of a real server's flags, one of which is a path of its packagers",
	})
	defer a.done(t)
	rules := foreign()
	for _, path := range committed(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if os.IsNotExist(err) {
			continue // deleted in the work tree and not yet in git
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			continue // binary
		}
		for what, rule := range rules {
			if at := rule.FindIndex(text); at != nil && !a.has(path) {
				n := 1 + bytes.Count(text[:at[0]], []byte("\n"))
				t.Errorf("%s:%d: %s: %q", path, n, what, text[at[0]:at[1]])
			}
		}
	}
}

// TestRecordedDataSaysWhereItComesFrom: data that the code is held to is worth what its origin is
// worth.
func TestRecordedDataSaysWhereItComesFrom(t *testing.T) {
	a := allow(map[string]string{
		"testdata/plan": "golden plans, written by `go test -update` and read in review",
	})
	defer a.done(t)
	folders := map[string]bool{}
	for _, path := range committed(t) {
		parts := strings.Split(path, "/")
		if len(parts) > 2 && parts[0] == "testdata" && !strings.HasSuffix(path, ".txtar") {
			folders[parts[0]+"/"+parts[1]] = true
		}
	}
	for folder := range folders {
		if a.has(folder) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, folder, "README.md")); err != nil {
			t.Errorf("%s has no README.md that says where its files come from", folder)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)

// TestLinksOfTheDocumentsLeadSomewhere checks the links between our own documents.
func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	for _, path := range committed(t) {
		if !strings.HasSuffix(path, ".md") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(filepath.FromSlash(path)), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, target)
			}
		}
	}
}

var fileName = regexp.MustCompile("`([a-z_/]+(?:_test)?\\.go)`")

// TestTheDocumentsNameFilesThatExist: a file map rots faster than anything else.
func TestTheDocumentsNameFilesThatExist(t *testing.T) {
	for _, doc := range []string{"README.md", "DESIGN.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fileName.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(string(m[1])))); err != nil {
				t.Errorf("%s names %s, which does not exist", doc, m[1])
			}
		}
	}
}
