package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

// openState takes the lock of the migration and reads its document.
func (s *session) openState(command string, lost bool) (*state.Store, error) {
	open := state.Open
	if lost {
		open = state.OpenLost
	}
	store, err := open(s.env.FS, s.dir, s.migration.Name, state.Self("pegmigrate "+command, s.env.Now()))
	var known hinted
	if err != nil && !errors.As(err, &known) {
		return nil, failf(apply.CodeState, "the state is kept in "+state.Folder+" beside the configuration: make that folder writable",
			"the state cannot be kept: %v", err)
	}
	return store, err
}

// owner is user@host.
func owner() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// readPlan reads a saved plan.
func (e Env) readPlan(path string) (*plan.Plan, error) {
	data, err := e.FS.ReadFile(path)
	if err != nil {
		return nil, failf(plan.CodePlanUnreadable, "give a file that `pegmigrate plan -out FILE` wrote", "the plan cannot be read: %v", err)
	}
	return plan.Decode(data, e.Version)
}

func (e Env) stateCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "state",
		Usage: "read the state document, break a stale lock",
		Subcommands: []*ucli.Command{
			{
				Name: "show", Usage: "print the state document", ArgsUsage: "[FOLDER|FILE]",
				Flags:  append(configFlags(), &ucli.BoolFlag{Name: "json", Usage: "print it as it is stored"}),
				Action: e.stateShow,
			},
			{
				Name: "unlock", Usage: "remove the record of a holder that is gone", ArgsUsage: "[FOLDER|FILE]",
				Flags: append(configFlags(), &ucli.BoolFlag{Name: "force",
					Usage: "also when the holder is on another host: you have looked and it is dead"}),
				Action: e.stateUnlock,
			},
		},
	}
}

func (e Env) stateShow(c *ucli.Context) error {
	s, err := e.loadFrom(c)
	if err != nil {
		return err
	}
	doc, err := state.ReadOnly(e.FS, s.dir, s.migration.Name)
	if err != nil {
		return noState(err)
	}
	return view.StateDocument(e.Stdout, doc, c.Bool("json"))
}

func (e Env) stateUnlock(c *ucli.Context) error {
	s, err := e.loadFrom(c)
	if err != nil {
		return err
	}
	if err := state.Unlock(e.FS, s.dir, s.migration.Name, c.Bool("force")); err != nil {
		if errors.Is(err, state.ErrNotLocked) {
			fmt.Fprintf(e.Stderr, "the state of %q is not locked\n", s.migration.Name)
			return nil
		}
		return err
	}
	fmt.Fprintf(e.Stderr, "the state of %q is unlocked\n", s.migration.Name)
	return nil
}

// loadFrom loads the configuration that the flags and the argument name.
func (e Env) loadFrom(c *ucli.Context) (*session, error) {
	o, err := configOf(c, e)
	if err != nil {
		return nil, err
	}
	return e.load(o)
}

func noState(err error) error {
	if errors.Is(err, state.ErrNoState) {
		return failf(codeNoState, "`pegmigrate apply` begins one; a lost state file is rebuilt by `pegmigrate apply -adopt`", "%v", err)
	}
	return err
}
