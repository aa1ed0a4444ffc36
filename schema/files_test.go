package schema

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
)

// TestFileMethodsAreRead: every argument arrives where plan looks for it, and the defaults are filled in.
func TestFileMethodsAreRead(t *testing.T) {
	cfg := mustLoad(t, "testdata/ok/files.hcl", Vars{})
	hdfs := &Provider{Label: "hdfs", Name: "hdfs_zjy", Type: HDFSService, Args: "hdfs://nameservice1 /", Root: "/",
		NameNodes: []string{"10.4.0.1:8020", "nn2.example.org:8020"}, User: "pegasus"}
	local := &Provider{Label: "local_service", Name: "local_service", Type: LocalService, Args: "/mnt/pegasus/", Root: "/mnt/pegasus"}
	for name, want := range map[string]Method{
		"restore": &BackupRestoreMethod{
			BackupUse: BackupUse{Provider: hdfs, TargetProvider: hdfs, BackupPath: "migrations/orders", ColdBackupRoot: "east",
				AdoptMaxAge: 6 * time.Hour},
			SkipBadPartition: true, SourceWrites: SourceWritesFenced,
		},
		"load": &BackupBulkLoadMethod{
			BackupUse:   BackupUse{Provider: hdfs, TargetProvider: local},
			SplitUse:    SplitUse{Staging: "loads", Compression: CompressZSTD, FileSize: 128 << 20, Parallel: 3},
			DropExpired: true, SourceWrites: SourceWritesAccepted,
		},
		"dual": &DualWriteMethod{
			BackupUse: BackupUse{Provider: local, TargetProvider: local},
			SplitUse:  SplitUse{Staging: DefaultStaging, Compression: CompressLZ4, FileSize: DefaultFileSize},
		},
	} {
		if diff := cmp.Diff(want, cfg.Migration(name).Method, cmpopts.IgnoreTypes(hcl.Range{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	load := cfg.Migration("load")
	want := &BackupSource{Path: "migrations/east/1779430000000", Root: "migrations/east", ID: 1779430000000, AppID: 14, Table: "carts"}
	if diff := cmp.Diff(want, load.Source.Backup, cmpopts.IgnoreTypes(hcl.Range{})); diff != "" {
		t.Error(diff)
	}
	if load.Source.Cluster != nil || load.Source.Label() != "" || load.Target.Table != "carts" || len(load.Clusters()) != 1 {
		t.Errorf("a backup as source: %+v", load.Source)
	}
	if got := cfg.Migration("restore"); got.After.Source != AfterUnfence || !cmp.Equal(got.Approve, []string{GateBackup, GateUnfence}) {
		t.Errorf("restore: %q, %v", got.After.Source, got.Approve)
	}
	if got := cfg.Migration("dual"); got.After.Reserve != DefaultReserve || !cmp.Equal(got.Method.Gates(), []string{GateDualWrite, GateCutover}) {
		t.Errorf("dual: %s, %v", got.After.Reserve, got.Method.Gates())
	}
}

// TestRateWithoutEffectIsTold: servers do not limit what a local_service moves.
func TestRateWithoutEffectIsTold(t *testing.T) {
	src := `
cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
provider "store" {
  type = "TYPE"
  args = "ARGS"
}
migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
  }
  method "backup_restore" {
    provider = provider.store
  }
  limits {
    send_rate {
      start = "1MiB"
      step  = "1MiB"
      max   = "2MiB"
      every = "1s"
    }
  }
}`
	for _, tc := range []struct {
		kind, args string
		warned     bool
	}{{"local_service", "/mnt", true}, {"hdfs_service", "nn /", false}} {
		cfg, diags := loadText(strings.NewReplacer("TYPE", tc.kind, "ARGS", tc.args).Replace(src))
		if diags.HasErrors() {
			t.Fatal(render(cfg, diags))
		}
		if got := strings.Contains(render(cfg, diags), "send_rate has no effect"); got != tc.warned {
			t.Errorf("%s: warned is %t", tc.kind, got)
		}
	}
}

// TestSendRateWraps: servers take 4 GiB/s for nothing at all.
func TestSendRateWraps(t *testing.T) {
	src, err := os.ReadFile("testdata/ok/files.hcl")
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`(send_rate \{[^}]*max *= *)"[^"]*"`)
	for size, refused := range map[string]bool{"4095MiB": false, "4GiB": true, "5GiB": true} {
		cfg, diags := loadText(at.ReplaceAllString(string(src), `${1}"`+size+`"`))
		if got := strings.Contains(render(cfg, diags), "below 4GiB"); got != refused {
			t.Errorf("%s: refused is %t", size, got)
		}
	}
}

// TestFileFingerprints: what may change on the way does not change the identity.
func TestFileFingerprints(t *testing.T) {
	cfg := mustLoad(t, "testdata/ok/files.hcl", Vars{})
	m := cfg.Migration("restore")
	whole, identity := fingerprints(m)
	for name, tc := range map[string]struct {
		change       func(*Migration, *BackupRestoreMethod)
		sameIdentity bool
	}{
		"age": {func(_ *Migration, b *BackupRestoreMethod) { b.AdoptMaxAge = time.Hour }, true},
		"name node": {func(_ *Migration, b *BackupRestoreMethod) {
			b.Provider = with(b.Provider, func(p *Provider) { p.NameNodes = []string{"nn3:8020"} })
		}, true},
		"rate": {func(m *Migration, _ *BackupRestoreMethod) { m.Limits.SendRate = nil }, true},
		"store": {func(_ *Migration, b *BackupRestoreMethod) {
			b.Provider = with(b.Provider, func(p *Provider) { p.Root = "/x" })
		}, false},
		"path":   {func(_ *Migration, b *BackupRestoreMethod) { b.BackupPath = "" }, false},
		"skip":   {func(_ *Migration, b *BackupRestoreMethod) { b.SkipBadPartition = false }, false},
		"backup": {func(m *Migration, _ *BackupRestoreMethod) { m.Source.Backup = &BackupSource{Path: "a/1"} }, false},
	} {
		other := *m
		method := *m.Method.(*BackupRestoreMethod)
		other.Method = &method
		tc.change(&other, &method)
		w, i := fingerprints(&other)
		if w == whole || (i == identity) != tc.sameIdentity {
			t.Errorf("%s: whole same: %t, identity same: %t", name, w == whole, i == identity)
		}
	}
}

func with(p *Provider, change func(*Provider)) *Provider {
	out := *p
	change(&out)
	return &out
}
