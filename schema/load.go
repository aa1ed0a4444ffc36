package schema

import "github.com/hashicorp/hcl/v2"

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

// Load reads a folder (all its *.hcl files but *.pegvars.hcl) or one file.
func Load(path string, vars Vars) (*Config, hcl.Diagnostics) {
	return nil, nil
}
