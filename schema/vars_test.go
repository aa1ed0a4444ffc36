package schema

import (
	"path/filepath"
	"strings"
	"testing"
)

// withVar is a configuration whose source table is the variable t, declared with the given lines.
func withVar(lines string) string {
	return strings.Replace(small("variable \"t\" {\n"+lines+"\n}\n", ""), `"orders"
  }`, "format(\"%v\", var.t)\n  }", 1)
}

func TestVariableSources(t *testing.T) {
	flags := func(v string) Vars { return Vars{Flags: map[string]string{"t": v}} }
	for name, tc := range map[string]struct {
		decl  string
		file  string // text of a variable file
		vars  Vars
		want  string // source table
		codes []Code
	}{
		"default":                 {decl: `default = "d"`, want: "d"},
		"environment":             {decl: `default = "d"`, vars: Vars{Env: []string{"PEGMIGRATE_VAR_t=e"}}, want: "e"},
		"file over environment":   {decl: `default = "d"`, file: `t = upper("f")`, vars: Vars{Env: []string{"PEGMIGRATE_VAR_t=e"}}, want: "F"},
		"flag over file":          {decl: `default = "d"`, file: `t = "f"`, vars: flags("g"), want: "g"},
		"no default":              {decl: ``, vars: flags("g"), want: "g"},
		"unset":                   {decl: ``, codes: []Code{CodeVariableUnset}},
		"text looks like number":  {decl: `type = string`, vars: flags("7"), want: "7"},
		"number":                  {decl: `type = number`, vars: flags("7"), want: "7"},
		"number in quotes":        {decl: `type = number`, vars: flags(`"7"`), want: "7"},
		"bool":                    {decl: `type = bool`, vars: flags("true"), want: "true"},
		"not a number":            {decl: `type = number`, vars: flags("seven"), codes: []Code{CodeVariableValue}},
		"not an expression":       {decl: `type = number`, vars: flags("7 +"), codes: []Code{CodeVariableValue}},
		"no references":           {decl: `type = number`, vars: flags("var.t"), codes: []Code{CodeVariableValue}},
		"deep":                    {decl: `type = number`, vars: flags(strings.Repeat("(", 100000)), codes: []Code{CodeVariableValue}},
		"deep over lines":         {decl: `type = number`, vars: flags(strings.Repeat("1+\n", 50000) + "1"), codes: []Code{CodeVariableValue}},
		"wrong type in file":      {decl: `type = number`, file: `t = ["x"]`, codes: []Code{CodeVariableValue}},
		"reference in file":       {decl: `type = number`, file: `t = var.t`, codes: []Code{CodeReference}},
		"block in file":           {decl: `default = "d"`, file: "t \"x\" {\n}", codes: []Code{CodeVarFile}},
		"undeclared in file":      {decl: `default = "d"`, file: `tt = 1`, codes: []Code{CodeVariableUnknown}},
		"undeclared flag":         {decl: `default = "d"`, vars: Vars{Flags: map[string]string{"u": "x"}}, codes: []Code{CodeVariableUnknown}},
		"stranger in environment": {decl: `default = "d"`, vars: Vars{Env: []string{"PEGMIGRATE_VAR_elsewhere=x", "PATH=/"}}, want: "d"},
		"near miss in the environment is only a warning": {decl: `default = "d"`, vars: Vars{Env: []string{"PEGMIGRATE_VAR_T=x"}}, codes: []Code{CodeVariableUnknown}, want: "d"},
		"syntax in file":     {decl: `default = "d"`, file: `t = `, codes: []Code{CodeSyntax}},
		"null is a value":    {decl: `default = null`, want: "null"},
		"optional attribute": {decl: "type = object({ a = optional(string, \"x\") })\n default = {}\n validation {\n condition = var.t.a == \"x\"\n error_message = \"no\"\n }", codes: []Code{CodeTableName}},
	} {
		t.Run(name, func(t *testing.T) {
			vars := tc.vars
			if tc.file != "" {
				dir := write(t, map[string]string{"v.pegvars.hcl": tc.file + "\n"})
				vars.Files = []string{filepath.Join(dir, "v.pegvars.hcl")}
			}
			cfg, diags := Load(write(t, map[string]string{"m.hcl": withVar(tc.decl)}), vars)
			if tc.codes == nil && len(diags) > 0 || tc.codes != nil {
				wantCodes(t, cfg, diags, tc.codes...)
			}
			if tc.want == "" {
				return
			}
			if len(cfg.Migrations) != 1 || cfg.Migrations[0].Source.Table != tc.want {
				t.Errorf("want table %q:\n%s", tc.want, render(cfg, diags))
			}
		})
	}
}

