package archtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestPackagesSayTheirOneJob: the comment stands in doc.go, or in the file of a package that has
// one file only.
func TestPackagesSayTheirOneJob(t *testing.T) {
	files, documented := map[string]int{}, map[string]string{}
	for _, s := range sources(t, func(s source) bool { return !s.test() }) {
		files[s.folder()]++
		if s.file.Doc == nil || strings.TrimSpace(s.file.Doc.Text()) == "" {
			continue
		}
		if first, twice := documented[s.folder()]; twice {
			t.Errorf("%s and %s both carry the package comment", first, s.path)
		}
		documented[s.folder()] = s.path
		want := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), want) {
			t.Errorf("%s: the package comment must begin with %q", s.path, want)
		}
	}
	for folder, n := range files {
		switch at := documented[folder]; {
		case at == "":
			t.Errorf("%s has no package comment", folder)
		case n > 1 && !strings.HasSuffix(at, "/doc.go"):
			t.Errorf("%s: the package comment belongs into doc.go", at)
		}
	}
}

// TestExportedNamesAreCommented: what others may use says what it promises.
func TestExportedNamesAreCommented(t *testing.T) {
	for _, s := range sources(t, product) {
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && !conventional(d) && d.Doc == nil {
					t.Errorf("%s: %s has no comment", line(d), d.Name.Name)
				}
			case *ast.GenDecl:
				checkGroup(t, d)
			}
		}
	}
}

// checkGroup wants a comment on the declaration, or on each exported name in it.
func checkGroup(t *testing.T, d *ast.GenDecl) {
	t.Helper()
	if d.Tok == token.IMPORT {
		return
	}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil {
				t.Errorf("%s: type %s has no comment", line(s), s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
					t.Errorf("%s: %s has no comment", line(name), name.Name)
				}
			}
		}
	}
}

// exportedReceiver is false for methods of types that nobody outside can name.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return true
	}
	typ := f.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// conventional methods mean the same everywhere.
func conventional(f *ast.FuncDecl) bool {
	switch f.Name.Name {
	case "Error", "Unwrap", "Is", "String":
		return f.Recv != nil
	}
	return false
}
