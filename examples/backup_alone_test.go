package examples

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/cli"
)

// backupAlone declares a source of which a backup is all that remains, as examples/backup_restore/README.md shows it.
const backupAlone = `
cluster "west" {
  meta_servers = %s
}
provider "backups" {
  type = "local_service"
  args = "%s"
}
migration "%s" {
  source {
    backup {
      path   = "%s"
      app_id = 1
      table  = "orders"
    }
  }
  target {
    cluster = cluster.west
    table   = "%s"
    %s
  }
  method "%s" {
    provider = provider.backups
  }
}
`

// TestBackupAlone: one backup whose cluster is gone is restored, and loaded into another partition count.
func TestBackupAlone(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	store := t.TempDir()
	east, west := start(t, "east", store), start(t, "west", store)
	fill(ctx, t, east, "orders")
	want := rows(t, east, "orders")
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("backup_restore")); err != nil {
		t.Fatal(err)
	}
	e := environment(east, west, lead(t, "orders", east), store)
	run := func(dir string, want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		e.Stdout, e.Stderr = &out, &out
		if got := cli.Run(ctx, append(append([]string{"pegmigrate"}, args...), dir), e); got != want {
			t.Fatalf("%v: exit code %d, want %d\n%s", args, got, want, out.String())
		}
		return out.String()
	}
	run(dir, cli.ExitGate, "apply", "-auto-approve")
	run(dir, cli.ExitDone, "apply", "-approve", "backup")
	made, err := filepath.Glob(filepath.Join(store, "east", "*", "orders_1"))
	if err != nil || len(made) != 1 {
		t.Fatalf("backups %v, %v", made, err)
	}
	path, err := filepath.Rel(store, filepath.Dir(made[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := east.DropTable("orders"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, method, counts string }{
		{"restored", "backup_restore", ""},
		{"loaded", "backup_bulk_load", "partition_count = 4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			text := fmt.Sprintf(backupAlone, list(west.MetaServers()), store, tc.name, path, tc.name, tc.counts, tc.method)
			if err := os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			run(dir, cli.ExitDone, "validate")
			run(dir, cli.ExitDone, "plan")
			run(dir, cli.ExitDone, "apply", "-auto-approve")
			run(dir, cli.ExitDone, "status")
			run(dir, cli.ExitDone, "doctor")
			if diff := cmp.Diff(want, rows(t, west, tc.name)); diff != "" {
				t.Errorf("the table differs (-backup +west):\n%s", diff)
			}
		})
	}
}
