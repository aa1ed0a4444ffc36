package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// loadText is Load without a file system.
func loadText(src string) (*Config, hcl.Diagnostics) {
	l := newLoader()
	var bodies []*hclsyntax.Body
	if body := l.parse([]byte(src), "fuzz.hcl"); body != nil {
		bodies = append(bodies, body)
	}
	return l.load("", bodies, Vars{})
}

func addCorpus(f *testing.F) {
	f.Helper()
	files, _ := filepath.Glob("testdata/*/*.hcl")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Add(small("", ""))
}

// FuzzLoad: no input panics, every complaint has a known code, what is accepted is complete, and
// formatting does not change what is declared.
func FuzzLoad(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, src string) {
		cfg, diags := loadText(src)
		checkExtras(t, diags)
		if diags.HasErrors() {
			return
		}
		again, diags := loadText(string(Format([]byte(src))))
		if diags.HasErrors() || len(again.Migrations) != len(cfg.Migrations) {
			t.Fatalf("formatting broke it: %v", diags)
		}
		for i, m := range cfg.Migrations {
			if (m.Source.Cluster == nil) == (m.Source.Backup == nil) || m.Target.Cluster == nil || m.Method == nil || m.Fingerprint == "" ||
				(m.Source.Backup == nil && len(m.Source.MetaServers()) == 0) || !ValidTableName(m.Source.Table) || !ValidTableName(m.Target.Table) {
				t.Fatalf("accepted but incomplete: %+v", m)
			}
			if d, ok := m.Method.(*DuplicationMethod); ok {
				completeDuplication(t, m, d)
			}
			if c, ok := m.Method.(*CopyMethod); ok {
				completeCopy(t, m, c)
			}
			if again.Migrations[i].Fingerprint != m.Fingerprint {
				t.Fatal("formatting changed the fingerprint")
			}
		}
	})
}

// completeDuplication holds an accepted migration by duplication to what its types promise.
func completeDuplication(t *testing.T, m *Migration, d *DuplicationMethod) {
	t.Helper()
	if d.Cutover == nil || d.Cutover.LagThreshold < 1 || d.FailMode == "" || d.ReturnTicket < 0 || d.ReturnTicket > 0 && d.Cutover.MetaProxy == nil ||
		(d.Cutover.MetaProxy == nil) != (d.Cutover.TrafficProof == 0) ||
		(m.Verify.When == "") != (m.Verify.Mode == VerifyOff) ||
		m.After.Source == AfterNone || (m.After.Source == AfterDrop) != (m.After.Reserve > 0) ||
		m.Target.IfExists != IfExistsFail || sameCluster(m.Source.Cluster, m.Target.Cluster) {
		t.Fatalf("accepted but incomplete: %+v, %+v", m, d)
	}
	if p := d.Cutover.MetaProxy; p != nil {
		if root, problem := parseRoot(p.Root); problem != "" || root != p.Root || len(p.Proxies) == 0 || m.Target.Table != m.Source.Table {
			t.Fatalf("accepted with a bad route: %+v", p)
		}
	}
}

// completeCopy holds an accepted copy to what its types promise.
func completeCopy(t *testing.T, m *Migration, c *CopyMethod) {
	t.Helper()
	for _, filter := range []string{c.HashKey, c.SortKey, c.Value} {
		if problem, _ := filterProblem(filter); filter != "" && problem != "" {
			t.Fatalf("accepted with the filter %q: %s", filter, problem)
		}
	}
	if !slices.IsSorted(c.Partitions) || len(c.Partitions) > 0 && c.Partitions[0] < 0 ||
		c.DropValue && c.Value != "" || c.Overwrite != OverwriteAlways && c.MultiSet == MultiSetOn ||
		c.Fences() != (m.After.Source != AfterNone) || (m.Verify.Mode == VerifySample) != (m.Verify.Sample > 0) ||
		c.SourceWrites == SourceWritesCatchUp && (m.Verify.Mode != VerifyFull || m.Target.IfExists == IfExistsMerge || c.Overwrite != OverwriteAlways) {
		t.Fatalf("accepted but contradictory: %+v, %+v", m, c)
	}
	for _, w := range m.Limits.Window {
		if again, ok := newLoader().window(textItem{text: w.String()}); !ok || again != w {
			t.Fatalf("window %+v is written %q, and read as %+v", w, w, again)
		}
	}
}

// FuzzFormat: formatting twice is formatting once, and only white space moves.
func FuzzFormat(f *testing.F) {
	addCorpus(f)
	f.Fuzz(func(t *testing.T, src string) {
		once := Format([]byte(src))
		if twice := Format(once); !bytes.Equal(once, twice) {
			t.Fatalf("not idempotent:\n%q\n%q\n%q", src, once, twice)
		}
	})
}

// FuzzVariableText: values from the command line never panic.
func FuzzVariableText(f *testing.F) {
	for _, s := range []string{"7", `["a"]`, "{a=1}", "((((", `"${"`, "1e999999999", "a.b[*].c", "<<A\nA\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := "variable \"t\" {\n  type = list(object({ a = number }))\n}\n"
		l := newLoader()
		_, diags := l.load("", []*hclsyntax.Body{l.parse([]byte(src), "v.hcl")}, Vars{Flags: map[string]string{"t": text}, Env: []string{"PEGMIGRATE_VAR_t=" + text, text}})
		checkExtras(t, diags)
	})
}