func TestMissingVariableFile(t *testing.T) {
	cfg, diags := Load(write(t, map[string]string{"m.hcl": small("", "")}), Vars{Files: []string{"no-such-file"}})
	wantCodes(t, cfg, diags, CodeUnreadable)
}

func TestSensitiveValuesAreNotShown(t *testing.T) {
	cfg, diags := Load(write(t, map[string]string{"m.hcl": withVar("sensitive = true")}),
		Vars{Flags: map[string]string{"t": "s3cret name"}})
	wantCodes(t, cfg, diags, CodeTableName)
	text := render(cfg, diags)
	if strings.Contains(text, "s3cret") || !strings.Contains(text, "(sensitive)") {
		t.Errorf("shown:\n%s", text)
	}
}

func TestEnvFunction(t *testing.T) {
	m := strings.Replace(small("", ""), `"orders"
  }`, `env("TABLE", "fallback")`+"\n  }", 1)
	for want, environ := range map[string][]string{"fallback": {"TABLET=x"}, "seen": {"TABLE=no", "TABLE=seen"}} {
		cfg := mustLoad(t, write(t, map[string]string{"m.hcl": m}), Vars{Env: environ})
		if got := cfg.Migrations[0].Source.Table; got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	cfg, diags := Load(write(t, map[string]string{"m.hcl": "locals {\n a = env(\"A\", \"b\", \"c\")\n}\n"}), Vars{})
	wantCodes(t, cfg, diags, CodeExpression)
}

// TestHostileExpressions holds the evaluator to the promise that Load never panics.
func TestHostileExpressions(t *testing.T) {
	for _, expr := range []string{
		`cluster.east == cluster.west`, `jsonencode(cluster.east)`, `"${cluster.east}"`, `cluster.east.label`,
		`format("%d", cluster.east)`, `{ (cluster.east) = 1 }`, `[cluster.east][*]`, `keys(cluster)`, `values(cluster)`,
		`merge(cluster, {})`, `cluster[1]`, `cluster[null]`, `null.x`, `null[0]`, `element([], 0)`, `range(0, 1e308)`,
		`substr("x", -9, 1e18)`, `chunklist([1], 0)`, `slice([1], 1, 0)`, `format("%*d", 1e9, 1)`, `pow(0, -1)`, `log(0, 0)`,
		`parseint("zz", 99)`, `regex("(", "x")`, `setproduct()`, `try()`, `can()`, `zipmap(["a"], [])`, `max()`, `min([]...)`,
		`tolist({})`, `toset(null)`, `"${null}"`, `1 / 0`, `0 / 0`, `1 % 0`, `-null`, `!null`, `null ? 1 : 2`, `true ? 1 : []`,
		`[for x in null : x]`, `{for x in [1, 1] : x => x}`, `csvdecode("a,a\n1,2")`, `jsondecode("[1,2")`, `format("%999999999d", 1)`, `formatlist("%-9999s", ["x"])`, `format("%.9999f", 1)`,
		`format("%[1]99999d", 1)`, `jsondecode(join("", [for i in range(1000) : "[[[[[[[[[[[[[[[[[[[["]))`, `format(null)`, `format()`,
		`file("/")`, `file("\u0000")`, `env("")`, `flatten([[[[]]]])`, `coalesce()`, `lookup({}, "a")`, `index([], 1)`, `sum`,
		`local`, `var`, `local.x`, `self`, `each.key`, `(1 / 0) * 0`, `(1 / 0) - (1 / 0)`, `floor(1 / 0)`, `abs(-1 / 0)`,
	} {
		t.Run(expr, func(t *testing.T) {
			for _, src := range []string{
				small("locals {\n  x0 = "+expr+"\n}\n", ""),
				strings.Replace(small("", ""), `"orders"`+"\n", expr+"\n", 1),
				strings.Replace(small("", ""), `["10.0.0.1:34601"]`, expr, 1),
				small("", "source_writes = "+expr),
				strings.Replace(small("", ""), "cluster = cluster.west", "cluster = "+expr+"\n envs = "+expr+"\n partition_count = "+expr, 1),
			} {
				_, diags := loadText(src)
				checkExtras(t, diags)
			}
		})
	}
}
