package schema

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// bodySpec is what may stand in a block.
type bodySpec struct {
	what   string // how messages name the block: `a target block`
	attrs  []attrSpec
	blocks []blockSpec
}

// attrSpec is one argument of a block.
type attrSpec struct {
	name     string
	required bool
	// elsewhere, when set, says which method the argument belongs to: the language knows it and
	// refuses it here.
	elsewhere string
}

// blockSpec is one kind of block in a block.
type blockSpec struct {
	name     string
	labels   []string // what each label is, for messages
	required bool
	many     bool
	// elsewhere as in attrSpec.
	elsewhere string
}

// content is a body that was held against its spec.
type content struct {
	what   string
	header hcl.Range
	attrs  map[string]*hclsyntax.Attribute
	blocks map[string][]*hclsyntax.Block
	// misspelt holds the names that unknown ones were most likely meant to be: telling that they
	// are missing would tell one mistake twice.
	misspelt map[string]bool
}

// block gives the only block of that kind, nil when it is absent.
func (c *content) block(name string) *hclsyntax.Block {
	if b := c.blocks[name]; len(b) > 0 {
		return b[0]
	}
	return nil
}

// check reports everything in the body that the spec does not know, and everything required that
// is absent. What it returns holds known things only.
func (l *loader) check(spec bodySpec, body *hclsyntax.Body, header hcl.Range) *content {
	c := &content{what: spec.what, header: header,
		attrs: map[string]*hclsyntax.Attribute{}, blocks: map[string][]*hclsyntax.Block{}, misspelt: map[string]bool{}}
	l.checkAttrs(spec, body, c)
	l.checkBlocks(spec, body, c)
	for _, a := range spec.attrs {
		// An argument that is written as a block, or the reverse, is told once.
		if a.required && c.attrs[a.name] == nil && !c.misspelt[a.name] && !hasBlock(body, a.name) {
			l.errorf(CodeMissingArgument, header, "", "%s needs the argument %q", spec.what, a.name)
		}
	}
	for _, b := range spec.blocks {
		if _, asAttr := body.Attributes[b.name]; b.required && len(c.blocks[b.name]) == 0 && !c.misspelt[b.name] && !asAttr {
			hint := ""
			if len(b.labels) > 0 {
				hint = fmt.Sprintf("like %s %q {}", b.name, "copy")
			}
			l.errorf(CodeMissingBlock, header, hint, "%s needs a block %q", spec.what, b.name)
		}
	}
	return c
}

func hasBlock(body *hclsyntax.Body, name string) bool {
	return slices.ContainsFunc(body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == name })
}

func (l *loader) checkAttrs(spec bodySpec, body *hclsyntax.Body, c *content) {
	var known []string
	for _, s := range spec.attrs {
		if s.elsewhere == "" {
			known = append(known, s.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		attr := body.Attributes[name]
		i := slices.IndexFunc(spec.attrs, func(s attrSpec) bool { return s.name == name })
		switch {
		case i >= 0 && spec.attrs[i].elsewhere != "":
			l.errorf(CodeOtherMethod, attr.NameRange, "remove it", "%q in %s belongs to %s", name, spec.what, spec.attrs[i].elsewhere)
		case i >= 0:
			c.attrs[name] = attr
		case slices.ContainsFunc(spec.blocks, func(b blockSpec) bool { return b.name == name }):
			l.errorf(CodeUnknownArgument, attr.NameRange, "write it without the equals sign: "+name+" { ... }", "%q in %s is a block, not an argument", name, spec.what)
		default:
			c.misspelt[suggest(name, known)] = true
			l.errorf(CodeUnknownArgument, attr.NameRange, didYouMean(name, known, "its arguments are"), "%s has no argument %q", spec.what, name)
		}
	}
}

func (l *loader) checkBlocks(spec bodySpec, body *hclsyntax.Body, c *content) {
	var known []string
	for _, s := range spec.blocks {
		if s.elsewhere == "" {
			known = append(known, s.name)
		}
	}
	for _, b := range body.Blocks {
		i := slices.IndexFunc(spec.blocks, func(s blockSpec) bool { return s.name == b.Type })
		if i < 0 {
			hint := didYouMean(b.Type, known, "its blocks are")
			c.misspelt[suggest(b.Type, known)] = true
			if slices.ContainsFunc(spec.attrs, func(a attrSpec) bool { return a.name == b.Type }) {
				hint = "it is an argument: write " + b.Type + " = ..."
			}
			l.errorf(CodeUnknownBlock, b.TypeRange, hint, "%s has no block %q", spec.what, b.Type)
			continue
		}
		s := spec.blocks[i]
		if s.elsewhere != "" {
			l.errorf(CodeOtherMethod, b.DefRange(), "remove it", "the block %q in %s belongs to %s", b.Type, spec.what, s.elsewhere)
			continue
		}
		if !l.checkLabels(s, b) {
			continue
		}
		if !s.many && len(c.blocks[b.Type]) > 0 {
			l.errorf(CodeRepeatedBlock, b.DefRange(), "merge it with the one in line "+line(c.blocks[b.Type][0].DefRange()), "%s has a second block %q", spec.what, b.Type)
			continue
		}
		c.blocks[b.Type] = append(c.blocks[b.Type], b)
	}
}

func (l *loader) checkLabels(s blockSpec, b *hclsyntax.Block) bool {
	if len(b.Labels) == len(s.labels) {
		return true
	}
	example := s.name
	for _, lb := range s.labels {
		example += ` "` + lb + `"`
	}
	l.errorf(CodeLabel, b.DefRange(), "write "+example+" { ... }", "a %s block takes %s, not %d", s.name, count(len(s.labels), "label"), len(b.Labels))
	return false
}
