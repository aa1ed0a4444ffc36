package schema

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// scope is what expressions can see. A name whose own evaluation failed is there with an unknown
// value, so that whoever uses it stays silent: its mistake has been told.
type scope struct {
	vars      map[string]cty.Value
	locals    map[string]cty.Value
	clusters  map[string]cty.Value
	providers map[string]cty.Value
	funcs     map[string]function.Function
}

// clusterCapsule is the type of cluster.LABEL: it fits where a cluster is wanted and nowhere else.
// Types of this kind are equal by identity, hence one variable; it is never assigned to.
var clusterCapsule = cty.Capsule("cluster", reflect.TypeFor[Cluster]())

// maxValueSize bounds what an expression may compute, in bytes of strings and 16 per element.
const maxValueSize = 1 << 20

// failed is the value of an expression that could not be evaluated.
func failed() cty.Value { return cty.DynamicVal }

// eval evaluates an expression. The result is failed (wholly or in part unknown) after a mistake,
// which has been reported.
func (l *loader) eval(expr hcl.Expression) cty.Value {
	if !l.referencesKnown(expr) {
		return failed()
	}
	v, diags := l.value(expr)
	for _, d := range diags {
		l.adoptExpression(d)
	}
	if diags.HasErrors() {
		return failed()
	}
	v, _ = v.UnmarkDeep()
	if sizeOf(v, maxValueSize) > maxValueSize {
		l.errorf(CodeTooLarge, expr.Range(), "", "the value of this expression is larger than 1 MiB")
		return failed()
	}
	return v
}

// evalConstant evaluates an expression that may use functions but no references.
func (l *loader) evalConstant(expr hcl.Expression, what string) cty.Value {
	if refs := expr.Variables(); len(refs) > 0 {
		l.errorf(CodeReference, refs[0].SourceRange(), "text goes in quotes; compute values in locals", "%s cannot refer to anything", what)
		return failed()
	}
	return l.eval(expr)
}

// value calls the evaluator, whose functions come from other modules: a panic in one of them
// becomes an error of the expression instead of the end of the program.
func (l *loader) value(expr hcl.Expression) (v cty.Value, diags hcl.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			v = failed()
			diags = hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "expression cannot be evaluated",
				Detail: fmt.Sprintf("The evaluator gave up: %v.", p), Subject: expr.Range().Ptr()}}
		}
	}()
	return expr.Value(l.scope.context())
}

func (s *scope) context() *hcl.EvalContext {
	return &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"var":      cty.ObjectVal(s.vars),
			"local":    cty.ObjectVal(s.locals),
			"cluster":  cty.ObjectVal(s.clusters),
			"provider": cty.ObjectVal(s.providers),
		},
		Functions: s.funcs,
	}
}

// adoptExpression gives a diagnostic of the evaluator its code and hint.
func (l *loader) adoptExpression(d *hcl.Diagnostic) {
	code, hint := CodeExpression, ""
	if x, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
		code = CodeFunction
		hint = didYouMean(x.CalledFunctionName(), slices.Collect(maps.Keys(l.scope.funcs)), "functions:")
		d = &hcl.Diagnostic{Severity: d.Severity, Subject: d.Subject, Context: d.Context,
			Summary: fmt.Sprintf("there is no function %q", x.CalledFunctionName())}
	}
	l.adopt(code, hint, hcl.Diagnostics{d})
}

// referencesKnown reports every name in the expression that is not declared.
func (l *loader) referencesKnown(expr hcl.Expression) bool {
	ok := true
	for _, t := range expr.Variables() {
		if !l.referenceKnown(t) {
			ok = false
		}
	}
	return ok
}

func (l *loader) referenceKnown(t hcl.Traversal) bool {
	var known map[string]cty.Value
	root := t.RootName()
	switch root {
	case "var":
		known = l.scope.vars
	case "local":
		known = l.scope.locals
	case "cluster":
		known = l.scope.clusters
	case "provider":
		known = l.scope.providers
	default:
		hint := `text goes in quotes, and so do keys with dots; references are var.NAME, local.NAME, cluster.LABEL and provider.NAME`
		if s := suggest(root, []string{"var", "local", "cluster", "provider"}); s != "" {
			hint = fmt.Sprintf("did you mean %q?", s)
		}
		l.errorf(CodeReference, t.SourceRange(), hint, "nothing is called %q here", root)
		return false
	}
	name, at, ok := secondStep(t)
	if !ok {
		return true // cluster[...] with a computed key: the evaluator checks it
	}
	if _, ok := known[name]; ok {
		return true
	}
	noun := map[string]string{"var": "variable", "local": "local value", "cluster": "cluster", "provider": "provider"}[root]
	hint := didYouMean(name, slices.Collect(maps.Keys(known)), "declared:")
	if len(known) == 0 {
		hint = map[string]string{"var": `declare it: variable "NAME" {}`, "local": "declare it: locals { NAME = VALUE }",
			"cluster":  `declare it: cluster "LABEL" { meta_servers = [...] }`,
			"provider": `declare it: provider "NAME" { ... }`}[root]
	}
	l.errorf(CodeReference, at, hint, "there is no %s %q", noun, name)
	return false
}

// secondStep gives NAME of root.NAME or root["NAME"], with the range of both.
func secondStep(t hcl.Traversal) (name string, at hcl.Range, ok bool) {
	if len(t) < 2 {
		return "", hcl.Range{}, false
	}
	at = hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange())
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, at, true
	case hcl.TraverseIndex:
		if step.Key.IsKnown() && !step.Key.IsNull() && step.Key.Type() == cty.String {
			return step.Key.AsString(), at, true
		}
	}
	return "", hcl.Range{}, false
}

// sizeOf estimates the memory of a value and stops counting beyond limit.
func sizeOf(v cty.Value, limit int) int {
	if !v.IsKnown() || v.IsNull() {
		return 16
	}
	t := v.Type()
	if t == cty.String {
		return 16 + len(v.AsString())
	}
	if !t.IsCollectionType() && !t.IsTupleType() && !t.IsObjectType() {
		return 16
	}
	size := 16
	for it := v.ElementIterator(); it.Next() && size <= limit; {
		k, e := it.Element()
		if t.IsMapType() || t.IsObjectType() {
			size += len(k.AsString())
		}
		size += sizeOf(e, limit-size)
	}
	return size
}
