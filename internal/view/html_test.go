package view

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/internal/history"
	"github.com/pegmigrate/pegmigrate/plan"
)

// pageOf is the page of a migration in which everything happens, with a history of n runs of the story.
func pageOf(runs int) RunPage {
	begun := time.Date(2026, 11, 21, 23, 50, 0, 0, time.UTC)
	h := &history.History{Migration: "orders", DroppedRuns: 3, Unreadable: 1}
	for i := range runs {
		start := begun.Add(time.Duration(i) * 26 * time.Hour)
		r := history.Run{Opened: start, Opening: history.Opening{Command: "apply", Version: "1.0", Host: "h"}}
		for _, s := range story() {
			r.Events = append(r.Events, history.Moment{At: start.Add(s.after), Event: s.e})
		}
		h.Runs = append(h.Runs, r)
	}
	p := &plan.Plan{ID: "3f9c1a2be7d0", Migration: "orders", Method: "duplication", ConfigFingerprint: "c0ffee",
		Source: plan.Endpoint{TableRef: plan.TableRef{Cluster: "east", Table: "orders"}, MetaServers: []string{"10.0.0.1:34601"}, Exists: true, ID: 4, Partitions: 64, Replicas: 3, Rows: 1_200_000, Bytes: 130 << 20},
		Target: plan.Endpoint{TableRef: plan.TableRef{Cluster: "west", Table: "orders"}, Partitions: 64, Replicas: 3},
		Steps:  []plan.Step{{ID: "own", Why: "mark it"}, {ID: "copy", Why: "move every row", Impact: "none"}},
		Checks: []plan.Check{{Code: "PM2150", Severity: plan.Warning, Text: "about a limit", Hint: "set one"}, {Severity: plan.OK, Text: "fine"}},
		Facts:  []plan.Fact{{Name: "source/envs", Value: "default_ttl=5"}}}
	at := begun.Add
	return RunPage{Made: at(time.Hour), Version: "1.1", WrittenBy: "1.0", Plan: p, Lineage: "6f1c9a9e-0000", Created: begun, Updated: at(time.Minute),
		Steps: []PageStep{{StepStatus: StepStatus{ID: "own", Status: "done", Started: begun, Finished: at(time.Second), Attempts: 1}, Proof: "the marker is there"},
			{StepStatus: StepStatus{ID: "copy", Status: "failed", Started: at(time.Second), Finished: at(9 * time.Second), Attempts: 3, Error: "no reply from 10.0.0.1:34801"}}},
		Certificates: []Certificate{{Migration: "orders", Source: "east/orders", Target: "west/orders", PlanID: "3f9c1a2be7d0", SourceRows: 5, TargetRows: 5,
			Window:     &event.CutOver{Spread: time.Second, Drain: 2 * time.Second, Total: 3 * time.Second, Budget: 5 * time.Second},
			Partitions: []CertifiedPartition{{Partition: 5, Primary: "10.0.0.5:34801", Ballot: 61, Frozen: 70001, Shipped: 70002}}}},
		History: h}
}

func rendered(t *testing.T, p RunPage) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTMLPage(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wellFormed reads a page as a browser does not have to: every tag is closed, in order.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(regexp.MustCompile(`(?s)<script>.*?</script>|<style>.*?</style>`).ReplaceAllString(page, "")))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "link"}, xml.HTMLEntity
	var open []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v after %v", err, open)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != token.Name.Local {
				t.Fatalf("</%s> closes %v", token.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("never closed: %v", open)
	}
}

