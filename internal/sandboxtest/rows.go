package sandboxtest

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// rowCommands look at single rows.
func rowCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"has-row": hasRow, "has-entry": hasEntry}
}

// hasEntry finds the row of a geo index that stands for a row: its hash key is CELL, and its sort key TAIL, a
// colon, and the raw key of the row. A TAIL of one character is that character 18 times.
func hasEntry(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 5, "has-entry CLUSTER/TABLE CELL TAIL HASH SORT [VALUE [expires|stays]]")
	tail := args[2]
	if len(tail) == 1 {
		tail = strings.Repeat(tail, 18)
	}
	sort := tail + ":" + string(pegkey.Encode(nil, []byte(args[3]), []byte(args[4])))
	hasRow(ts, neg, append([]string{args[0], args[1], sort}, args[5:]...))
}

// hasRow finds a row, with a given value, and with or without an expiry.
func hasRow(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 3, "has-row CLUSTER/TABLE HASH SORT [VALUE [expires|stays]]")
	c, name := split(ts, args[0])
	key := string(pegkey.Encode(nil, []byte(args[1]), []byte(args[2])))
	var found *sandbox.Row
	ts.Check(c.Dump(name, func(r sandbox.Row) error {
		if string(r.Key) == key {
			found = &sandbox.Row{Value: append([]byte(nil), r.Value...), Expire: r.Expire}
		}
		return nil
	}))
	ok := found != nil && (len(args) < 4 || string(found.Value) == args[3])
	if ok && len(args) > 4 {
		ok = (args[4] == "expires") == (found.Expire != 0)
	}
	switch {
	case neg && ok:
		ts.Fatalf("%s has %q : %q = %q", args[0], args[1], args[2], found.Value)
	case !neg && found == nil:
		ts.Fatalf("%s has no %q : %q", args[0], args[1], args[2])
	case !neg && !ok:
		ts.Fatalf("%s has %q : %q = %q, expiry %d", args[0], args[1], args[2], found.Value, found.Expire)
	}
}
