package sandboxtest

import (
	"github.com/rogpeppe/go-internal/testscript"
)

// loadCommands are the verbs about bulk loads.
//
//	await-load CLUSTER/TABLE STATUS    the table's bulk load gets to the status, BLS_DOWNLOADING…
//	no-load CLUSTER/TABLE              the meta server remembers no bulk load of the table
//	meta-level CLUSTER LEVEL           the meta function level, lively, steady…
//	has-table CLUSTER/TABLE
//	duplicate CLUSTER/TABLE CLUSTER    somebody else's duplication, which has begun
func loadCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"await-load": awaitLoad, "no-load": noLoad, "meta-level": metaLevel, "has-table": hasTable, "duplicate": duplicate,
	}
}

func awaitLoad(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "await-load CLUSTER/TABLE STATUS")
	c, name := split(ts, args[0])
	await(ts, args[1], func() bool {
		status, _, err := c.BulkLoadStatus(name)
		return err == nil && status == args[1]
	})
}

func noLoad(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "no-load CLUSTER/TABLE")
	c, name := split(ts, args[0])
	status, running, err := c.BulkLoadStatus(name)
	ts.Check(err)
	if running || status != "BLS_INVALID" {
		ts.Fatalf("the load of %s is %s, under way: %t", args[0], status, running)
	}
}

func metaLevel(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "meta-level CLUSTER LEVEL")
	if level := cluster(ts, args[0]).Level(); level != args[1] {
		ts.Fatalf("the meta function level of %s is %s, want %s", args[0], level, args[1])
	}
}

func hasTable(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "has-table CLUSTER/TABLE")
	c, name := split(ts, args[0])
	if there := c.HasTable(name); there == neg {
		ts.Fatalf("%s is there: %t", args[0], there)
	}
}

func duplicate(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "duplicate CLUSTER/TABLE CLUSTER")
	c, name := split(ts, args[0])
	_, err := c.AddDuplication(name, args[1], true)
	ts.Check(err)
}
