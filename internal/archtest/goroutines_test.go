package archtest

import (
	"bytes"
	"go/ast"
	"testing"
)

// TestPackagesThatStartGoroutinesLookForLeaks: a goroutine that outlives its work holds a
// connection, a timer or a table open.
func TestPackagesThatStartGoroutinesLookForLeaks(t *testing.T) {
	starts, checks := map[string]string{}, map[string]bool{}
	for _, s := range sources(t, func(source) bool { return true }) {
		if s.test() {
			if bytes.Contains(s.text, []byte("goleak.VerifyTestMain(")) || bytes.Contains(s.text, []byte("goleak.Find(")) {
				checks[s.folder()] = true
			}
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok && starts[s.folder()] == "" {
				starts[s.folder()] = line(g)
			}
			return true
		})
	}
	for folder, at := range starts {
		if !checks[folder] {
			t.Errorf("%s: %s starts goroutines and its TestMain does not use goleak", at, folder)
		}
	}
}

// TestTestsDoNotSleep: a test that sleeps is slow on a fast machine and wrong on a slow one. Wait on
// a channel, poll with a deadline, or use testing/synctest, in whose bubbles sleeping is free. The
// pause of a poll is told from a sleep by the deadline in the same function; a package whose tests
// run in bubbles may sleep.
func TestTestsDoNotSleep(t *testing.T) {
	tests, bubbles := sources(t, source.test), map[string]bool{}
	for _, s := range tests {
		if bytes.Contains(s.text, []byte("\"testing/synctest\"")) {
			bubbles[s.folder()] = true
		}
	}
	a := allow(map[string]string{})
	defer a.done(t)
	for _, s := range tests {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || hasDeadline(f) || bubbles[s.folder()] {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if selector(n) == "time.Sleep" && !a.has(s.path+" "+f.Name.Name) {
					t.Errorf("%s: %s sleeps", line(n), f.Name.Name)
				}
				return true
			})
		}
	}
}

// hasDeadline looks for time.After, or for a comparison of times with After or Before.
func hasDeadline(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "After" || s.Sel.Name == "Before") {
			found = true
		}
		return true
	})
	return found
}
