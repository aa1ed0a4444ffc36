package observe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/provider"
	"github.com/pegmigrate/pegmigrate/internal/sandbox"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// fileSide is a cluster with a block service and, unless count is 0, the table.
func fileSide(t *testing.T, version, name, root string, count int32) Side {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Config{Name: name, Version: version, TimeFactor: 300, Seed: 1,
		BlockServices: map[string]string{"shared": root}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if count > 0 {
		if _, err := s.CreateTable(sandbox.TableSpec{Name: "orders", Partitions: count}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := s.WaitHealthy(ctx, "orders"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := pegasus.Open(t.Context(), pegasus.Config{Name: name, MetaServers: s.MetaServers()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return Side{Cluster: c, Label: name, MetaServers: s.MetaServers(), Table: "orders"}
}

// declared is a migration by files between two sides.
func declared(root, name string) *schema.Migration {
	p := &schema.Provider{Label: name, Name: name, Type: schema.LocalService, Args: root, Root: root}
	return &schema.Migration{Name: "orders", Source: schema.Source{Table: "orders"}, Target: schema.Target{Table: "orders"},
		Method: &schema.BackupBulkLoadMethod{BackupUse: schema.BackupUse{Provider: p, BackupPath: "weekly"}, SplitUse: schema.SplitUse{Staging: "stage"}}}
}

func TestLookAtFiles(t *testing.T) {
	for _, version := range sandbox.Versions() {
		t.Run(version, func(t *testing.T) {
			root := t.TempDir()
			east, west := fileSide(t, version, "east", root, 4), fileSide(t, version, "west", root, 0)
			stores := provider.NewStores()
			t.Cleanup(stores.Close)
			now := time.Now()
			look := func(m *schema.Migration) *plan.FilesFacts {
				t.Helper()
				f, err := Look(t.Context(), east, west, WithFiles(m, stores, func() time.Time { return now }))
				if err != nil || f.Files == nil {
					t.Fatal(f.Files, err)
				}
				return f.Files
			}
			m := declared(root, "shared")
			f := look(m)
			metas := 0
			for _, s := range append(f.SourceServers, f.TargetServers...) {
				if s.Problem != "" || !s.ProvidersTold || s.Providers["shared"] != (plan.ProviderConfig{Type: "local_service", Args: root}) || !s.RootTold {
					t.Errorf("%+v", s)
				}
				if s.Meta {
					metas++
					if s.BackupDisabled == nil || *s.BackupDisabled {
						t.Errorf("%+v", s)
					}
				}
			}
			if metas == 0 || !strings.HasPrefix(f.Root, "weekly/") || !f.SourceProbe.Known || !f.TargetProbe.Known || f.Uploading != 0 ||
				!f.TargetStore.Writable || f.Store.Problem != "" || f.TargetStore.Problem != "" || f.Staged || len(f.Backups) != 0 || !f.Now.Equal(now) {
				t.Errorf("%+v", f)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
				t.Error("looking left something behind:", entries, err)
			}
			// A backup, and an unfinished one.
			c := east.Cluster.(*pegasus.Cluster)
			tables, err := c.ListTables(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			id, err := c.StartBackup(t.Context(), pegasus.BackupSpec{AppID: tables[len(tables)-1].ID, Provider: "shared", Path: "weekly"})
			if err != nil {
				t.Fatal(err)
			}
			if f := look(m); len(f.Running) != 1 || f.Running[0].ID != id || len(f.Backups) != 1 {
				t.Errorf("%+v", f)
			}
			deadline := time.Now().Add(20 * time.Second)
			for {
				if b, err := c.BackupStatus(t.Context(), tables[len(tables)-1].ID, id); err == nil && !b.Running() {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the backup does not end")
				}
				<-time.After(10 * time.Millisecond)
			}
			f = look(m)
			if b := f.Backups[0]; !b.Finished || b.ID != id || b.Partitions != 4 || b.Replicas != 3 || b.DataVersion != 1 || b.Taken.IsZero() || b.Bytes == 0 {
				t.Errorf("%+v", b)
			}
			// The same one, when all that remains is files.
			gone := declared(root, "shared")
			gone.Source.Backup = &schema.BackupSource{Root: f.Root, ID: id, Table: "orders", AppID: f.Backups[0].AppID}
			facts, err := Look(t.Context(), Side{Table: "orders"}, west, WithFiles(gone, stores, time.Now))
			if err != nil || facts.Files.Found == nil || !facts.Files.Found.Finished || facts.Files.Found.Bytes != f.Backups[0].Bytes || facts.SourceTable != nil {
				t.Errorf("%+v, %v", facts.Files, err)
			}
			// What is in the way.
			if err := os.MkdirAll(filepath.Join(root, "stage", "west", "orders", "0"), 0o700); err != nil {
				t.Fatal(err)
			}
			other := look(declared(root, "nobody"))
			if !other.Staged || other.StagedFor != 0 || other.SourceProbe.Known || !other.SourceProbe.Asked {
				t.Errorf("%+v", other)
			}
			if f := look(declared(filepath.Join(root, "none"), "shared")); f.Store.Problem == "" || f.TargetStore.Writable {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestBackupRootThatServersDisagreeAbout(t *testing.T) {
	n := fileNeeds{use: &schema.BackupUse{BackupPath: "p"}}
	told := func(root string) plan.FileServer { return plan.FileServer{RootTold: true, ColdBackupRoot: root} }
	for want, servers := range map[string][]plan.FileServer{
		"p/east": {told("east"), told("east"), {Problem: "silent"}, {Meta: true, RootTold: true, ColdBackupRoot: "meta"}},
		"":       {told("east"), told("west")},
	} {
		if got := backupRoot(n, servers); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	if got := backupRoot(fileNeeds{use: &schema.BackupUse{ColdBackupRoot: "said"}}, nil); got != "said" {
		t.Errorf("%q", got)
	}
}

func TestMethodsWithoutFiles(t *testing.T) {
	if _, ok := needs(&schema.Migration{Method: &schema.CopyMethod{}}); ok {
		t.Error("copy has no files")
	}
	if problemOf(errors.New("x")) != "x" {
		t.Error("a problem is told by its text")
	}
}