// The page says everything: steps, proofs, evidence, what happened, and where numbers come from.
func TestThePageSaysEverything(t *testing.T) {
	page := rendered(t, pageOf(2))
	wellFormed(t, page)
	for _, want := range []string{
		"3f9c1a2be7d0", "6f1c9a9e-0000", "c0ffee", "stopped at copy", "the marker is there", "no reply from 10.0.0.1:34801", "3 attempts", "mark it",
		`data-chart="rate"`, `data-chart="bytes"`, `data-chart="lag"`, `data-chart="flight"`, `data-chart="steps"`, `data-chart="reasons"`,
		"highest 120 k at 23:50:15", "rows_per_second 120000 (declared in limits)", "70001", "10.0.0.5:34801", "1,190,000", "&#34;user1&#34;",
		"the fence of east/orders may have leaked", "gate copy: pegmigrate apply -approve copy", "PM2150", "default_ttl=5", "3 older runs left the history",
		"1 line of the history cannot be read", "How the numbers came about", "rejected for 3.0 s of a budget of 5 s", "2026-11-21 to 2026-11-23",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

// Nothing on the page leads anywhere, and only what we wrote may run.
func TestThePageAsksNothingOfAnybody(t *testing.T) {
	page := rendered(t, pageOf(1))
	if m := regexp.MustCompile(`(?i)(src|href|action|srcset|poster)\s*=\s*"?[^"\s>]+|url\(|@import|https?://|//[a-z]`).FindAllString(page, -1); len(m) != 1 || m[0] != `href="data:,` {
		t.Errorf("%q", m)
	}
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	if policy == nil {
		t.Fatal("there is no policy")
	}
	if strings.Contains(policy[1], "unsafe") || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;") {
		t.Errorf("%s", policy[1])
	}
	for _, tag := range []string{"style", "script"} {
		m := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(m) != 1 || !strings.Contains(policy[1], strings.ReplaceAll(sourceHash([]byte(m[0][1])), "+", "&#43;")) {
			t.Errorf("%d of <%s>, or its hash is not in the policy", len(m), tag)
		}
	}
	if strings.Contains(page, " style=") || regexp.MustCompile(`\son[a-z]+=`).MatchString(page) {
		t.Error("inline styles or handlers, which the policy forbids")
	}
}

// Names and texts come from clusters and people: they are text wherever they appear.
func TestHostileTextIsText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>&'` + "`" + `</title></style><!--` + "\x1b[2J"
	p := pageOf(1)
	p.Plan.Migration, p.Plan.Method, p.Plan.ID, p.Lineage = hostile, hostile, hostile, hostile
	p.Plan.Source.Table, p.Plan.Source.Cluster, p.Plan.Source.ClusterName, p.Plan.Source.MetaServers = hostile, hostile, hostile, []string{hostile}
	p.Plan.Facts = []plan.Fact{{Name: hostile, Value: hostile}}
	p.Plan.Checks = []plan.Check{{Severity: plan.Error, Code: hostile, Text: hostile, Hint: hostile}}
	p.Plan.Steps = []plan.Step{{ID: hostile, Why: hostile, Impact: hostile}}
	p.Steps = []PageStep{{StepStatus: StepStatus{ID: hostile, Status: "failed", Error: hostile, Started: p.Created}, Proof: hostile}}
	p.Certificates = []Certificate{{Migration: hostile, Source: hostile, Proxies: []CertifiedProxy{{Proxy: hostile, Error: hostile}},
		Partitions: []CertifiedPartition{{Primary: hostile}}}}
	at := p.Created
	for i, e := range []event.Event{
		event.StepStarted{Step: hostile, What: hostile}, event.MoveProgress{Step: hostile, Kind: hostile, RowsPerSecond: 5, Limit: hostile, LimitReason: hostile},
		event.Verified{Step: hostile, Confidence: hostile, FirstDiffering: []event.Difference{{HashKey: hostile, SortKey: hostile}}},
		event.Warning{Step: hostile, Code: hostile, Text: hostile, Hint: hostile}, event.StepFailed{Step: hostile, Error: hostile},
	} {
		p.History.Runs[0].Events = append(p.History.Runs[0].Events, history.Moment{At: at.Add(time.Duration(50+i) * time.Second), Event: e})
	}
	p.History.Runs[0].Opening = history.Opening{Command: hostile, Version: hostile, Host: hostile}
	page := rendered(t, p)
	wellFormed(t, page)
	if n := strings.Count(page, "<script>"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	for _, tag := range []string{"<img", "<!--", "\x1b", "alert(1)</script>"} {
		if strings.Contains(page, tag) {
			t.Errorf("%q is on the page", tag)
		}
	}
	p.History, p.NoHistory = nil, hostile
	if page := rendered(t, p); strings.Contains(page, "<img") {
		t.Error("why there is no history is not text")
	}
}

// Migrations that have hardly begun, without a history, and with every length of one.
func TestPagesOfWhatThereIs(t *testing.T) {
	p := pageOf(0)
	p.History, p.NoHistory, p.Steps, p.Certificates = nil, "there is no history", nil, nil
	page := rendered(t, p)
	wellFormed(t, page)
	if !strings.Contains(page, "there is no history") || strings.Contains(page, "<svg") || !strings.Contains(page, "0 of 0") {
		t.Error("a page without a history")
	}
	for _, n := range []int{0, 1, 3, 40} {
		page := rendered(t, pageOf(n))
		wellFormed(t, page)
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("%d runs: a number is none", n)
		}
		if n > shownRuns && !strings.Contains(page, fmt.Sprintf("%d of %d runs are drawn", shownRuns, n)) {
			t.Errorf("%d runs: nothing is said of those that are not drawn", n)
		}
	}
	one := pageOf(1)
	one.History.Runs[0].Events = one.History.Runs[0].Events[:1]
	one.History.Runs[0].Events[0].At = one.History.Runs[0].Opened.Add(-time.Hour) // the clock was set back
	wellFormed(t, rendered(t, one))
}

