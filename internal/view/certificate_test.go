package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
)

func someCertificate() Certificate {
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	c := Certificate{
		Migration: "orders", Source: "east/orders", Target: "west/orders", Lineage: "6f1c9a9e-0000", PlanID: "3f9c1a2be7d0", Finished: true,
		SourceRows: 200_000, TargetRows: 200_000, Drifted: 12, Rechecked: 1,
		Moments: []Moment{{"the first partition rejected a write", at(0)}, {"the last partition did", at(3000)},
			{"all frozen decrees were committed", at(3400)}, {"all of them were shipped", at(13_600)}, {"open keys were equal", at(13_630)},
			{"the route led to the target", at(13_750)}, {"every proxy led there", at(15_000)}, {"every partition rejected a read", time.Time{}}},
		Window: &event.CutOver{Spread: 3 * time.Second, Quiesce: 400 * time.Millisecond, Drain: 10_200 * time.Millisecond,
			Recheck: 30 * time.Millisecond, Switch: 120 * time.Millisecond, Resolve: 1250 * time.Millisecond,
			Total: 15 * time.Second, Budget: 90 * time.Second, Predicted: 24 * time.Second},
		RouteBefore: &CertifiedRoute{Cluster: "onebox", Metas: []string{"10.0.0.1:34601", "10.0.0.2:34601"}, Version: 7},
		RouteAfter:  &CertifiedRoute{Cluster: "two|box\x1b[2J", Metas: []string{"10.1.0.1:34601", "10.1.0.1:34601"}, Version: 8},
		Proxies:     []CertifiedProxy{{Proxy: "10.3.0.1:34601", LeadsTo: "target", AppID: 9, At: at(14_990)}, {Proxy: "10.3.0.2:34601", Error: "connection refused", At: at(14_991)}},
		Canaries:    []CertifiedCanary{{Proxy: "10.3.0.1:34601", Rows: 10}, {Proxy: "10.3.0.2:34601", Error: "no route", Advisory: true}, {Proxy: "10.3.0.3:34601"}},
	}
	for i := range int32(3) {
		c.Partitions = append(c.Partitions, CertifiedPartition{Partition: i, Primary: fmt.Sprintf("10.0.0.%d:34801", i+1), Ballot: 3 + int64(i),
			Frozen: 100_000 + int64(i), Shipped: 100_001 + int64(i), Fenced: at(int(i) * 1500), FrozenAt: at(3400), ShippedAt: at(13_600)})
	}
	for i := range 7 {
		c.Traffic = append(c.Traffic, CertifiedTraffic{At: at(20_000 + 500*i), SourceWrites: float64(3 - i), TargetReads: 1800.4, TargetWrites: 199.6})
	}
	return c
}

func TestCertificate(t *testing.T) {
	begun := Certificate{Migration: "orders", Source: "east/orders", Target: "west/orders", PlanID: "3f9c1a2be7d0", Lineage: "6f1c9a9e-0000",
		Moments: []Moment{{"the first partition rejected a write", noon}}}
	var text, md bytes.Buffer
	for _, c := range []Certificate{someCertificate(), begun} {
		if err := CertificateText(&text, c, Plain()); err != nil {
			t.Fatal(err)
		}
		if err := CertificateMarkdown(&md, c); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "certificate.txt", text.Bytes())
	golden(t, "certificate.md", md.Bytes())
	for _, f := range []func() error{
		func() error { return CertificateText(brokenWriter{}, begun, Plain()) },
		func() error { return CertificateMarkdown(brokenWriter{}, begun) },
		func() error { return CertificateJSON(brokenWriter{}, noon, json.RawMessage(`{}`)) },
	} {
		if f() == nil {
			t.Error("a report that was cut short looks whole")
		}
	}
}

func TestCertificateJSON(t *testing.T) {
	var b bytes.Buffer
	if err := CertificateJSON(&b, noon, json.RawMessage(`{"migration": "orders"}`)); err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"type":"certificate","time":"2026-11-21T12:00:00Z","data":{"migration":"orders"}}` + "\n"
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
}
