package sandboxtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// awaitCommands are the verbs that wait for what a command in the background does.
//
//	await-env CLUSTER/TABLE KEY [VALUE]    the env gets the value; without VALUE: it goes
//	await-dup CLUSTER/TABLE STATE          the table's duplication gets to the state, DS_PREPARE…
//	await-file PATTERN                     a file or folder is there that the pattern (path.Match) fits
//	await-text FILE TEXT                   the file has the text in it
//	await-alive CLUSTER N                  the meta server takes so many replica servers for alive
func awaitCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"await-env": awaitEnv, "await-dup": awaitDup, "await-file": awaitFile, "await-text": awaitText,
		"await-alive": awaitAlive}
}

// await looks until there is what is waited for.
func await(ts *testscript.TestScript, what string, there func() bool) {
	limit := time.After(waitLimit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s did not happen within %v", what, waitLimit)
		}
	}
}

func awaitEnv(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-env CLUSTER/TABLE KEY [VALUE]")
	c, name := split(ts, args[0])
	await(ts, "the change of "+args[1], func() bool {
		envs, err := c.TableEnvs(name)
		value, there := envs[args[1]]
		if len(args) == 2 {
			return err == nil && !there
		}
		return err == nil && there && value == args[2]
	})
}

func awaitDup(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-dup CLUSTER/TABLE STATE")
	c, name := split(ts, args[0])
	await(ts, args[1], func() bool {
		list, err := c.Duplications(name)
		return err == nil && slices.ContainsFunc(list, func(d sandbox.DuplicationState) bool { return d.Status.String() == args[1] })
	})
}

func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "await-file PATTERN")
	await(ts, args[0], func() bool {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		return len(found) > 0
	})
}

func awaitText(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-text FILE TEXT")
	await(ts, args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	})
}

func awaitAlive(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-alive CLUSTER N")
	c, n := cluster(ts, args[0]), number(ts, args[1])
	await(ts, "the change of living servers", func() bool { return c.Alive() == n })
}