// What is drawn stays inside its drawing, whatever the lengths of runs are.
func TestDrawingsStayInside(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, lengths := range [][]time.Duration{{time.Second}, {time.Millisecond, 90 * 24 * time.Hour}, {time.Hour, 0, time.Minute, 3 * time.Hour, time.Second}} {
		var runs []history.Run
		at := begun
		for _, d := range lengths {
			r := history.Run{Opened: at}
			for i := range 11 {
				r.Events = append(r.Events, history.Moment{At: at.Add(d * time.Duration(i) / 10), Event: event.MoveProgress{Kind: "copy", RowsPerSecond: float64(i*i) + 0.1}})
			}
			runs = append(runs, r)
			at = at.Add(d + 24*time.Hour)
		}
		a := newAxis(runs)
		for _, c := range charts(a) {
			for _, curve := range c.Curves {
				for _, point := range strings.Fields(curve.Points) {
					var x, y float64
					if _, err := fmt.Sscanf(point, "%f,%f", &x, &y); err != nil || x < chartLeft-0.1 || x > chartRight+0.1 || y < chartTop-0.1 || y > chartBottom+0.1 {
						t.Fatalf("%v: point %s, %v", lengths, point, err)
					}
				}
			}
			last := -labelRoom
			for _, tick := range c.Ticks {
				var x float64
				if _, err := fmt.Sscanf(tick.At, "%f", &x); err != nil || x-last < labelRoom-0.2 {
					t.Fatalf("%v: labels at %v and %s", lengths, last, tick.At)
				}
				last = x
			}
		}
	}
}

// A line ends where a step does: rates of one step do not lead to those of the next.
func TestLinesEndWithTheirStep(t *testing.T) {
	r := history.Run{Opened: time.Unix(0, 0)}
	for i := range 6 {
		r.Events = append(r.Events, history.Moment{At: time.Unix(int64(i), 0), Event: event.MoveProgress{Step: fmt.Sprint("s", i/3), Kind: "copy", RowsPerSecond: 10}})
	}
	got := charts(newAxis([]history.Run{r}))
	if len(got) != 1 || len(got[0].Curves) != 2 || len(got[0].Legend) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestGridLinesAreRound(t *testing.T) {
	bytes := measure{write: func(v float64) string { return plan.Bytes(uint64(v)) }, binary: true}
	for top, want := range map[float64]string{3: "1 B", 900: "250 B", 1.4 * 1024 * 1024: "512 KiB", 70 * 1024 * 1024: "20.0 MiB", 5e9: "2.0 GiB"} {
		if got := bytes.write(bytes.step(top)); got != want {
			t.Errorf("%v: %s, want %s", top, got, want)
		}
	}
	if got := (measure{}).step(812_000); got != 250_000 {
		t.Errorf("%v", got)
	}
}
