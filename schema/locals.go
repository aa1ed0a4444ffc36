package schema

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// localGraph evaluates locals after the ones that they refer to.
type localGraph struct {
	l     *loader
	attrs map[string]*hclsyntax.Attribute
	state map[string]localState
	path  []string
}

type localState int

const (
	localNew localState = iota
	localOpen
	localDone
)

// evalLocals fills scope.locals.
func (l *loader) evalLocals(attrs map[string]*hclsyntax.Attribute) {
	names := slices.Sorted(maps.Keys(attrs))
	for _, name := range names {
		l.scope.locals[name] = failed() // declared, so that references to it are known
	}
	g := &localGraph{l: l, attrs: attrs, state: map[string]localState{}}
	for _, name := range names {
		g.visit(name)
	}
}

func (g *localGraph) visit(name string) {
	switch g.state[name] {
	case localDone:
		return
	case localOpen:
		start := slices.Index(g.path, name)
		circle := append(slices.Clone(g.path[start:]), name)
		g.l.errorf(CodeCycle, g.attrs[name].NameRange, "break the circle", "local values refer to each other in a circle: %s", strings.Join(circle, " -> "))
		return
	}
	g.state[name] = localOpen
	g.path = append(g.path, name)
	whole := false
	for _, t := range g.attrs[name].Expr.Variables() {
		if t.RootName() != "local" {
			continue
		}
		dep, _, ok := secondStep(t)
		if !ok {
			g.l.errorf(CodeReference, t.SourceRange(), "write local.NAME", "among local values, local can only be used with a fixed name")
			whole = true
			continue
		}
		if g.attrs[dep] != nil {
			g.visit(dep)
		}
	}
	if !whole {
		g.l.scope.locals[name] = g.l.eval(g.attrs[name].Expr)
	}
	g.path = g.path[:len(g.path)-1]
	g.state[name] = localDone
}

// collectLocals takes the arguments of one locals block.
func (l *loader) collectLocals(b *hclsyntax.Block, into map[string]*hclsyntax.Attribute) {
	for _, nested := range b.Body.Blocks {
		l.errorf(CodeUnknownBlock, nested.DefRange(), "write NAME = VALUE", "a locals block has no blocks")
	}
	for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
		attr := b.Body.Attributes[name]
		if prior := into[name]; prior != nil {
			l.duplicate("local value", name, attr.NameRange, prior.NameRange)
			continue
		}
		into[name] = attr
	}
}

// duplicate reports the second of two declarations.
func (l *loader) duplicate(noun, name string, second, first hcl.Range) {
	l.errorf(CodeDuplicateName, second, "the first one is at "+where(first), "a second %s %q", noun, name)
}
