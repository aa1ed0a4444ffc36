package examples

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/cli"
)

// TestDualWriteEnds: what examples/dual_write/README.md says becomes of the old table when it is declared.
func TestDualWriteEnds(t *testing.T) {
	for end, last := range map[string][]command{
		"keep_fenced": {{want: cli.ExitDone, args: []string{"apply", "-approve", "cutover"}}},
		"drop": {{want: cli.ExitGate, args: []string{"apply", "-approve", "cutover"}},
			{want: cli.ExitDone, args: []string{"complete", "-auto-approve"}}},
	} {
		t.Run(end, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			store := t.TempDir()
			east, west := start(t, "east", store), start(t, "west", store)
			fill(ctx, t, east, "orders")
			dir := t.TempDir()
			text, err := os.ReadFile(filepath.Join("dual_write", "migration.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			declared := strings.Replace(string(text), "  limits {", "  after {\n    source = \""+end+"\"\n  }\n\n  limits {", 1)
			if err := os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(declared), 0o600); err != nil {
				t.Fatal(err)
			}
			e := environment(east, west, lead(t, "orders", east), store)
			run := func(c command) {
				t.Helper()
				var out bytes.Buffer
				e.Stdout, e.Stderr = &out, &out
				stop := func() {}
				if c.writers {
					stop = writeBoth(ctx, t, "orders", east, west)
				}
				got := cli.Run(ctx, append(append([]string{"pegmigrate"}, c.args...), dir), e)
				stop()
				if got != c.want {
					t.Fatalf("%v: exit code %d, want %d\n%s", c.args, got, c.want, out.String())
				}
			}
			run(command{want: cli.ExitGate, args: []string{"apply", "-auto-approve"}})
			run(command{want: cli.ExitGate, args: []string{"apply", "-approve", "dual_write"}, writers: true})
			want := rows(t, east, "orders")
			for _, c := range last {
				run(c)
			}
			if diff := cmp.Diff(want, rows(t, west, "orders")); diff != "" {
				t.Errorf("the table differs (-east +west):\n%s", diff)
			}
			envs, err := east.TableEnvs("orders")
			if kept := err == nil; kept != (end == "keep_fenced") {
				t.Errorf("the old table is there: %t", kept)
			} else if kept && envs["replica.deny_client_request"] == "" {
				t.Error("the old table takes writes")
			}
		})
	}
}
