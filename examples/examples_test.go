package examples

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/cli"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/internal/sandboxtest"
	"github.com/pegmigrate/pegmigrate/schema"
)

// examples lists every folder beside this file, with what a reader is told to type there and the
// exit codes that the example's README.md promises.
func examples() map[string]example {
	return map[string]example{
		"copy": {moves: true, commands: []command{
			{want: cli.ExitDone, args: []string{"validate"}},
			{want: cli.ExitDone, args: []string{"plan"}},
			{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}},
			{want: cli.ExitDone, args: []string{"apply", "-approve", "copy"}},
			{want: cli.ExitDone, args: []string{"verify"}},
			{want: cli.ExitDone, args: []string{"status"}},
		}},
		"copy, catch_up": {moves: true, vars: []string{"source_writes=catch_up"}, commands: []command{
			{want: cli.ExitDone, args: []string{"validate"}},
			{want: cli.ExitDone, args: []string{"plan"}},
			{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}},
			{want: cli.ExitGate, args: []string{"apply", "-approve", "copy"}},
			{want: cli.ExitDone, args: []string{"apply", "-approve", "fence"}},
			{want: cli.ExitDone, args: []string{"verify"}},
			{want: cli.ExitDone, args: []string{"status"}},
		}},
		"duplication": {moves: true, leads: true, commands: []command{
			{want: cli.ExitDone, args: []string{"validate"}},
			{want: cli.ExitDone, args: []string{"plan"}},
			{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}},
			{want: cli.ExitGate, args: []string{"apply", "-approve", "clients"}},
			{want: cli.ExitDone, args: []string{"apply", "-approve", "cutover"}},
			{want: cli.ExitDone, args: []string{"status"}},
			{want: cli.ExitDone, args: []string{"report"}},
		}},
		"backup_restore":   {moves: true, commands: throughFiles()},
		"backup_bulk_load": {moves: true, commands: throughFiles()},
		"dual_write": {moves: true, commands: []command{
			{want: cli.ExitDone, args: []string{"validate"}},
			{want: cli.ExitDone, args: []string{"plan"}},
			{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}},
			{want: cli.ExitGate, args: []string{"apply", "-approve", "dual_write"}, writers: true},
			{want: cli.ExitDone, args: []string{"apply", "-approve", "cutover"}},
			{want: cli.ExitDone, args: []string{"status"}},
		}},
	}
}

// throughFiles is what the README.md of both methods that begin with a fenced source says.
func throughFiles() []command {
	return []command{
		{want: cli.ExitDone, args: []string{"validate"}},
		{want: cli.ExitDone, args: []string{"plan"}},
		{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}},
		{want: cli.ExitDone, args: []string{"apply", "-approve", "backup"}},
		{want: cli.ExitDone, args: []string{"verify"}},
		{want: cli.ExitDone, args: []string{"status"}},
	}
}

// TestReturnTicketOfExample: the variant that the example's README.md describes is one.
func TestReturnTicketOfExample(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "24h": 24 * time.Hour} {
		vars := schema.Vars{}
		if value != "" {
			vars.Flags = map[string]string{"return_ticket": value}
		}
		config, diags := schema.Load("duplication", vars)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		if got := config.Migrations[0].Method.(*schema.DuplicationMethod).ReturnTicket; got != want {
			t.Errorf("%q gives %s", value, got)
		}
	}
}

// example is what is typed in one folder.
type example struct {
	commands []command
	vars     []string // NAME=VALUE, for variants of an example: "FOLDER, VARIANT"
	moves    bool     // afterwards the table is on west with the same rows
	leads    bool     // and clients are led there
}

// TestMain lets this binary be the children that the program starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "canary" || os.Args[1] == "watchdog") {
		os.Exit(cli.Run(context.Background(), os.Args, cli.OS("test")))
	}
	os.Exit(m.Run())
}

type command struct {
	want int
	args []string
	// writers says that clients write both tables while the command runs.
	writers bool
}

