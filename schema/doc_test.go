package schema

import (
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentationIsComplete: the package comment is the reference of the language.
func TestDocumentationIsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	text := file.Doc.Text()
	mentioned := func(word string) bool {
		return regexp.MustCompile(`(^|[^a-z_])` + regexp.QuoteMeta(word) + `($|[^a-z_])`).MatchString(text)
	}
	words := slices.Collect(maps.Keys(functions("", nil)))
	specs := []bodySpec{topLevelSpec(), variableSpec(), validationSpec(), clusterSpec(), migrationSpec(), sourceSpec(false),
		targetSpec(), limitsSpec(), sendRateSpec(), stopIfSpec(), afterSpec(), copySpec(), geoSpec(), duplicationSpec(), cutoverSpec(), metaProxySpec(),
		verifySpec(methodParts{when: true, sample: true}), providerSpec(), backupSourceSpec(),
		specOf("", backupArguments(), splitArguments(), []attrSpec{{name: "drop_expired"}, {name: "skip_bad_partition"}})}
	for _, s := range specs {
		for _, a := range s.attrs {
			if a.elsewhere == "" {
				words = append(words, a.name)
			}
		}
		for _, b := range s.blocks {
			words = append(words, b.name)
		}
	}
	words = append(words, availableMethods()...)
	for _, w := range words {
		if !mentioned(w) {
			t.Errorf("doc.go does not mention %q", w)
		}
	}
}

// TestDocumentedExampleLoads holds the example of the package comment to the loader.
func TestDocumentedExampleLoads(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var example []string
	for _, line := range strings.Split(file.Doc.Text(), "\n") {
		if strings.HasPrefix(line, "# Values") {
			break
		}
		if code, ok := strings.CutPrefix(line, "\t"); ok {
			example = append(example, code)
		}
	}
	src := strings.Join(example, "\n") + "\ncluster \"west\" {\n  meta_servers = [\"10.1.0.1:34601\"]\n}\n"
	src = strings.Replace(src, `"stopped"  `, `"fenced"  `, 1)
	cfg, diags := loadText(src)
	if len(diags) > 0 || len(cfg.Migrations) != 6 {
		t.Fatalf("%s\n%s", src, render(cfg, diags))
	}
}
