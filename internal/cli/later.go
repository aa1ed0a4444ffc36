package cli

import ucli "github.com/urfave/cli/v2"

// laterCommands are part of the command set and not of this release. They exist so that a script
// that calls one is told so instead of guessing at a typo.
func (e Env) laterCommands() []*ucli.Command {
	later := []struct{ name, usage, hint string }{
		{"split", "turn a cold backup into bulk-load input", "method \"copy\" moves rows without files"},
	}
	var out []*ucli.Command
	for _, l := range later {
		out = append(out, &ucli.Command{
			Name:  l.name,
			Usage: l.usage + " (not in this release)",
			Action: func(*ucli.Context) error {
				return failf(codeLater, l.hint, "%s is not in this release", l.name)
			},
		})
	}
	return out
}
