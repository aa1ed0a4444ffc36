package archtest

import (
	"bytes"
	"go/ast"
	"testing"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 60
)

// TestFilesAndFunctionsStayShort: what does not fit on a few screens is two things.
func TestFilesAndFunctionsStayShort(t *testing.T) {
	a := allow(map[string]string{})
	defer a.done(t)
	for _, s := range sources(t, func(s source) bool { return !s.test() }) {
		if n := bytes.Count(s.text, []byte("\n")); n > maxFileLines && !a.has(s.path) {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFileLines)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := span(f); n > maxFunctionLines && !a.has(s.path+" "+f.Name.Name) {
				t.Errorf("%s: %s has %d lines, more than %d", line(f), f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}
