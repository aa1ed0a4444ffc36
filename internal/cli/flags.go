package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/schema"
)

// configFlags are shared by every command that reads a configuration.
func configFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringSliceFlag{Name: "var", Usage: "set a variable, `NAME=VALUE`"},
		&ucli.StringSliceFlag{Name: "var-file", Usage: "read variables from `FILE`"},
		&ucli.StringFlag{Name: "migration", Usage: "work on the migration `NAME`, when several are declared"},
	}
}

// configOf reads the shared flags and the folder argument.
func configOf(c *ucli.Context, e Env) (configOptions, error) {
	o, err := configAt(c, e, ".")
	if err != nil {
		return o, err
	}
	if c.NArg() > 1 {
		return o, failf(codeArguments, "flags come before the folder", "%s takes one folder or file, got %d arguments: %s",
			c.Command.Name, c.NArg(), strings.Join(c.Args().Slice(), " "))
	}
	if c.NArg() == 1 {
		o.path = c.Args().First()
	}
	return o, nil
}

// again gives the arguments that choose the same migration once more, quoted for a shell: a
// command that is printed at night is pasted as it stands. A sensitive value is left out.
func (o configOptions) again(config *schema.Config) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(o.vars.Flags)) {
		value := quoted(o.vars.Flags[name])
		if slices.Contains(config.Sensitive, name) {
			value = "..."
		}
		args = append(args, "-var", name+"="+value)
	}
	for _, file := range o.vars.Files {
		args = append(args, "-var-file", quoted(file))
	}
	if len(config.Migrations) > 1 && o.migration != "" {
		args = append(args, "-migration", quoted(o.migration))
	}
	if o.path != "." {
		args = append(args, quoted(o.path))
	}
	return args
}

// quoted makes one word of a shell of s.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=,@%+", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// configAt reads the shared flags for a configuration at a known path.
func configAt(c *ucli.Context, e Env, path string) (configOptions, error) {
	o := configOptions{path: path, migration: c.String("migration")}
	o.vars = schema.Vars{Flags: map[string]string{}, Files: c.StringSlice("var-file"), Env: e.Environ}
	for _, pair := range c.StringSlice("var") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return o, failf(codeVar, "write -var NAME=VALUE", "-var %q has no name or no value", pair)
		}
		o.vars.Flags[name] = value
	}
	return o, nil
}

// need refuses a call that lacks flags, in the tool's own voice: the library would print the whole
// help to stdout.
func need(c *ucli.Context, flags ...string) error {
	for _, name := range flags {
		if !c.IsSet(name) {
			return failf(codeFlag, fmt.Sprintf("`%s -h` lists the flags", c.Command.HelpName), "%s needs -%s", c.Command.HelpName, name)
		}
	}
	return nil
}
