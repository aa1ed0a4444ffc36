package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// selector gives "pkg.Name" of a selector on a plain identifier, "" for anything else.
func selector(n ast.Node) string {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}

// TestOnlyTheViewPrints: commands compute and views speak. internal/cli hands the standard streams
// on; everything else gets a writer or emits events.
func TestOnlyTheViewPrints(t *testing.T) {
	banned := []string{"os.Stdout", "os.Stderr", "os.Stdin", "fmt.Print", "fmt.Printf", "fmt.Println"}
	for _, s := range sources(t, product) {
		if slices.Contains([]string{".", "internal/cli", "internal/view"}, s.folder()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if name := selector(n); slices.Contains(banned, name) || strings.HasPrefix(name, "log.") || strings.HasPrefix(name, "slog.") {
				t.Errorf("%s: %s; emit an event or take an io.Writer", line(n), name)
			}
			if c, ok := n.(*ast.CallExpr); ok {
				if id, ok := c.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
					t.Errorf("%s: the builtin %s", line(n), id.Name)
				}
			}
			return true
		})
	}
}

// TestOnlyMainExits: anything else that ends the process skips what was deferred, such as locks.
func TestOnlyMainExits(t *testing.T) {
	banned := []string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "runtime.Goexit", "syscall.Exit"}
	for _, s := range sources(t, product) {
		if s.path == "main.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if name := selector(n); slices.Contains(banned, name) {
				t.Errorf("%s: %s; return an error, internal/cli has the table of exit codes", line(n), name)
			}
			return true
		})
	}
}

// TestNothingPanics: no input may end the program, so nothing may end it on purpose.
func TestNothingPanics(t *testing.T) {
	for _, s := range sources(t, product) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "panic" {
					t.Errorf("%s: panic; return an error", line(n))
				}
			}
			return true
		})
	}
}
