package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/apply"
	"github.com/pegmigrate/pegmigrate/internal/atomicfile"
	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/state"
)

const reportConfig = `
cluster "east" { meta_servers = ["127.0.0.1:1"] }
cluster "west" { meta_servers = ["127.0.0.1:2"] }
migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target { cluster = cluster.west }
  method "copy" {}
}
`

// storeDocument writes a configuration and a state document with a certificate, nil for none.
func storeDocument(t *testing.T, certificate *state.Blob) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "migration.hcl"), []byte(reportConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(atomicfile.OS{}, dir, "orders", state.Self("test", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	err = store.Create(&state.Document{Migration: "orders", Lineage: state.NewLineage(), ToolVersion: "test", Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// report runs the command.
func report(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	e := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, FS: atomicfile.OS{}, Now: time.Now, Version: "test"}
	code = Run(context.Background(), append([]string{"pegmigrate", "report"}, args...), e)
	return code, out.String(), talk.String()
}

func someCertificate(t *testing.T) *state.Blob {
	t.Helper()
	at := func(second int) time.Time { return time.Date(2026, 11, 21, 3, 0, second, 0, time.UTC) }
	look := func(rate float64) apply.TrafficSample {
		return apply.TrafficSample{At: at(50), ReadQPS: rate, WriteQPS: rate + 1, ReadFailures: rate + 2, WriteFailures: 10, RejectedNonIdempotent: rate + 3}
	}
	data, err := json.Marshal(apply.Certificate{
		Migration: "orders", Lineage: "0a1b2c3d-1", PlanID: "4e5f6a7b8", Source: plan.TableRef{Cluster: "east", Table: "orders"},
		Target: plan.TableRef{Cluster: "west", Table: "orders"}, Compared: apply.ComparedCounts{SourceRows: 7001, TargetRows: 7002, Drifted: 17},
		FirstRejected: at(1), Fenced: at(2), Frozen: at(3), Quiesced: at(4), Drained: at(5), Rechecked: at(6), Switched: at(7), Resolved: at(8), Evicted: at(9),
		RecheckedKeys: 23, Partitions: []apply.PartitionCertificate{{Partition: 5, Primary: "10.0.0.5:34801", Ballot: 61, Fenced: at(11),
			FrozenDecree: 70_001, FrozenAt: at(12), ShippedDecree: 70_002, ShippedAt: at(13)}},
		RouteBefore: &apply.RouteRecord{ClusterName: "onebox", MetaAddrs: []string{"10.0.0.9:34601"}, Version: 41},
		RouteAfter:  &apply.RouteRecord{ClusterName: "twobox", MetaAddrs: []string{"10.1.0.9:34601"}, Version: 42},
		Proxies:     []apply.ProxyAnswer{{Proxy: "10.3.0.1:34601", AppID: 91, LeadsTo: "target", At: at(14)}, {Proxy: "10.3.0.2:34601", Error: "gone away"}},
		Canaries:    []apply.Canary{{Proxy: "10.3.0.3:34601", Rows: 19}, {Proxy: "10.3.0.4:34601", Error: "no session", Advisory: true}},
		Window:      &event.CutOver{Spread: 21 * time.Second, Quiesce: 22 * time.Second, Drain: 23 * time.Second, Recheck: 24 * time.Second, Switch: 25 * time.Second, Resolve: 26 * time.Second, Total: 141 * time.Second, Budget: 5 * time.Minute, Predicted: 2 * time.Minute},
		Traffic:     []apply.TrafficProof{{Source: look(300), Target: look(500)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &state.Blob{Kind: apply.KindCertificate, Version: 1, Data: data}
}

// Whatever a certificate says is found in the report, as text and as Markdown.
func TestReportShowsEveryProof(t *testing.T) {
	dir := storeDocument(t, someCertificate(t))
	want := []string{"0a1b2c3d", "4e5f6a7b", "east/orders", "west/orders", "7001 rows", "7002 on the target", "17 of them", "23 keys",
		"03:00:01", "03:00:02", "03:00:03", "03:00:04", "03:00:05", "03:00:06", "03:00:07", "03:00:08", "03:00:09",
		"10.0.0.5:34801", "61", "03:00:11", "70001", "03:00:12", "70002", "03:00:13", "onebox", "10.0.0.9:34601", "version 41", "twobox", "version 42",
		"10.3.0.1:34601", "app id 91", "03:00:14", "gone away", "19 rows", "no session", "decides nothing",
		"21.0 s", "22.0 s", "23.0 s", "24.0 s", "25.0 s", "26.0 s", "2 min 21 s", "5 min", "about 2 min",
		"300", "301", "312", "500", "501", "512", "806", "not finished"}
	for _, format := range []string{"text", "markdown"} {
		code, out, talk := report(t, "-format", format, dir)
		if code != 0 {
			t.Fatalf("%s: exit %d, %s", format, code, talk)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is missing in\n%s", format, w, out)
			}
		}
	}
	code, out, _ := report(t, "-format", "json", dir)
	var line struct {
		Type string
		Data apply.Certificate
	}
	if err := json.Unmarshal([]byte(out), &line); err != nil || code != 0 || line.Type != "certificate" || line.Data.RecheckedKeys != 23 {
		t.Errorf("exit %d, %v, %s", code, err, out)
	}
}

func TestReportRefusals(t *testing.T) {
	with, without := storeDocument(t, someCertificate(t)), storeDocument(t, nil)
	garbled := storeDocument(t, &state.Blob{Kind: apply.KindCertificate, Version: 1, Data: json.RawMessage(`[1]`)})
	bare := t.TempDir()
	if err := os.WriteFile(filepath.Join(bare, "migration.hcl"), []byte(reportConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code string
		args []string
	}{
		{codeUnwritable, []string{"-out", filepath.Join(bare, "absent", "x.txt"), with}}, {codeFormat, []string{"-format", "pdf", with}},
		{codeNoCertificate, []string{without}}, {codeStateUnusable, []string{garbled}}, {codeNoState, []string{bare}},
	} {
		code, out, talk := report(t, c.args...)
		if code != ExitError || out != "" || !strings.Contains(talk, c.code) || !strings.Contains(talk, "hint") {
			t.Errorf("%v: exit %d, %q, %s", c.args, code, out, talk)
		}
	}
}