func TestExamplesAreCleanAndFormatted(t *testing.T) {
	for name, ex := range examples() {
		name, _, _ = strings.Cut(name, ",")
		vars := schema.Vars{Flags: map[string]string{}}
		for _, v := range ex.vars {
			key, value, _ := strings.Cut(v, "=")
			vars.Flags[key] = value
		}
		config, diags := schema.Load(name, vars)
		for _, d := range diags {
			t.Errorf("%s: %v", name, d)
		}
		if len(config.Migrations) == 0 {
			t.Errorf("%s declares no migration", name)
		}
		text, err := os.ReadFile(filepath.Join(name, "migration.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(schema.Format(text), text) {
			t.Errorf("%s/migration.hcl is not as `pegmigrate fmt` writes it", name)
		}
	}
}

// TestExamplesRun types what the example's README.md says, on embedded clusters that stand in for
// the ones that the example names.
func TestExamplesRun(t *testing.T) {
	for name, ex := range examples() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			store := t.TempDir()
			east, west := start(t, "east", store), start(t, "west", store)
			if err := sandbox.Link(east, west); err != nil {
				t.Fatal(err)
			}
			fill(ctx, t, east, "orders")
			routing := lead(t, "orders", east)
			dir := t.TempDir()
			folder, _, _ := strings.Cut(name, ",")
			if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			e := environment(east, west, routing, store)
			for _, c := range ex.commands {
				var out bytes.Buffer
				e.Stdout, e.Stderr = &out, &out
				args := append([]string{"pegmigrate"}, c.args...)
				for _, v := range ex.vars {
					args = append(args, "-var", v)
				}
				args = append(args, dir)
				stop := func() {}
				if c.writers {
					stop = writeBoth(ctx, t, "orders", east, west)
				}
				got := cli.Run(ctx, args, e)
				stop()
				if got != c.want {
					t.Fatalf("%v: exit code %d, want %d\n%s", c.args, got, c.want, out.String())
				}
			}
			if !ex.moves {
				return
			}
			if got := routing.LeadsTo("orders"); ex.leads && got != west.Name() {
				t.Errorf("clients are led to %q", got)
			}
			if diff := cmp.Diff(rows(t, east, "orders"), rows(t, west, "orders")); diff != "" {
				t.Errorf("the tables differ (-east +west):\n%s", diff)
			}
		})
	}
}

// writeBoth lets clients write both tables until stop is called, each row again until both have it.
func writeBoth(ctx context.Context, t *testing.T, table string, clusters ...*sandbox.Cluster) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		every := time.NewTicker(5 * time.Millisecond)
		defer every.Stop()
		for i := 0; ; i++ {
			row := slices.Values([]sandbox.Row{{Key: pegkey.Encode(nil, fmt.Appendf(nil, "written-%d", i%500), []byte("s")), Value: fmt.Appendf(nil, "value %d", i)}})
			for _, c := range clusters {
				for c.Load(table, row) != nil && ctx.Err() == nil {
					<-every.C
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-every.C:
			}
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

func start(t *testing.T, name, store string) *sandbox.Cluster {
	t.Helper()
	c, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Name: name, Metas: 2, TimeFactor: 200,
		BlockServices: map[string]string{"backups": store}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// lead starts ZooKeeper and proxies, which lead the clients of a table to a cluster.
func lead(t *testing.T, table string, c *sandbox.Cluster) *sandbox.Routing {
	t.Helper()
	r, err := sandbox.StartRouting(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	c.SetZooKeeper(r.ZooKeeper().Addr())
	if err := r.Lead(table, c); err != nil {
		t.Fatal(err)
	}
	return r
}

func fill(ctx context.Context, t *testing.T, c *sandbox.Cluster, table string) {
	t.Helper()
	if _, err := c.CreateTable(sandbox.TableSpec{Name: table, Partitions: 8}); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitHealthy(ctx, table); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(table, sandboxtest.Rows(2000, sandboxtest.Later())); err != nil {
		t.Fatal(err)
	}
}

// environment is a real process's, but for the addresses of the clusters, fewer partitions than the
// example asks for, and waits that suit a sandbox.
func environment(east, west *sandbox.Cluster, routing *sandbox.Routing, store string) cli.Env {
	e := cli.OS("test")
	e.Environ = append(os.Environ(), "NO_COLOR=1", "PEGMIGRATE_VAR_partitions=16",
		fmt.Sprintf("PEGMIGRATE_VAR_east_meta_servers=%s", list(east.MetaServers())),
		fmt.Sprintf("PEGMIGRATE_VAR_west_meta_servers=%s", list(west.MetaServers())),
		"PEGMIGRATE_VAR_store_name=backups", "PEGMIGRATE_VAR_store_type=local_service", "PEGMIGRATE_VAR_store_args="+store,
		"PEGMIGRATE_VAR_traffic_proof=1s", "PEGMIGRATE_VAR_root="+sandbox.RouteRoot,
		fmt.Sprintf("PEGMIGRATE_VAR_proxies=%s", list(routing.ProxyAddrs())))
	e.Stdin = new(bytes.Buffer)
	e.Waits = apply.Waits{
		Poll: 5 * time.Millisecond, Call: 10 * time.Second, Healthy: time.Minute,
		FenceMargin: 20 * time.Second, Watch: 50 * time.Millisecond, Undo: time.Minute,
		Transient: 20 * time.Second, Sample: 20 * time.Millisecond, DuplicationSync: 100 * time.Millisecond,
	}
	return e
}

// list writes an HCL list of texts.
func list(items []string) string {
	out := "["
	for i, item := range items {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%q", item)
	}
	return out + "]"
}

// rows gives a table as raw key to "expiry value".
func rows(t *testing.T, c *sandbox.Cluster, table string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := c.Dump(table, func(r sandbox.Row) error {
		out[string(r.Key)] = fmt.Sprintf("%d %s", r.Expire, r.Value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
