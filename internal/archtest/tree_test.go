package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the top of the repository as seen from this package's folder.
const root = "../.."

// source is one parsed Go file.
type source struct {
	path string // from the root, with slashes
	file *ast.File
	text []byte
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// folder is the package's folder from the root, "." for the top.
func (s source) folder() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// helper says whether the file belongs to a package that only tests import.
func (s source) helper() bool {
	base := filepath.Base(s.folder())
	return strings.HasSuffix(base, "test") || base == "crashfs"
}

// tree is every Go file of the repository.
type tree struct {
	fset    *token.FileSet
	sources []source
	err     error
}

// parsed reads the repository once for all tests of this package.
var parsed = sync.OnceValue(func() tree {
	t := tree{fset: token.NewFileSet()}
	t.err = walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") || slices.Contains(strings.Split(path, "/"), "testdata") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(t.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.sources = append(t.sources, source{path: path, file: file, text: text})
		return nil
	})
	return t
})

// sources gives all Go files for which keep is true.
func sources(t *testing.T, keep func(source) bool) []source {
	t.Helper()
	all := parsed()
	if all.err != nil {
		t.Fatal(all.err)
	}
	var out []source
	for _, s := range all.sources {
		if keep(s) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		t.Fatal("no Go file was found; the rule would hold for nothing")
	}
	return out
}

// product is the code that is built into the program.
func product(s source) bool { return !s.test() && !s.helper() }

// walk calls f with every file of the work tree, from the root, with slashes. Folders that git
// ignores are left out.
func walk(f func(path string) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".demo", ".pegmigrate", "bin":
				return filepath.SkipDir
			}
			return nil
		}
		return f(rel)
	})
}

// line is where a node stands, for messages.
func line(n ast.Node) string {
	p := parsed().fset.Position(n.Pos())
	return p.String()
}

// span is how many lines a node has.
func span(n ast.Node) int {
	fset := parsed().fset
	return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
}

// allowances are the exceptions of one rule: what is allowed, and why.
type allowances struct {
	reasons map[string]string
	used    map[string]bool
}

func allow(reasons map[string]string) allowances {
	return allowances{reasons: reasons, used: map[string]bool{}}
}

func (a allowances) has(key string) bool {
	_, ok := a.reasons[key]
	if ok {
		a.used[key] = true
	}
	return ok
}

// done fails for allowances without a reason, and for those that nothing needed.
func (a allowances) done(t *testing.T) {
	t.Helper()
	for key, reason := range a.reasons {
		if reason == "" {
			t.Errorf("the allowance for %s gives no reason", key)
		}
		if !a.used[key] && !t.Failed() {
			t.Errorf("the allowance for %s is not needed any more: remove it", key)
		}
	}
}
