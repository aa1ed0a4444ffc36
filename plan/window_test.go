package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pegmigrate/pegmigrate/plan"
	"github.com/pegmigrate/pegmigrate/schema"
)

// fenceOf is the fence of a plan that has no errors.
func fenceOf(t rapid.TB, p *plan.Plan) plan.Fence {
	t.Helper()
	s, ok := p.Step("fence-source")
	if !ok {
		t.Fatalf("no fence: %v", codes(p, plan.Error))
	}
	return s.Action.(plan.Fence)
}

// TestWindowParts: the steps of the window add up to what the header says, and an undeclared budget has
// room for the longest window and for lifting the fence after it.
func TestWindowParts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*schema.Migration, *plan.Facts)
		band   string
		budget time.Duration
	}{
		// Spread up to 30 s, last mutation 10 to 20 s, switch 100 ms to 3 s, recheck up to 2 s.
		{"2.5", func(*schema.Migration, *plan.Facts) {}, "about 35 s (10 s to 55 s,", 90 * time.Second},
		{"2.5, shipped configuration", func(_ *schema.Migration, f *plan.Facts) { f.Source.GroupCheck = 100 * time.Second },
			"about 3 min 31 s (1 min 40 s to 3 min 55 s,", 270 * time.Second},
		{"2.5, nothing is told", func(_ *schema.Migration, f *plan.Facts) { f.Source.GroupCheck, f.Source.ConfigSync = 0, 0 },
			"about 3 min 31 s (1 min 40 s to 3 min 55 s,", 270 * time.Second},
		{"2.5, nobody writes", func(_ *schema.Migration, f *plan.Facts) { f.Duplication.WriteQPS = 0 }, "about 35 s (3 s to 55 s,", 90 * time.Second},
		{"one server of 2.5 is left", func(_ *schema.Migration, f *plan.Facts) {
			version(f, "2.6.0")
			f.Source.Nodes[0].Version = "2.5.0"
			for i := range f.Target.Nodes {
				f.Target.Nodes[i].Version = "2.6.0"
			}
		}, "about 35 s (10 s to 55 s,", 90 * time.Second},
		// The lag that is allowed, 10 s at most, is longer than what waits in queues.
		{"2.6", func(_ *schema.Migration, f *plan.Facts) { version(f, "2.6.0") }, "about 19 s (3 s to 45 s,", 80 * time.Second},
		{"2.6, no lag", func(m *schema.Migration, f *plan.Facts) {
			version(f, "2.6.0")
			m.Method.(*schema.DuplicationMethod).Cutover.LagThreshold = 1
		}, "about 19 s (3 s to 41 s,", 75 * time.Second},
		{"2.6, any lag", func(m *schema.Migration, f *plan.Facts) {
			version(f, "2.6.0")
			m.Method.(*schema.DuplicationMethod).Cutover.LagThreshold = 1 << 62
		}, "about 19 s (3 s to 1 min 35 s,", 130 * time.Second},
		{"one server", func(_ *schema.Migration, f *plan.Facts) {
			f.Source.Nodes = f.Source.Nodes[:1]
			f.Duplication.SourceConfig = f.Duplication.SourceConfig[:2]
		}, "about 20 s (10 s to 55 s,", 90 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, f := dupOrders(), dupFacts()
			f.Source.GroupCheck = 10 * time.Second
			tt.change(m, &f)
			p := build(t, m, f)
			fence := fenceOf(t, p)
			if !strings.Contains(p.Clients, tt.band) || fence.Budget != tt.budget {
				t.Errorf("budget %s, %s", fence.Budget, p.Clients)
			}
			var sum plan.Estimate
			from, to := slices.Index(ids(p), "fence-source"), slices.Index(ids(p), "switch")
			for _, s := range p.Steps[from : to+1] {
				sum = sum.Plus(s.Estimate)
			}
			if d := sum.Duration - fence.Predicted; d.Abs() > time.Millisecond {
				t.Errorf("steps add up to %s, predicted %s", sum.Duration, fence.Predicted)
			}
			if lag, _ := p.Step("catch-up"); lag.Action.(plan.AwaitLag).Budget != fence.Budget {
				t.Errorf("catch-up has another budget: %+v", lag.Action)
			}
		})
	}
}

