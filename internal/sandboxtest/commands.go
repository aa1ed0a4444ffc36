package sandboxtest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
)

// Commands are the verbs of scripts.
//
//	table CLUSTER/TABLE PARTITIONS[xREPLICAS] [KEY=VALUE…]    create a table, wait until it is healthy, set envs
//	load CLUSTER/TABLE ROWS                        fill it: 1 to 7 sort keys per hash key, a third with expiry, some binary keys
//	put CLUSTER/TABLE HASH SORT VALUE [SECONDS]    one row, expiring in SECONDS
//	misplace CLUSTER/TABLE PARTITION HASH SORT     one row in a partition that its hash does not select
//	drop CLUSTER/TABLE
//	same-rows CLUSTER/TABLE CLUSTER/TABLE          rows, values and expiry are equal
//	row-count CLUSTER/TABLE N
//	has-env CLUSTER/TABLE KEY [VALUE]              the env has the value; without VALUE: it is absent
//	set-env CLUSTER/TABLE KEY=VALUE…
//	writable CLUSTER/TABLE                         no partition denies writes
//	wait-rows CLUSTER/TABLE N                      wait until the table is there and has that many rows
//	exits CODE COMMAND [ARGS…]                     runs it and expects that exit code
//	kill-node CLUSTER REPLICA | restart-node CLUSTER REPLICA | lose-leader CLUSTER
//
// Those about ZooKeeper and MetaProxy are listed at routeCommands, those about applications at
// trafficCommands.
func Commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	all := tableCommands()
	maps.Copy(all, routeCommands())
	maps.Copy(all, trafficCommands())
	maps.Copy(all, faultCommands())
	maps.Copy(all, awaitCommands())
	maps.Copy(all, loadCommands())
	maps.Copy(all, rowCommands())
	maps.Copy(all, metricCommands())
	maps.Copy(all, flagCommands())
	return all
}

func tableCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"table":        createTable,
		"load":         load,
		"put":          put,
		"misplace":     misplace,
		"drop":         drop,
		"same-rows":    sameRows,
		"row-count":    rowCount,
		"has-env":      hasEnv,
		"set-env":      setEnv,
		"writable":     writable,
		"wait-rows":    waitRows,
		"exits":        exits,
		"kill-node":    kill,
		"restart-node": restart,
		"lose-leader":  loseLeader,
	}
}

func need(ts *testscript.TestScript, args []string, low int, usage string) {
	if len(args) < low {
		ts.Fatalf("usage: %s", usage)
	}
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func createTable(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "table CLUSTER/TABLE PARTITIONS [KEY=VALUE…]")
	c, name := split(ts, args[0])
	partitions, replicas, declared := strings.Cut(args[1], "x")
	spec := sandbox.TableSpec{Name: name, Partitions: int32(number(ts, partitions))}
	if declared {
		spec.Replicas = int32(number(ts, replicas))
	}
	_, err := c.CreateTable(spec)
	ts.Check(err)
	ts.Check(c.WaitHealthy(ts.Value(clustersKey{}).(*clusters).ctx, name))
	setPairs(ts, c, name, args[2:])
}

func setEnv(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "set-env CLUSTER/TABLE KEY=VALUE…")
	c, name := split(ts, args[0])
	setPairs(ts, c, name, args[1:])
}

func setPairs(ts *testscript.TestScript, c *sandbox.Cluster, name string, pairs []string) {
	if len(pairs) == 0 {
		return
	}
	envs := map[string]string{}
	for _, pair := range pairs {
		k, v, _ := strings.Cut(pair, "=")
		envs[k] = v
	}
	ts.Check(c.SetEnvs(name, envs))
	c.SyncEnvs()
}

func load(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "load CLUSTER/TABLE ROWS")
	c, name := split(ts, args[0])
	ts.Check(c.Load(name, Rows(number(ts, args[1]), Later())))
}

// Later is an expiry that no test lives to see.
func Later() uint32 { return pegkey.ExpireTs(time.Now().Add(72 * time.Hour)) }

// Rows makes n rows: 1 to 7 sort keys per hash key, every third row with an expiry from later on,
// some keys binary, some empty hash or sort keys, some empty values.
func Rows(n int, later uint32) iter.Seq[sandbox.Row] {
	return func(yield func(sandbox.Row) bool) {
		for i := 0; i < n; {
			hash := fmt.Appendf(nil, "user%06d", i)
			switch i % 11 {
			case 3:
				hash = []byte{0xff, 0x00, byte(i), byte(i >> 8), byte(i >> 16)}
			case 5:
				hash = nil
			}
			for j := range 1 + i%7 {
				if i == n {
					return
				}
				sort := fmt.Appendf(nil, "sort%03d.%d", j, i)
				if j == 0 && hash != nil {
					sort = nil
				}
				r := sandbox.Row{Key: pegkey.Encode(nil, hash, sort), Value: fmt.Appendf(nil, "value-%d", i)}
				if i%3 == 0 {
					r.Expire = later + uint32(i)
				}
				if i%13 == 0 {
					r.Value = nil
				}
				if !yield(r) {
					return
				}
				i++
			}
		}
	}
}

