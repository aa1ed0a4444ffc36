package schema

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
)

// mustLoad loads a configuration that must be good.
func mustLoad(t *testing.T, path string, vars Vars) *Config {
	t.Helper()
	cfg, diags := Load(path, vars)
	if len(diags) > 0 {
		t.Fatalf("unexpected:\n%s", render(cfg, diags))
	}
	return cfg
}

// write makes files in a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadFull(t *testing.T) {
	cfg := mustLoad(t, "testdata/ok/full.hcl", Vars{})
	east, west := cfg.Clusters["east"], cfg.Clusters["west"]
	ignoreRanges := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().String() == "hcl.Range" }, cmp.Ignore())
	want := []*Migration{
		{
			Name:   "orders",
			Source: Source{Cluster: east, Table: "orders"},
			Target: Target{Cluster: west, Table: "orders.v2", PartitionCount: new(int32(64)), ReplicaCount: new(int32(3)),
				Envs:     map[string]string{"default_ttl": "86400", "manual_compact.disabled": "true", "replica.slow_query_threshold": "100", "rocksdb.usage_scenario": ""},
				IfExists: IfExistsResumeEmpty},
			Method:  &CopyMethod{SourceWrites: SourceWritesFenced, CopyOptions: plain()},
			Limits:  Limits{WriteReject: 90 * time.Minute, RowsPerSecond: 100000, BytesPerSecond: 64 << 20, InFlight: 512},
			Verify:  Verify{Mode: VerifyFull},
			After:   After{Source: AfterKeepFenced},
			Approve: []string{"copy", "unfence"},
		},
		{
			Name:   "users",
			Source: Source{Cluster: east, Table: "users"},
			Target: Target{Cluster: west, Table: "users", IfExists: IfExistsFail},
			Method: &CopyMethod{SourceWrites: SourceWritesStopped, CopyOptions: plain()},
			Verify: Verify{Mode: VerifyFull},
		},
	}
	if diff := cmp.Diff(want, cfg.Migrations, ignoreRanges, cmpopts.IgnoreFields(Migration{}, "Fingerprint", "IdentityFingerprint")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := east.MetaServers; !slices.Equal(got, []string{"10.0.0.1:34601", "meta2.example.org:34601"}) {
		t.Errorf("east: %q", got)
	}
	if got := west.MetaServers; !slices.Equal(got, []string{"10.1.0.1:34601", "10.1.0.2:34601"}) {
		t.Errorf("west: %q", got)
	}
	if cfg.Migration("users") != cfg.Migrations[1] || cfg.Migration("nobody") != nil {
		t.Error("lookup by name")
	}
	if cfg.Migrations[0].Range.Start.Line != 26 {
		t.Errorf("range: %v", cfg.Migrations[0].Range)
	}
}

func TestDefaultEndOfFence(t *testing.T) {
	cfg := mustLoad(t, write(t, map[string]string{"m.hcl": small("", `source_writes = "fenced"`)}), Vars{})
	if got := cfg.Migrations[0].After.Source; got != AfterUnfence {
		t.Errorf("after: %q", got)
	}
}

// small is a configuration of one migration with more lines for the top and the method.
func small(top, method string) string {
	return top + `
cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
  }
  method "copy" {
    ` + method + `
  }
}
`
}

