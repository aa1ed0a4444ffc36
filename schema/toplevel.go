package schema

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// topLevel is what the files of a configuration declare, before anything is evaluated.
type topLevel struct {
	variables     map[string]*variable
	variableOrder []*variable
	locals        map[string]*hclsyntax.Attribute
	clusters      []clusterBlock
	providers     []providerBlock
	migrations    []*hclsyntax.Block
}

// clusterBlock pairs a block with the Cluster that references to it will carry.
type clusterBlock struct {
	cluster *Cluster
	block   *hclsyntax.Block
}

func topLevelSpec() bodySpec {
	return bodySpec{
		what: "a configuration",
		blocks: []blockSpec{
			{name: "variable", labels: []string{"NAME"}, many: true},
			{name: "locals", many: true},
			{name: "cluster", labels: []string{"LABEL"}, many: true},
			{name: "provider", labels: []string{"NAME"}, many: true},
			{name: "migration", labels: []string{"NAME"}, many: true},
		},
	}
}

// collect sorts the blocks of all files and finds duplicate and malformed names.
func (l *loader) collect(bodies []*hclsyntax.Body) *topLevel {
	top := &topLevel{variables: map[string]*variable{}, locals: map[string]*hclsyntax.Attribute{}}
	clusters := map[string]hcl.Range{}
	providers, migrations := map[string]hcl.Range{}, map[string]hcl.Range{}
	for _, body := range bodies {
		c := l.check(topLevelSpec(), body, body.MissingItemRange())
		for _, b := range c.blocks["variable"] {
			if !l.identifierLabel(b) {
				continue
			}
			if prior := top.variables[b.Labels[0]]; prior != nil {
				l.duplicate("variable", b.Labels[0], b.DefRange(), prior.header)
				continue
			}
			v := l.declareVariable(b)
			top.variables[v.name] = v
			top.variableOrder = append(top.variableOrder, v)
		}
		for _, b := range c.blocks["locals"] {
			l.collectLocals(b, top.locals)
		}
		for _, b := range c.blocks["cluster"] {
			if l.identifierLabel(b) && l.unique("cluster", b, clusters) {
				top.clusters = append(top.clusters, clusterBlock{&Cluster{Label: b.Labels[0], Range: b.DefRange()}, b})
			}
		}
		for _, b := range c.blocks["provider"] {
			if l.identifierLabel(b) && l.unique("provider", b, providers) {
				p := &Provider{Label: b.Labels[0], Name: b.Labels[0], Range: b.DefRange()}
				top.providers = append(top.providers, providerBlock{p, b})
			}
		}
		for _, b := range c.blocks["migration"] {
			if l.migrationName(b) && l.unique("migration", b, migrations) {
				top.migrations = append(top.migrations, b)
			}
		}
	}
	return top
}

// unique reports a second block with the label of an earlier one.
func (l *loader) unique(noun string, b *hclsyntax.Block, seen map[string]hcl.Range) bool {
	name := b.Labels[0]
	if first, ok := seen[name]; ok {
		l.duplicate(noun, name, b.DefRange(), first)
		return false
	}
	seen[name] = b.DefRange()
	return true
}

// identifierLabel checks a label that expressions use after a dot.
func (l *loader) identifierLabel(b *hclsyntax.Block) bool {
	if hclsyntax.ValidIdentifier(b.Labels[0]) {
		return true
	}
	l.errorf(CodeLabel, b.LabelRanges[0], "letters, digits, '_' and '-', not starting with a digit", "%q cannot be the name of a %s", b.Labels[0], b.Type)
	return false
}

// migrationName checks a label that becomes the name of the state file.
func (l *loader) migrationName(b *hclsyntax.Block) bool {
	if ValidMigrationName(b.Labels[0]) {
		return true
	}
	l.errorf(CodeLabel, b.LabelRanges[0], "letters, digits, '_', '-' and '.', not starting with a dot or '-', at most 128", "%q cannot be the name of a migration", b.Labels[0])
	return false
}

var migrationNamePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// ValidMigrationName tells whether name can name a migration: it is used as a file name and in the
// ownership marker.
func ValidMigrationName(name string) bool { return migrationNamePattern.MatchString(name) }