func put(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "put CLUSTER/TABLE HASH SORT VALUE [SECONDS]")
	c, name := split(ts, args[0])
	r := sandbox.Row{Key: pegkey.Encode(nil, []byte(args[1]), []byte(args[2])), Value: []byte(args[3])}
	if len(args) > 4 {
		r.Expire = pegkey.ExpireTs(time.Now().Add(time.Duration(number(ts, args[4])) * time.Second))
	}
	ts.Check(c.Load(name, slices.Values([]sandbox.Row{r})))
}

func misplace(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 4, "misplace CLUSTER/TABLE PARTITION HASH SORT")
	c, name := split(ts, args[0])
	ts.Check(c.PutAt(name, sandbox.Row{Partition: int32(number(ts, args[1])),
		Key: pegkey.Encode(nil, []byte(args[2]), []byte(args[3])), Value: []byte("lost")}))
}

func drop(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "drop CLUSTER/TABLE")
	c, name := split(ts, args[0])
	ts.Check(c.DropTable(name))
}

func sameRows(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "same-rows CLUSTER/TABLE CLUSTER/TABLE")
	left, right := dump(ts, args[0]), dump(ts, args[1])
	var diff []string
	for k, v := range left {
		if right[k] != v {
			diff = append(diff, fmt.Sprintf("%s: %s has %q, %s has %q", hex.EncodeToString([]byte(k)), args[0], v, args[1], right[k]))
		}
	}
	for k, v := range right {
		if _, ok := left[k]; !ok {
			diff = append(diff, fmt.Sprintf("%s: only %s has it, %q", hex.EncodeToString([]byte(k)), args[1], v))
		}
	}
	slices.Sort(diff)
	switch {
	case neg && len(diff) == 0:
		ts.Fatalf("%s and %s hold the same %d rows", args[0], args[1], len(left))
	case !neg && len(diff) > 0:
		ts.Fatalf("%d rows differ, first ones:\n%s", len(diff), strings.Join(diff[:min(5, len(diff))], "\n"))
	}
	ts.Logf("%d rows on %s, %d on %s, %d differ", len(left), args[0], len(right), args[1], len(diff))
}

// dump gives a table as key to "expiry value".
func dump(ts *testscript.TestScript, ref string) map[string]string {
	c, name := split(ts, ref)
	out := map[string]string{}
	ts.Check(c.Dump(name, func(r sandbox.Row) error {
		out[string(r.Key)] = fmt.Sprintf("%d %s", r.Expire, r.Value)
		return nil
	}))
	return out
}

func rowCount(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "row-count CLUSTER/TABLE N")
	c, name := split(ts, args[0])
	n, err := c.Count(name)
	ts.Check(err)
	if n != number(ts, args[1]) {
		ts.Fatalf("%s has %d rows, want %s", args[0], n, args[1])
	}
}

// waitLimit bounds waiting verbs.
const waitLimit = time.Minute

func waitRows(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "wait-rows CLUSTER/TABLE N")
	c, name := split(ts, args[0])
	want := number(ts, args[1])
	limit := time.After(waitLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if n, err := c.Count(name); err == nil && n >= want {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			ts.Fatalf("%s did not get %d rows within %v", args[0], want, waitLimit)
		}
	}
}

func hasEnv(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 2, "has-env CLUSTER/TABLE KEY [VALUE]")
	c, name := split(ts, args[0])
	envs, err := c.TableEnvs(name)
	ts.Check(err)
	got, ok := envs[args[1]]
	want, text := len(args) > 2, ""
	if want {
		text = args[2]
	}
	if (ok == want && got == text) == neg {
		ts.Fatalf("%s of %s is %q (present: %t), want %q (present: %t)", args[1], args[0], got, ok, text, want)
	}
}

func writable(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, args, 1, "writable CLUSTER/TABLE")
	c, name := split(ts, args[0])
	envs, err := c.TableEnvs(name)
	ts.Check(err)
	if denied := envs["replica.deny_client_request"] != ""; denied != neg {
		ts.Fatalf("%s: replica.deny_client_request is %q", args[0], envs["replica.deny_client_request"])
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "exits CODE COMMAND [ARGS…]")
	want, code := number(ts, args[0]), 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func kill(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "kill-node CLUSTER REPLICA")
	ts.Check(cluster(ts, args[0]).KillReplica(number(ts, args[1])))
}

func restart(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 2, "restart-node CLUSTER REPLICA")
	ts.Check(cluster(ts, args[0]).RestartReplica(number(ts, args[1])))
}

func loseLeader(ts *testscript.TestScript, _ bool, args []string) {
	need(ts, args, 1, "lose-leader CLUSTER")
	cluster(ts, args[0]).LoseMetaLeader()
}