func TestFolderIsOneConfiguration(t *testing.T) {
	dir := write(t, map[string]string{
		"b.hcl":          strings.Replace(small("", ""), `"10.0.0.1:34601"`, "var.meta", 1),
		"a.hcl":          "variable \"meta\" {\n  default = \"10.0.0.9:1\"\n}\n",
		"x.pegvars.hcl":  "meta = \"10.0.0.7:1\"\n",
		".hidden.hcl":    "broken {",
		"notes.txt":      "broken {",
		"plan.json":      "{",
		"migration.hcl~": "broken {",
	})
	if err := os.Mkdir(filepath.Join(dir, "folder.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := mustLoad(t, dir, Vars{})
	if got := cfg.Clusters["east"].MetaServers[0]; got != "10.0.0.9:1" {
		t.Errorf("variable files must not be read by themselves: %s", got)
	}
	cfg = mustLoad(t, dir, Vars{Files: []string{filepath.Join(dir, "x.pegvars.hcl")}})
	if got := cfg.Clusters["east"].MetaServers[0]; got != "10.0.0.7:1" {
		t.Errorf("got %s", got)
	}
	if len(cfg.Files) != 3 {
		t.Errorf("%d files", len(cfg.Files))
	}
}

func TestLoadPaths(t *testing.T) {
	unreadable := write(t, map[string]string{"a.hcl": ""})
	if err := os.Remove(filepath.Join(unreadable, "a.hcl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(unreadable, "a.hcl")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		path string
		code Code
	}{
		"absent":     {filepath.Join(t.TempDir(), "nothing"), CodeUnreadable},
		"empty":      {t.TempDir(), CodeNoFiles},
		"dangling":   {unreadable, CodeUnreadable},
		"large file": {write(t, map[string]string{"a.hcl": strings.Repeat("#\n", 1<<20)}), CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, diags := Load(tc.path, Vars{})
			wantCodes(t, cfg, diags, tc.code)
		})
	}
}

// wantCodes compares the codes of the diagnostics, in order.
func wantCodes(t *testing.T, cfg *Config, diags hcl.Diagnostics, want ...Code) {
	t.Helper()
	var got []Code
	for _, d := range diags {
		x, _ := ExtraOf(d)
		got = append(got, x.Code)
	}
	checkExtras(t, diags)
	if !slices.Equal(got, want) {
		t.Errorf("want %v, got %v:\n%s", want, got, render(cfg, diags))
	}
}

func TestEmptyConfigurationIsGood(t *testing.T) {
	cfg := mustLoad(t, write(t, map[string]string{"a.hcl": ""}), Vars{})
	if len(cfg.Migrations) != 0 || len(cfg.Clusters) != 0 {
		t.Error("something out of nothing")
	}
}

func TestFileFunctionReadsBesideTheConfiguration(t *testing.T) {
	dir := write(t, map[string]string{
		"m.hcl":    strings.Replace(small("", ""), `["10.0.0.1:34601"]`, `jsondecode(file("m.json"))`, 1),
		"m.json":   `["10.0.0.5:1"]`,
		"bin.hcl~": "\xff",
	})
	cfg := mustLoad(t, dir, Vars{})
	if got := cfg.Clusters["east"].MetaServers[0]; got != "10.0.0.5:1" {
		t.Errorf("got %s", got)
	}
	bad, diags := Load(write(t, map[string]string{"a.hcl": "locals {\n a = file(\"a.bin\")\n}\n", "a.bin": "\xff"}), Vars{})
	wantCodes(t, bad, diags, CodeExpression)
}

// TestDeepInputEndsInADiagnostic: running out of stack cannot be recovered, so the depth is
// bounded before anything recurses.
func TestDeepInputEndsInADiagnostic(t *testing.T) {
	const n = 60000
	for name, expr := range map[string]string{
		"parens": strings.Repeat("(", n), "brackets": strings.Repeat("[", n), "objects": strings.Repeat("{a=", n),
		"templates": strings.Repeat("\"${", n), "not": strings.Repeat("!", n) + "true", "minus": strings.Repeat("-", n) + "1",
		"sum": strings.Repeat("1+", n) + "1", "sum over lines": "(" + strings.Repeat("1+\n", n) + "1)",
		"conditional": "(" + strings.Repeat("true?\n1:", n/2) + "1)", "calls between": "(" + strings.Repeat("f(1,2)+\n", n/4) + "1)",
		"attributes": "a" + strings.Repeat(".a", n), "indices": "a" + strings.Repeat("[0]", n), "splats": "a" + strings.Repeat("[*]", n),
		"blocks": "1\n" + strings.Repeat("a {\n", n), "for": strings.Repeat("[for x in ", n/4), "calls": strings.Repeat("f(", n),
		"heredoc": "<<A\n" + strings.Repeat("${", n), "directives": "\"" + strings.Repeat("%{if true}", n/4),
		"compare": "(" + strings.Repeat("1<\n", n) + "1)",
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText("locals {\n  a = " + expr + "\n}\n")
			if !diags.HasErrors() {
				t.Error("accepted")
			}
			checkExtras(t, diags)
		})
	}
}
