package sandboxtest

import (
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// flagCommands are the verbs about flags of replica servers that change at run time.
//
//	set-flag CLUSTER SERVER NAME VALUE     as an operator does with updateConfig
//	has-flag CLUSTER NAME VALUE…           the flag has these values, one for each server in their order
//	await-flag CLUSTER NAME VALUE…         it gets them
func flagCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"set-flag": setFlag, "has-flag": hasFlag, "await-flag": awaitFlag}
}

func setFlag(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "set-flag CLUSTER SERVER NAME VALUE")
	ts.Check(cluster(ts, args[0]).SetFlag(number(ts, args[1]), args[2], args[3]))
}

func hasFlag(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 3, "has-flag CLUSTER NAME VALUE…")
	if got := cluster(ts, args[0]).Flags(args[1]); slices.Equal(got, args[2:]) == neg {
		ts.Fatalf("%s of %s is %s", args[1], args[0], strings.Join(got, " "))
	}
}

func awaitFlag(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 3, "await-flag CLUSTER NAME VALUE…")
	c := cluster(ts, args[0])
	await(ts, args[1]+" "+strings.Join(args[2:], " "), func() bool { return slices.Equal(c.Flags(args[1]), args[2:]) })
}
