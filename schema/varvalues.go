package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// varEnvPrefix is the prefix of environment variables that set variables.
const varEnvPrefix = "PEGMIGRATE_VAR_"

// given is a value for a variable from outside its block.
type given struct {
	value cty.Value // unless text is set
	text  *string   // from -var or the environment: read by the variable's type
	from  string    // for messages
	at    hcl.Range // zero unless from a file
}

// assignVariables gives every variable its value: default, environment, files, flags, the last
// one winning.
func (l *loader) assignVariables(vars Vars, declared map[string]*variable) {
	values := map[string]given{}
	names := slices.Sorted(maps.Keys(declared))
	l.fromEnv(vars.Env, names, values)
	for _, path := range vars.Files {
		l.fromFile(path, names, values)
	}
	for _, name := range slices.Sorted(maps.Keys(vars.Flags)) {
		if declared[name] == nil {
			l.errorf(CodeVariableUnknown, hcl.Range{}, didYouMean(name, names, "declared:"), "-var %s: no variable %q is declared", name, name)
			continue
		}
		text := vars.Flags[name]
		values[name] = given{text: &text, from: "-var " + name}
	}
	for _, name := range names {
		l.scope.vars[name] = l.settle(declared[name], values)
	}
}

// fromEnv takes PEGMIGRATE_VAR_name. One that is not declared may be meant for another
// configuration; only a near miss is worth a word.
func (l *loader) fromEnv(environ []string, names []string, values map[string]given) {
	for _, e := range environ {
		key, text, ok := strings.Cut(e, "=")
		name, isVar := strings.CutPrefix(key, varEnvPrefix)
		if !ok || !isVar {
			continue
		}
		if !slices.Contains(names, name) {
			if s := suggest(name, names); s != "" {
				l.warnf(CodeVariableUnknown, hcl.Range{}, fmt.Sprintf("did you mean %q?", varEnvPrefix+s), "%s sets no declared variable", key)
			}
			continue
		}
		values[name] = given{text: &text, from: key}
	}
}

// fromFile reads NAME = VALUE lines; values may use functions but no references.
func (l *loader) fromFile(path string, names []string, values map[string]given) {
	body := l.parseFile(path)
	if body == nil {
		return
	}
	for _, b := range body.Blocks {
		l.errorf(CodeVarFile, b.DefRange(), "blocks belong into the files of the configuration", "a variable file holds NAME = VALUE lines and no blocks")
	}
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		attr := body.Attributes[name]
		if !slices.Contains(names, name) {
			l.errorf(CodeVariableUnknown, attr.NameRange, didYouMean(name, names, "declared:"), "no variable %q is declared", name)
			continue
		}
		if v := l.evalConstant(attr.Expr, "a value in a variable file"); v.IsWhollyKnown() {
			values[name] = given{value: v, from: where(attr.NameRange), at: attr.Expr.Range()}
		} else {
			values[name] = given{value: failed(), at: attr.Expr.Range()}
		}
	}
}

// settle picks the value of one variable and checks its type.
func (l *loader) settle(v *variable, values map[string]given) cty.Value {
	g, ok := values[v.name]
	if v.broken {
		return failed()
	}
	if !ok {
		if v.def == cty.NilVal {
			l.errorf(CodeVariableUnset, v.header, fmt.Sprintf("pass -var %s=VALUE, set %s%s, or give it a default", v.name, varEnvPrefix, v.name), "variable %q has no value", v.name)
			return failed()
		}
		return v.def
	}
	val, err := g.value, error(nil)
	if g.text != nil {
		val, err = v.read(*g.text)
	}
	if err == nil && !val.IsWhollyKnown() {
		return failed()
	}
	if err == nil {
		val, err = v.convert(val)
	}
	if err != nil {
		l.errorf(CodeVariableValue, g.at, "declared at "+where(v.header), "%s: not a value of the type of variable %q: %v", g.from, v.name, err)
		return failed()
	}
	return val
}

// read reads text from a command line or environment: as it stands for a string (or an undeclared
// type), as an expression of constants for any other type.
func (v *variable) read(text string) (cty.Value, error) {
	if v.typ == cty.String || v.typ == cty.DynamicPseudoType {
		return cty.StringVal(text), nil
	}
	var probe loader
	probe.files = map[string]*hcl.File{}
	if len(text) > maxFileSize || !probe.bounded([]byte(text), v.name, false) {
		return failed(), errTooLarge
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), v.name, hcl.InitialPos)
	if diags.HasErrors() {
		return failed(), fmt.Errorf("%s", diags[0].Summary)
	}
	val, diags := expr.Value(nil)
	if len(expr.Variables()) > 0 {
		return failed(), errors.New("it is neither a number, true, false nor a text in quotes")
	}
	if diags.HasErrors() {
		return failed(), fmt.Errorf("%s", diags[0].Summary)
	}
	return val, nil
}

// secrets gives the texts that must not be shown: every value of the sensitive variables.
func (l *loader) secrets(declared map[string]*variable) []string {
	var out []string
	for name, v := range declared {
		if !v.sensitive {
			continue
		}
		_ = cty.Walk(l.scope.vars[name], func(_ cty.Path, leaf cty.Value) (bool, error) {
			if !leaf.IsKnown() || leaf.IsNull() {
				return false, nil
			}
			switch leaf.Type() {
			case cty.String:
				out = append(out, leaf.AsString())
			case cty.Number:
				out = append(out, leaf.AsBigFloat().Text('f', -1))
			}
			return true, nil
		})
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" })
	// The longest first: one secret may be part of another.
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}
