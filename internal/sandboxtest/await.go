package sandboxtest

import (
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// awaitCommands are the verbs that wait for what a command in the background does.
//
//	await-env CLUSTER/TABLE KEY [VALUE]    the env gets the value; without VALUE: it goes
//	await-dup CLUSTER/TABLE STATE          the table's duplication gets to the state, DS_PREPARE…
func awaitCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"await-env": awaitEnv, "await-dup": awaitDup}
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