// TestBudgets: below the smallest window is refused, with its parts and the setting to change; between
// that and the longest is a warning.
func TestBudgets(t *testing.T) {
	tests := []struct {
		budget   time.Duration
		version  string
		inWindow bool
		severity plan.Severity
		text     []string
	}{
		{72 * time.Second, "2.5.0", false, plan.Error, []string{"the smallest window is 1 min 13 s (config sync 30 s + group check 10 s + 3 s",
			"lifting 30 s)", "limits.write_reject to 1 min 13 s or more", "group_check_interval_ms"}},
		{73 * time.Second, "2.5.0", false, plan.Warning, []string{"smallest window of 1 min 13 s, not for the longest of 1 min 27 s", "exit code 6", "1 min 27 s always fit"}},
		{87 * time.Second, "2.5.0", false, plan.OK, []string{"room for the longest window of 1 min 27 s"}},
		{62 * time.Second, "2.6.0", false, plan.Error, []string{"the smallest window is 1 min 3 s (config sync 30 s + 3 s", "config_sync_interval_ms"}},
		{63 * time.Second, "2.6.0", false, plan.Warning, []string{"smallest window of 1 min 3 s"}},
		{5 * time.Minute, "2.5.0", true, plan.Error, []string{"comparison 22 min 45 s", "leave verify.when out"}},
		{24 * time.Minute, "2.5.0", true, plan.Warning, []string{"24 min will seldom be enough: the smallest window is 23 min 58 s, the usual one 58 min"}},
		{59 * time.Minute, "2.5.0", true, plan.Warning, []string{"smallest window of 23 min 58 s, not for the longest of 2 h 52 min"}},
	}
	for _, tt := range tests {
		t.Run(tt.budget.String()+" "+tt.version, func(t *testing.T) {
			m, f := dupOrders(), dupFacts()
			version(&f, tt.version)
			f.Source.GroupCheck = 10 * time.Second
			m.Limits.WriteReject = tt.budget
			if tt.inWindow {
				m.Verify.When = schema.VerifyInWindow
			}
			p := build(t, m, f)
			for _, c := range p.Checks {
				if c.Code != plan.CodeWindowBudget && !strings.HasPrefix(c.Text, "the budget of") {
					continue
				}
				if c.Severity != tt.severity {
					t.Errorf("%+v", c)
				}
				for _, want := range tt.text {
					if !strings.Contains(c.Text+"\n"+c.Hint, want) {
						t.Errorf("%q is not in %s\n%s", want, c.Text, c.Hint)
					}
				}
				if tt.severity != plan.Error && fenceOf(t, p).Budget != tt.budget {
					t.Errorf("the fence has a budget of %s", fenceOf(t, p).Budget)
				}
				return
			}
			t.Errorf("nothing is said of the budget: %+v", p.Checks)
		})
	}
}

// TestBudgetThatSeldomWorks: with the shipped group check the smallest budget is one that the drain of
// many partitions hardly ever meets; that is said where it cannot be overlooked.
func TestBudgetThatSeldomWorks(t *testing.T) {
	for budget, loud := range map[time.Duration]bool{163 * time.Second: true, 242 * time.Second: true, 244 * time.Second: false} {
		m, f := dupOrders(), dupFacts()
		f.Source.GroupCheck = 100 * time.Second
		m.Limits.WriteReject = budget
		p := build(t, m, f)
		i := slices.IndexFunc(p.Checks, func(c plan.Check) bool { return c.Code == plan.CodeWindowBudget })
		if i < 0 || p.Checks[i].Severity != plan.Warning || p.Checks[i].Loud != loud {
			t.Errorf("%s: %+v", budget, p.Checks)
			continue
		}
		if c := p.Checks[i]; strings.Contains(c.Text, "seldom") != loud || !strings.Contains(c.Hint, "4 min 27 s") || !strings.Contains(c.Hint, "exit code 6") {
			t.Errorf("%s: %s; %s", budget, c.Text, c.Hint)
		}
	}
}
