package sandbox

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// command runs a remote command on a server.
func command(t *testing.T, addr, cmd string, args ...string) string {
	t.Helper()
	var resp idl.RemoteCommandResponse
	dial(t, addr).call(idl.RequestHeader{TimeoutMs: 4000}, idl.NameRemoteCommand, &idl.RemoteCommandRequest{Cmd: cmd, Arguments: args}, &resp)
	return resp.Output
}

// counters runs one of the perf-counters commands.
func counters(t *testing.T, addr, cmd string, args ...string) map[string]string {
	t.Helper()
	var out counterOutput
	text := command(t, addr, cmd, args...)
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Result != "OK" {
		t.Fatalf("%v: %s", err, text)
	}
	values := map[string]string{}
	for _, c := range out.Counters {
		values[c.Name] = c.Value.String()
	}
	return values
}

func TestPerfCounters(t *testing.T) {
	clock := NewManualClock(time.Unix(1_800_000_000, 0))
	c := start(t, Config{TimeFactor: 1, Clock: clock, Replicas: 1, Seed: 3})
	if _, err := c.CreateTable(TableSpec{Name: "demo", Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	healthy(t, c, "demo")
	tc := &tableClient{t: t, c: c, name: "demo", id: 1, count: 1, conns: map[string]*client{}}
	addr := c.ReplicaServers()[0]
	look := func(name string) string {
		t.Helper()
		return counters(t, addr, "perf-counters-by-substr", name)[name]
	}
	const puts, fails, keys = "replica*app.pegasus*put_qps@1.0", "replica*eon.replica_stub*recent.write.fail.count", "replica*app.pegasus*rdb.estimate_num_keys@1.0"
	if look(puts) != "0.0" || look(fails) != "0.0" || look(keys) != "1.0" {
		t.Errorf("at rest: puts %s, fails %s, keys %s", look(puts), look(fails), look(keys))
	}
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		tc.put("h", k, strings.Repeat("v", 1<<19), 0)
	}
	dial(t, addr).try(idl.RequestHeader{Gpid: idl.Gpid{AppID: 99}}, idl.NamePut, &idl.UpdateRequest{Key: key("h", "a")}, nil)
	if look(keys) != "6.0" || look("replica*app.pegasus*disk.storage.sst(MB)@1.0") != "2.0" {
		t.Errorf("%s keys in %s MiB", look(keys), look("replica*app.pegasus*disk.storage.sst(MB)@1.0"))
	}
	if look(puts) != "0.0" || look(fails) != "0.0" {
		t.Error("rates change before the next snapshot")
	}
	clock.Advance(10 * time.Second)
	for range 2 { // looking again changes nothing
		if look(puts) != "0.5" || look(fails) != "1.0" {
			t.Errorf("after 10 s: %s puts/s, %s fails", look(puts), look(fails))
		}
	}
	clock.Advance(10 * time.Second)
	if look(puts) != "0.0" || look(fails) != "0.0" {
		t.Errorf("10 s later: %s puts/s, %s fails", look(puts), look(fails))
	}
	stat := command(t, addr, "server-stat")
	if !strings.Contains(stat, "serving_replica_count=1,") {
		t.Error(stat)
	}
}

func TestPerfCounterFilters(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "demo", Partitions: 4})
	addr := c.ReplicaServers()[0]
	all := len(counters(t, addr, "perf-counters"))
	for _, x := range []struct {
		cmd  string
		args []string
		want int
	}{
		{"perf-counters-by-substr", nil, all},
		{"perf-counters-by-prefix", []string{"replica*app.pegasus*put_qps@"}, 4},
		{"perf-counters-by-prefix", []string{"app.pegasus"}, 0},
		{"perf-counters-by-postfix", []string{"_qps@1.0", "_qps@1.1"}, 24},
		{"perf-counters-by-postfix", []string{strings.Repeat("x", 1000)}, 0},
		{"perf-counters", []string{`replica\*app\.pegasus\*put_qps@.*`}, 4},
		{"perf-counters", []string{`put_qps`}, 0},
		{"perf-counters", []string{`.*\(get\|put\)_qps@1[.][0-1]`, `.*put_qps@1.0`}, 2},
		{"perf-counters", []string{`.*\(get_\)\{1\}qps@1.[^0-9]*0`}, 3},
		{"perf-counters", []string{`.*(Count)`}, 3},
	} {
		if got := counters(t, addr, x.cmd, x.args...); len(got) != x.want {
			t.Errorf("%s %q: %d counters, want %d: %v", x.cmd, x.args, len(got), x.want, got)
		}
	}
	if out := command(t, addr, "perf-counters", `\(`); !strings.HasPrefix(out, `{"result":"ERROR: invalid filter: \\(","timestamp":`) {
		t.Error(out)
	}
}

func TestBasicRegexp(t *testing.T) {
	for basic, want := range map[string]string{
		`a+b?c|d`: `a\+b\?c\|d`, `*a*`: `\*a*`, `\*`: `\*`, `\(a\)\{2\}`: `(a){2}`, `(a){2}`: `\(a\)\{2\}`,
		`[*]`: `[*]`, `[]a]x`: `[]a]x`, `[^]a]`: `[^]a]`, `[\]`: `[\\]`, `[`: `[`, `\`: `\`, `a\`: `a\`,
	} {
		if got := basicRegexp(basic); got != want {
			t.Errorf("%s becomes %s, want %s", basic, got, want)
		}
	}
}

func FuzzBasicRegexp(f *testing.F) {
	for _, s := range []string{`replica\*.*`, `[]`, `[^`, `\`, `\(`, `a\{1,2\}`} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, basic string) {
		_, _ = regexp.Compile(basicRegexp(basic)) // must not panic
	})
}
