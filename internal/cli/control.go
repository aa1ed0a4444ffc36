package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	ucli "github.com/urfave/cli/v2"

	"github.com/pegmigrate/pegmigrate/internal/control"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

const controlHelp = `Talks to an apply or a verify that is under way, over a socket beside its state that only its user can
reach. What is set holds until that command ends; the configuration is not changed.

   pegmigrate control set rows_per_second=5000 bytes_per_second=20MiB in_flight=64
   pegmigrate control set rows_per_second=declared

Limits can be lowered below what the configuration declares and come back to it, never rise above it.
A pause stops rows, not requests under way; it ends with "resume", or with the command.

`

func (e Env) controlCommand() *ucli.Command {
	jsonFlag := &ucli.BoolFlag{Name: "json", Usage: "print the status as one JSON object"}
	sub := func(name, usage, args string, command control.Command) *ucli.Command {
		return &ucli.Command{Name: name, Usage: usage, ArgsUsage: args, Description: controlHelp + exitHelp,
			Flags: append(configFlags(), jsonFlag), Action: func(c *ucli.Context) error { return e.control(c, command) }}
	}
	return &ucli.Command{
		Name:        "control",
		Usage:       "see and change how fast a run under way moves rows",
		Description: controlHelp + exitHelp,
		Subcommands: []*ucli.Command{
			sub("status", "what limits the run now, and why", "[FOLDER|FILE]", control.CommandStatus),
			sub("pause", "move no rows until resume", "[FOLDER|FILE]", control.CommandPause),
			sub("resume", "end the pause", "[FOLDER|FILE]", control.CommandResume),
			sub("set", "set limits", "LIMIT=VALUE... [FOLDER|FILE]", control.CommandSet),
		},
	}
}

func (e Env) control(c *ucli.Context, command control.Command) error {
	request := control.Request{Command: command}
	args := c.Args().Slice()
	if command == control.CommandSet {
		var err error
		if request.Set, args, err = settings(args); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		return failf(codeArguments, "flags come before the folder", "control %s takes one folder or file, got %d arguments: %s",
			command, len(args), strings.Join(args, " "))
	}
	path := "."
	if len(args) == 1 {
		path = args[0]
	}
	o, err := configAt(c, e, path)
	if err != nil {
		return err
	}
	s, err := e.load(o)
	if err != nil {
		return err
	}
	status, err := control.Ask(c.Context, s.controlPlace(), request)
	if err != nil {
		return s.controlFailure(err)
	}
	if c.Bool("json") {
		return json.NewEncoder(e.Stdout).Encode(struct {
			Version int `json:"version"`
			control.Status
		}{control.Version, status})
	}
	_, err = fmt.Fprint(e.Stdout, strings.Join(statusLines(status), "\n")+"\n")
	return err
}

// controlFailure says what is wrong, with a code.
func (s *session) controlFailure(err error) error {
	var refused *control.Refusal
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, control.ErrNobody):
		return failf(codeControlNobody, "`"+s.resumeCommand()+"` begins one, or goes on with it", "nothing runs here: no apply or verify of %q is under way", s.migration.Name)
	case errors.As(err, &refused) && refused.Kind == control.KindDeclared:
		return failf(codeControlDeclared, refused.Hint, "%s; nothing was changed", refused.Text)
	case errors.As(err, &refused) && refused.Kind == control.KindValue:
		return failf(codeControlValue, refused.Hint, "%s; nothing was changed", refused.Text)
	}
	return failf(codeControl, "look whether the run still goes on with `"+strings.Replace(s.resumeCommand(), "apply", "status", 1)+"`", "%v", err)
}

// declaredValue goes back to what the configuration declares.
const declaredValue = "declared"

// settings reads LIMIT=VALUE arguments; what has no "=" is left over.
func settings(args []string) (out control.Settings, rest []string, err error) {
	given := map[string]bool{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok {
			rest = append(rest, arg)
			continue
		}
		to, known := map[string]**int64{"rows_per_second": &out.RowsPerSecond, "bytes_per_second": &out.BytesPerSecond, "in_flight": &out.InFlight}[name]
		if !known {
			return out, nil, failf(codeControlValue, "the limits are rows_per_second, bytes_per_second and in_flight", "there is no limit %q", name)
		}
		if given[name] {
			return out, nil, failf(codeControlValue, "give each limit once", "%s is given twice", name)
		}
		given[name] = true
		value, err := limitValue(name, text)
		if err != nil {
			return out, nil, err
		}
		*to = &value
	}
	if len(given) == 0 {
		return out, nil, failf(codeControlValue, "write `pegmigrate control set rows_per_second=5000`", "control set got no LIMIT=VALUE")
	}
	return out, rest, nil
}

// limitValue reads one value; bytes may have a unit. 0 stands for the declared one.
func limitValue(name, text string) (int64, error) {
	if text == declaredValue {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if name == "bytes_per_second" {
		n, err = schema.ParseSize(text)
	}
	if err != nil || n <= 0 || name == "in_flight" && n > math.MaxUint16+1 {
		like := map[string]string{"rows_per_second": "a whole number like 5000", "bytes_per_second": `a size like 20MiB or 20000000`,
			"in_flight": "a whole number from 1 to 65536"}[name]
		return 0, failf(codeControlValue, fmt.Sprintf("%s is %s, or %q to go back to the configuration; to stop everything use `pegmigrate control pause`", name, like, declaredValue),
			"%s cannot be %q", name, text)
	}
	return n, nil
}

// statusLines tell a status to people.
func statusLines(s control.Status) []string {
	lines := []string{
		fmt.Sprintf("%s of %q, process %d, since %s", s.Command, s.Migration, s.PID, s.Run.Since.UTC().Format(time.RFC3339)),
		fmt.Sprintf("moving     %s rows/s, %s/s", plan.Rows(uint64(math.Max(s.RowsPerSecond, 0))), plan.Bytes(uint64(math.Max(s.BytesPerSecond, 0)))),
		"declared   " + limitsText(s.Declared),
	}
	if s.Asked != (control.Limits{}) {
		lines = append(lines, "asked for  "+limitsText(s.Asked))
	}
	lines = append(lines, "in force   "+limitsText(s.InForce))
	switch {
	case len(s.Held) > 0:
		for _, h := range s.Held {
			lines = append(lines, fmt.Sprintf("paused     %s, since %s", printable(strings.TrimPrefix(h.Text, "paused ")), h.Since.UTC().Format(time.RFC3339)))
		}
	case s.Limit != "":
		lines = append(lines, fmt.Sprintf("limited by %s: %s, since %s", printable(s.Limit), printable(s.Reason), s.Since.UTC().Format(time.RFC3339)))
	default:
		lines = append(lines, "limited by nothing but the clusters")
	}
	return lines
}

// printable leaves out what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func limitsText(l control.Limits) string {
	var text []string
	if l.RowsPerSecond > 0 {
		text = append(text, fmt.Sprintf("rows_per_second %d", l.RowsPerSecond))
	}
	if l.BytesPerSecond > 0 {
		text = append(text, "bytes_per_second "+plan.Bytes(uint64(l.BytesPerSecond)))
	}
	if l.InFlight > 0 {
		text = append(text, fmt.Sprintf("in_flight %d", l.InFlight))
	}
	if len(text) == 0 {
		return "no limit"
	}
	return strings.Join(text, ", ")
}
