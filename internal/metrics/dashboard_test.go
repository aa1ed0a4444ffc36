package metrics

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examples = "../../examples/grafana"

var (
	metricName = regexp.MustCompile(`\bpegmigrate_[a-z_]+`)
	labelList  = regexp.MustCompile(`\b(pegmigrate_[a-z_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*[!=]~?`)
	grouping   = regexp.MustCompile(`by \(([^)]*)\)`)
	inLegend   = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// panel is what a test has to know of one.
type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat string }
}

type dashboard struct {
	UID           string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, "pegmigrate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// known are the metrics with their labels.
func known(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		name, rest, _ := strings.Cut(line, " ")
		_, rest, _ = strings.Cut(rest, "{")
		labels, _, _ := strings.Cut(rest, "}")
		out[name] = append(strings.Split(labels, ","), "instance", "job")
	}
	return out
}

// Whatever the dashboard asks for exists, with its labels; whatever exists is on the dashboard.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	names, shown := known(t), map[string]bool{}
	d := readDashboard(t)
	if d.UID == "" || d.SchemaVersion < 36 || len(d.Panels) < 20 {
		t.Errorf("uid %q, schema %d, %d panels", d.UID, d.SchemaVersion, len(d.Panels))
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			checkQuery(t, names, p.Title, target.Expr, target.LegendFormat)
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				shown[name] = true
			}
		}
	}
	for _, v := range d.Templating.List {
		checkQuery(t, names, "variable "+v.Name, v.Definition, "")
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !shown[name] {
			t.Errorf("%s is on no panel", name)
		}
	}
}

// checkQuery looks at metrics, at labels that are chosen by, and at those that are shown.
func checkQuery(t *testing.T, names map[string][]string, where, expr, legend string) {
	t.Helper()
	var labels []string
	for _, name := range metricName.FindAllString(expr, -1) {
		if _, ok := names[name]; !ok {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		labels = append(labels, names[name]...)
	}
	for _, m := range labelList.FindAllStringSubmatch(expr, -1) {
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(names[m[1]], l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	by := grouping.FindStringSubmatch(expr)
	for _, l := range inLegend.FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(labels, l[1]) {
			t.Errorf("%s: the legend shows %s, which %s does not have", where, l[1], expr)
		}
		if by != nil && !slices.Contains(strings.Split(strings.ReplaceAll(by[1], " ", ""), ","), l[1]) {
			t.Errorf("%s: the legend shows %s, which is summed away", where, l[1])
		}
	}
}

// Panels have ids of their own and do not lie on each other.
func TestPanelsDoNotOverlap(t *testing.T) {
	panels := readDashboard(t).Panels
	for i, a := range panels {
		if a.GridPos.X < 0 || a.GridPos.X+a.GridPos.W > 24 || a.GridPos.W <= 0 || a.GridPos.H <= 0 {
			t.Errorf("%s is off the grid: %+v", a.Title, a.GridPos)
		}
		for _, b := range panels[:i] {
			p, q := a.GridPos, b.GridPos
			if p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H {
				t.Errorf("%s lies on %s", a.Title, b.Title)
			}
			if a.ID == b.ID {
				t.Errorf("%s and %s have one id", a.Title, b.Title)
			}
		}
	}
}

// The alerts ask for what there is as well.
func TestTheAlertsAskForWhatThereIs(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(examples, "pegmigrate-rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(data), "\n") {
		if expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr: "); ok {
			n++
			checkQuery(t, known(t), "alert", expr, "")
		}
	}
	if n < 4 {
		t.Errorf("%d alerts were found", n)
	}
}
