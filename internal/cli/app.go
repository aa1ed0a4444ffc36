package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"syscall"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/view"
)

// Run executes one command line and returns the exit code. args[0] is the name of the program.
func Run(ctx context.Context, args []string, e Env) int {
	app := &ucli.App{
		Name:        "pegmigrate",
		Usage:       "move one Apache Pegasus table from one cluster to another",
		Version:     e.Version,
		Description: exitHelp,
		Writer:      e.Stdout,
		ErrWriter:   e.Stderr,
		Reader:      e.Stdin,
		// A comma is part of a value: -var 'proxies=["10.3.0.1:34601","10.3.0.2:34601"]'.
		DisableSliceFlagSeparator: true,
		// Errors and exit codes are this package's: the library must neither print nor exit.
		ExitErrHandler: func(*ucli.Context, error) {},
		OnUsageError: func(_ *ucli.Context, err error, _ bool) error {
			return failf(codeFlag, "`pegmigrate help` and `pegmigrate COMMAND -h` list the flags", "%v", err)
		},
		CommandNotFound: nil,
		Action:          unknownCommand,
		Commands: []*ucli.Command{
			e.initCommand(), e.fmtCommand(), e.validateCommand(), e.planCommand(), e.applyCommand(), e.statusCommand(),
			e.verifyCommand(), e.rollbackCommand(), e.doctorCommand(), e.stateCommand(), e.sandboxCommand(), e.watchdogCommand(), e.canaryCommand(), e.completeCommand(),
			e.reportCommand(), e.splitCommand(), e.controlCommand(),
		},
	}
	for _, c := range app.Commands {
		finish(c)
	}
	err := app.RunContext(ctx, args)
	e.report(err)
	return codeOf(err)
}

// finish gives every command the exit codes in its help and the same treatment of what is wrong.
func finish(c *ucli.Command) {
	// Without this a folder named "h" or "help" would be taken for the library's help command.
	c.HideHelpCommand = true
	if len(c.Subcommands) > 0 {
		c.Action = unknownSubcommand
	}
	if c.Description == "" {
		c.Description = exitHelp
	}
	c.OnUsageError = func(ctx *ucli.Context, err error, _ bool) error {
		return usage(ctx.Command, err)
	}
	for _, sub := range c.Subcommands {
		finish(sub)
	}
}

// badValue is how package flag words a value that it cannot read.
var badValue = regexp.MustCompile(`^invalid (?:boolean )?value "(.*)" for flag -([a-z-]+): parse error$`)

// usage says what is wrong with the flags of a command.
func usage(c *ucli.Command, err error) error {
	hint := fmt.Sprintf("`pegmigrate %s -h` lists the flags", c.FullName())
	if len(c.Subcommands) > 0 {
		hint = fmt.Sprintf("flags come after the whole command: pegmigrate %s %s -h", c.FullName(), c.Subcommands[0].Name)
	}
	m := badValue.FindStringSubmatch(err.Error())
	if m == nil {
		return failf(codeFlag, hint, "%s: %v", c.FullName(), err)
	}
	for _, f := range c.Flags {
		if _, ok := f.(*ucli.DurationFlag); ok && slices.Contains(f.Names(), m[2]) {
			hint = fmt.Sprintf("a time has a unit: -%s 30s", m[2])
		}
	}
	return failf(codeFlag, hint, "%s: -%s cannot be %q", c.FullName(), m[2], m[1])
}

func unknownCommand(c *ucli.Context) error {
	if c.NArg() == 0 {
		return ucli.ShowAppHelp(c)
	}
	return failf(codeCommand, "`pegmigrate help` lists the commands", "there is no command %q", c.Args().First())
}

func unknownSubcommand(c *ucli.Context) error {
	if c.NArg() == 0 {
		return ucli.ShowSubcommandHelp(c)
	}
	return failf(codeCommand, fmt.Sprintf("`%s -h` lists its commands", c.Command.HelpName), "%s has no command %q",
		c.Command.HelpName, c.Args().First())
}

// report prints what went wrong, unless the command has said it already.
func (e Env) report(err error) {
	var exit *exitError
	if err == nil || errors.As(err, &exit) {
		return
	}
	if errors.Is(err, syscall.EPIPE) {
		return // whoever read the output has seen enough: plan | head
	}
	var gate *apply.GateError
	var stopped *apply.InterruptedError
	var budget *apply.BudgetError
	switch {
	case errors.As(err, &gate), errors.As(err, &stopped):
		return // the run's own closing lines say everything
	case errors.As(err, &budget): // also when a signal ended the window
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(e.Stderr, "interrupted before any change; run the same command again")
		return
	}
	view.PrintFailure(e.Stderr, describe(err), e.style(e.Stderr))
}

// style decides about colour and width for a writer.
func (e Env) style(w io.Writer) view.Style { return view.StyleFor(w, e.Environ...) }
