package schema

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Vars is where the values of variables come from, later ones winning: the default in the block,
// Env, Files in order, Flags.
type Vars struct {
	// Flags are the -var NAME=VALUE of the command line.
	Flags map[string]string
	// Files are the -var-file paths, relative to the working directory.
	Files []string
	// Env is the environment as os.Environ gives it: PEGMIGRATE_VAR_name=value, and what the
	// function env reads. Schema never looks at the process environment itself.
	Env []string
}

// Load reads a folder (all its *.hcl files but hidden ones and *.pegvars.hcl, which are for
// -var-file) or one file, and checks everything that can be checked offline.
//
// All mistakes are reported at once, in the order of the files; every diagnostic carries an Extra.
// A file that is not HCL ends the work after all files were parsed. Config is never nil: with
// errors among the diagnostics it holds Files only, for showing snippets. Load never panics, keeps
// nothing and may be called concurrently.
func Load(path string, vars Vars) (*Config, hcl.Diagnostics) {
	l := newLoader()
	dir, names := l.configFiles(path)
	var bodies []*hclsyntax.Body
	for _, name := range names {
		if body := l.parseFile(name); body != nil {
			bodies = append(bodies, body)
		}
	}
	return l.load(dir, bodies, vars)
}

// loader is the work of one Load.
type loader struct {
	report
	files map[string]*hcl.File
	scope *scope
}

func newLoader() *loader {
	return &loader{files: map[string]*hcl.File{}}
}

func (l *loader) load(dir string, bodies []*hclsyntax.Body, vars Vars) (*Config, hcl.Diagnostics) {
	l.scope = &scope{
		vars: map[string]cty.Value{}, locals: map[string]cty.Value{}, clusters: map[string]cty.Value{},
		providers: map[string]cty.Value{}, funcs: functions(dir, vars.Env),
	}
	if l.diags.HasErrors() {
		return &Config{Files: l.files}, l.sorted()
	}
	top := l.collect(bodies)
	l.assignVariables(vars, top.variables)
	for _, v := range top.variableOrder {
		l.validate(v)
	}
	for _, b := range top.clusters {
		l.scope.clusters[b.cluster.Label] = cty.CapsuleVal(clusterCapsule, b.cluster)
	}
	for _, b := range top.providers {
		l.scope.providers[b.provider.Label] = cty.CapsuleVal(providerCapsule, b.provider)
	}
	l.evalLocals(top.locals)
	cfg := &Config{Files: l.files, Clusters: map[string]*Cluster{}}
	for _, b := range top.clusters {
		l.decodeCluster(b)
		cfg.Clusters[b.cluster.Label] = b.cluster
	}
	for _, b := range top.providers {
		l.decodeProvider(b)
	}
	for _, b := range top.migrations {
		cfg.Migrations = append(cfg.Migrations, l.decodeMigration(b))
	}
	l.checkSharedTargets(cfg.Migrations)
	l.hide(l.secrets(top.variables))
	for name, v := range top.variables {
		if v.sensitive {
			cfg.Sensitive = append(cfg.Sensitive, name)
		}
	}
	if l.diags.HasErrors() {
		return &Config{Files: l.files}, l.sorted()
	}
	for _, m := range cfg.Migrations {
		m.Fingerprint, m.IdentityFingerprint = fingerprints(m)
	}
	return cfg, l.sorted()
}
