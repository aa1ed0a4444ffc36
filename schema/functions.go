package schema

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions is the table of functions. None of them sees a clock, a network or chance.
func functions(dir string, environ []string) map[string]function.Function {
	return map[string]function.Function{
		"env":  envFunc(environ),
		"file": fileFunc(dir),

		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,
		"parseint": stdlib.ParseIntFunc,

		"chomp": stdlib.ChompFunc, "format": narrow(stdlib.FormatFunc), "formatlist": narrow(stdlib.FormatListFunc),
		"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
		"regexall": stdlib.RegexAllFunc, "replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc,
		"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc,

		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"index": stdlib.IndexFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setsubtract": stdlib.SetSubtractFunc,
		"setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc,
		"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": jsonOnly(stdlib.JSONDecodeFunc), "jsonencode": stdlib.JSONEncodeFunc,

		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,
		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tostring": stdlib.MakeToFunc(cty.String),
		"tolist":   stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"toset":    stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	}
}

// envFunc is env(NAME) or env(NAME, DEFAULT), on the environment that the caller handed in.
func envFunc(environ []string) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "takes a name and at most one default")
			}
			name := args[0].AsString()
			if v, ok := lookupEnviron(environ, name); ok {
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "the environment has no %s, and there is no default as second argument", name)
		},
	})
}

// lookupEnviron finds NAME in a list of NAME=VALUE; the last one wins, as in os/exec.
func lookupEnviron(environ []string, name string) (string, bool) {
	for i := len(environ) - 1; i >= 0; i-- {
		if n, v, ok := strings.Cut(environ[i], "="); ok && n == name {
			return v, true
		}
	}
	return "", false
}

var widePattern = regexp.MustCompile(`%[^a-zA-Z]*[0-9]{4}`)

// narrow refuses widths of four digits and more: format("%999999999d", 1) is a short expression
// for a gigabyte.
func narrow(f function.Function) function.Function {
	return guarded(f, func(s string) error {
		if widePattern.MatchString(s) {
			return function.NewArgErrorf(0, "a width or precision of more than three digits")
		}
		return nil
	})
}

// jsonOnly checks with encoding/json first, which bounds the nesting: the decoder behind recurses
// without a bound.
func jsonOnly(f function.Function) function.Function {
	return guarded(f, func(s string) error {
		if !json.Valid([]byte(s)) {
			return function.NewArgErrorf(0, "not JSON, or nested too deep")
		}
		return nil
	})
}

// guarded puts a check of the first argument, when it is a text, in front of a function.
func guarded(f function.Function, check func(string) error) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if s := args[0]; s.IsKnown() && !s.IsNull() && s.Type() == cty.String {
				if err := check(s.AsString()); err != nil {
					return cty.NilType, err
				}
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// fileFunc is file(PATH): the text of a file, the path relative to the configuration's folder.
func fileFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			src, err := readBounded(path)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "cannot read %s", reason(path, err))
			}
			if !utf8.Valid(src) {
				return cty.NilVal, function.NewArgError(0, fmt.Errorf("%s is not UTF-8 text", path))
			}
			return cty.StringVal(string(src)), nil
		},
	})
}
