package archtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestNoInitFunctions: registration by import makes what a program does depend on what it links.
func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t, product) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init function; build a table in a function and pass it", line(f))
			}
		}
	}
}

// TestNoMutablePackageVariables allows error values, compiled patterns, embedded files and
// compile-time assertions; anything else needs an allowance that says why nobody writes it.
func TestNoMutablePackageVariables(t *testing.T) {
	a := allow(map[string]string{
		"schema clusterCapsule":     "the identity of a cty type; cty compares capsule types by pointer",
		"schema providerCapsule":    "the identity of a cty type, too",
		"internal/event Discard":    "a stateless sink, like io.Discard",
		"internal/idl rpcByName":    "the table of RPCs, built once and only read",
		"internal/pegkey crcTables": "checksum tables, computed once and only read",
	})
	defer a.done(t)
	for _, s := range sources(t, product) {
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				checkVariable(t, a, s, g, spec.(*ast.ValueSpec))
			}
		}
	}
}

func checkVariable(t *testing.T, a allowances, s source, g *ast.GenDecl, v *ast.ValueSpec) {
	t.Helper()
	for i, name := range v.Names {
		if name.Name == "_" || embedded(g, v) {
			continue
		}
		if i < len(v.Values) && constant(v.Values[i]) {
			continue
		}
		if !a.has(s.folder() + " " + name.Name) {
			t.Errorf("%s: package variable %s; pass it, or allow it here with the reason why nobody writes it", line(name), name.Name)
		}
	}
}

// constant recognises values that are as good as constants.
func constant(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	switch selector(c.Fun) {
	case "errors.New", "fmt.Errorf", "regexp.MustCompile":
		return true
	}
	return false
}

func embedded(g *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{g.Doc, v.Doc} {
		if doc == nil {
			continue
		}
		for _, c := range doc.List {
			if strings.HasPrefix(c.Text, "//go:embed") {
				return true
			}
		}
	}
	return false
}

// TestContextsAreNotStored: a context belongs to a call. One that is kept outlives the call and
// cancels, or fails to cancel, somebody else's work.
func TestContextsAreNotStored(t *testing.T) {
	a := allow(map[string]string{
		"internal/actuate repairer": "lives as long as one call of Verify, whose callback takes no context",
	})
	defer a.done(t)
	for _, s := range sources(t, product) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range st.Fields.List {
				if selector(f.Type) == "context.Context" && !a.has(s.folder()+" "+spec.Name.Name) {
					t.Errorf("%s: %s keeps a context; take it as the first parameter", line(f), spec.Name.Name)
				}
			}
			return true
		})
	}
}
