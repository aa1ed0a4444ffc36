package schema

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is one variable block.
type variable struct {
	name        string
	typ         cty.Type
	defaults    *typeexpr.Defaults
	def         cty.Value // cty.NilVal without default
	sensitive   bool
	validations []validation
	header      hcl.Range
	broken      bool // a mistake in the block has been told; its value stays unknown
}

// validation is one condition on the value of a variable.
type validation struct {
	condition hcl.Expression
	message   hcl.Expression
	header    hcl.Range
}

func variableSpec() bodySpec {
	return bodySpec{
		what: "a variable block",
		attrs: []attrSpec{{name: "type"}, {name: "default"}, {name: "description"},
			{name: "sensitive"}},
		blocks: []blockSpec{{name: "validation", many: true}},
	}
}

func validationSpec() bodySpec {
	return bodySpec{
		what:  "a validation block",
		attrs: []attrSpec{{name: "condition", required: true}, {name: "error_message", required: true}},
	}
}

// declareVariable reads a variable block. Its default may use functions but no references.
func (l *loader) declareVariable(b *hclsyntax.Block) *variable {
	before := len(l.diags)
	v := &variable{name: b.Labels[0], typ: cty.DynamicPseudoType, def: cty.NilVal, header: b.DefRange()}
	c := l.check(variableSpec(), b.Body, b.DefRange())
	if a := c.attrs["type"]; a != nil {
		typ, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		l.adopt(CodeVariableBlock, "types are string, number, bool, list(T), set(T), map(T), object({...}), tuple([...]), any", diags)
		if !diags.HasErrors() {
			v.typ, v.defaults = typ, defaults
		}
	}
	if a := c.attrs["default"]; a != nil {
		if d := l.evalConstant(a.Expr, "the default of a variable"); d.IsWhollyKnown() {
			conv, err := v.convert(d)
			if err != nil {
				l.errorf(CodeVariableBlock, a.Expr.Range(), "", "the default of %q is not of its type: %v", v.name, err)
			}
			v.def = conv
		}
	}
	l.optionalString(c, "description")
	v.sensitive = l.optionalBool(c, "sensitive")
	for _, vb := range c.blocks["validation"] {
		vc := l.check(validationSpec(), vb.Body, vb.DefRange())
		if vc.attrs["condition"] != nil && vc.attrs["error_message"] != nil {
			v.validations = append(v.validations, validation{vc.attrs["condition"].Expr, vc.attrs["error_message"].Expr, vb.DefRange()})
		}
	}
	v.broken = l.diags[before:].HasErrors()
	return v
}

// convert brings a value to the declared type, filling in optional attributes.
func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	conv, err := convert.Convert(val, v.typ)
	if err != nil {
		return failed(), err
	}
	return conv, nil
}

// validate evaluates the validation blocks; every variable has its value by now.
func (l *loader) validate(v *variable) {
	for _, val := range v.validations {
		ok := l.eval(val.condition)
		msg := l.eval(val.message)
		if !ok.IsWhollyKnown() || !msg.IsWhollyKnown() {
			continue
		}
		b, err := convert.Convert(ok, cty.Bool)
		if err != nil || b.IsNull() {
			l.errorf(CodeVariableBlock, val.condition.Range(), "", "the condition of a validation must be true or false")
			continue
		}
		text, err := convert.Convert(msg, cty.String)
		if err != nil || text.IsNull() {
			l.errorf(CodeVariableBlock, val.message.Range(), "", "error_message must be text")
			continue
		}
		if b.False() {
			l.errorf(CodeVariableRefused, val.condition.Range(), "", "variable %q: %s", v.name, text.AsString())
		}
	}
}
