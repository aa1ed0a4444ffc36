package sandboxtest

import (
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// faultCommands are the verbs that disturb clusters.
//
//	fault CLUSTER KIND [rpc=RPC] [share=S] [times=N] [delay=D] [every=D] [server=N] [remote=NAME] [rows=N] [bytes=N] [counter=NAME] [value=N] [table=T] [partition=N] [code=C] [after] [metas]
//	fault CLUSTER clear     ends all of them that last, and starts dead servers
//	fault CLUSTER clear N   ends the Nth that was injected there since the script began
func faultCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){"fault": fault}
}

func fault(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "fault CLUSTER KIND [KEY=VALUE…]")
	c := cluster(ts, args[0])
	if args[1] == "clear" {
		id := 0
		if len(args) > 2 {
			id = number(ts, args[2])
		}
		ts.Check(c.Clear(id))
		return
	}
	f := sandbox.Fault{Kind: sandbox.FaultKind(args[1])}
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		setFault(ts, &f, key, value)
	}
	_, err := c.Inject(f)
	ts.Check(err)
}

func decimal(ts *testscript.TestScript, value string) float64 {
	v, err := strconv.ParseFloat(value, 64)
	ts.Check(err)
	return v
}

func setFault(ts *testscript.TestScript, f *sandbox.Fault, key, value string) {
	duration := func() time.Duration {
		d, err := time.ParseDuration(value)
		ts.Check(err)
		return d
	}
	switch key {
	case "rpc":
		f.RPC = value
	case "share":
		f.Share = decimal(ts, value)
	case "times":
		f.Times = number(ts, value)
	case "delay":
		f.Delay = duration()
	case "every":
		f.Every = duration()
	case "server":
		f.Server = new(number(ts, value))
	case "partition":
		f.Partition = new(number(ts, value))
	case "rows":
		f.Rows = decimal(ts, value)
	case "bytes":
		f.Bytes = decimal(ts, value)
	case "counter":
		f.Counter = value
	case "value":
		f.Value = decimal(ts, value)
	case "remote":
		f.Remote = value
	case "table":
		f.Table = value
	case "code":
		f.Code = idl.ErrorCode(value)
	case "after":
		f.After = true
	case "metas":
		f.Metas = true
	default:
		ts.Fatalf("fault has no %q", key)
	}
}
