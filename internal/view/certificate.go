package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/event"
	"github.com/pegmigrate/pegmigrate/plan"
)

// Certificate is the evidence of one cut-over as it is shown. What is zero was not reached, or was
// not asked for, and is not shown.
type Certificate struct {
	Migration string
	Source    string // "cluster/table"
	Target    string
	Lineage   string
	PlanID    string
	// Finished is false while the migration is under way: then there may be more evidence to come.
	Finished bool
	// SourceRows and TargetRows were compared and found equal; Drifted of them but for an expiry that
	// default_ttl gave them. Rechecked keys were unequal while clients wrote and equal behind the fence.
	SourceRows, TargetRows, Drifted uint64
	Rechecked                       int
	// Written and Deleted are rows of the target that a catch-up changed behind the fence.
	Written, Deleted uint64
	// Moments are in order of time.
	Moments    []Moment
	Window     *event.CutOver
	Partitions []CertifiedPartition
	// RouteBefore and RouteAfter are the ends of the route record.
	RouteBefore, RouteAfter *CertifiedRoute
	Proxies                 []CertifiedProxy
	Canaries                []CertifiedCanary
	// Traffic holds the looks at both clusters' counters that ended the proof of traffic.
	Traffic []CertifiedTraffic
}

// Moment is when something was proven.
type Moment struct {
	What string
	At   time.Time // zero: not reached
}

// CertifiedPartition is the proof of one partition: its primary rejected writes under this ballot, and
// what was frozen behind that is on the target.
type CertifiedPartition struct {
	Partition                   int32
	Primary                     string
	Ballot, Frozen, Shipped     int64 // Frozen and Shipped are decrees
	Fenced, FrozenAt, ShippedAt time.Time
}

// CertifiedRoute is a route record as it was read.
type CertifiedRoute struct {
	Cluster string
	Metas   []string
	Version int32
}

// CertifiedProxy is what one proxy answered.
type CertifiedProxy struct {
	Proxy   string
	LeadsTo string
	AppID   int32
	Error   string
	At      time.Time
}

// CertifiedCanary is what an independent client read through one proxy.
type CertifiedCanary struct {
	Proxy    string
	Rows     int
	Error    string
	Advisory bool
}

// CertifiedTraffic is one look at both clusters: operations per second, and failures since the look
// before.
type CertifiedTraffic struct {
	At                                                   time.Time
	SourceReads, SourceWrites, TargetReads, TargetWrites float64
	// Refused are writes that one of the clusters refused as not idempotent.
	SourceFailures, TargetFailures, Refused float64
}

// CertificateJSON writes a certificate as one line of type "certificate"; data is what the state
// document holds. The error is that of w.
func CertificateJSON(w io.Writer, at time.Time, data json.RawMessage) error {
	return writeJSONLine(w, "certificate", at, data)
}

// CertificateText writes a certificate for people. The error is that of w.
func CertificateText(w io.Writer, c Certificate, style Style) error {
	p := newPage(style)
	p.line(p.bold(certificateTitle(c)))
	for _, s := range certificateSections(c) {
		p.line()
		p.line(p.bold(s.title))
		for _, l := range s.lines {
			p.hang("  ", clean(l), nil)
		}
		p.table(s.head, s.rows)
	}
	return p.writeTo(w)
}

// CertificateMarkdown writes a certificate for a ticket or a review. The error is that of w.
func CertificateMarkdown(w io.Writer, c Certificate) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n", markdown(certificateTitle(c)))
	for _, s := range certificateSections(c) {
		fmt.Fprintf(&b, "\n#### %s\n\n", markdown(s.title))
		for _, l := range s.lines {
			fmt.Fprintf(&b, "- %s\n", markdown(l))
		}
		if len(s.rows) == 0 {
			continue
		}
		if len(s.lines) > 0 {
			b.WriteString("\n")
		}
		markdownRow(&b, s.head)
		b.WriteString(strings.Repeat("|---", len(s.head)) + "|\n")
		for _, row := range s.rows {
			markdownRow(&b, row)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRow(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString("| " + markdown(cell) + " ")
	}
	b.WriteString("|\n")
}

// table adds rows in columns as wide as they need to be.
func (p *page) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], visible(clean(cell)))
		}
	}
	line := func(cells []string, paint func(string) string) {
		var b strings.Builder
		for i, cell := range cells {
			b.WriteString("  " + pad(clean(cell), width[i]))
		}
		p.line(paint(trimRight(b.String())))
	}
	line(head, p.dim)
	for _, row := range rows {
		line(row, func(s string) string { return s })
	}
}

func certificateTitle(c Certificate) string {
	return "certificate of " + c.Migration + ": " + c.Source + "  ->  " + c.Target
}

// section is one part of a certificate: sentences, then a table.
type section struct {
	title string
	lines []string
	head  []string
	rows  [][]string
}

// certificateSections leaves out what there is no evidence of.
func certificateSections(c Certificate) []section {
	run := "plan " + short(c.PlanID) + ", lineage " + short(c.Lineage)
	if !c.Finished {
		run += "; the migration is not finished: this is what was proven until now"
	}
	all := []section{
		{title: "run", lines: []string{run}},
		comparedSection(c), windowSection(c), momentSection(c), partitionSection(c), routeSection(c), trafficSection(c),
	}
	out := all[:0]
	for _, s := range all {
		if len(s.lines)+len(s.rows) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func comparedSection(c Certificate) section {
	s := section{title: "rows"}
	if c.SourceRows > 0 || c.TargetRows > 0 {
		s.lines = append(s.lines, fmt.Sprintf("%s on the source, %d on the target, 0 differences", plan.Counted(c.SourceRows, "row"), c.TargetRows))
	}
	if c.Drifted > 0 {
		s.lines = append(s.lines, fmt.Sprintf("%d of them expire at another moment, because default_ttl stamped them on each side by itself", c.Drifted))
	}
	if n := c.Written + c.Deleted; n > 0 {
		s.lines = append(s.lines, fmt.Sprintf("%s differed when the fence went up: %d were written on the target, %d deleted, and read again on both sides: equal",
			plan.Counted(n, "row"), c.Written, c.Deleted))
	}
	if c.Rechecked > 0 {
		s.lines = append(s.lines, plural(c.Rechecked, "key")+" kept changing while clients wrote, read again behind the fence: equal")
	}
	return s
}

func windowSection(c Certificate) section {
	if c.Window == nil {
		return section{}
	}
	return section{title: "reject window", lines: []string{windowText(*c.Window), windowParts(*c.Window)}}
}

// exact writes a moment to the millisecond.
func exact(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000Z")
}

func momentSection(c Certificate) section {
	s := section{title: "moments", head: []string{"when", "what"}}
	for _, m := range c.Moments {
		if !m.At.IsZero() {
			s.rows = append(s.rows, []string{exact(m.At), m.What})
		}
	}
	return s
}

func partitionSection(c Certificate) section {
	s := section{title: "partitions", head: []string{"partition", "primary", "ballot", "fenced", "frozen decree", "frozen", "shipped decree", "shipped"}}
	if c.Written+c.Deleted > 0 || c.Window != nil && c.Window.CatchUp > 0 { // rows were compared, no decrees
		s.head = s.head[:4]
		for _, p := range c.Partitions {
			s.rows = append(s.rows, []string{fmt.Sprint(p.Partition), p.Primary, fmt.Sprint(p.Ballot), timeOfDay(p.Fenced)})
		}
		return s
	}
	for _, p := range c.Partitions {
		s.rows = append(s.rows, []string{fmt.Sprint(p.Partition), p.Primary, fmt.Sprint(p.Ballot), timeOfDay(p.Fenced),
			fmt.Sprint(p.Frozen), timeOfDay(p.FrozenAt), fmt.Sprint(p.Shipped), timeOfDay(p.ShippedAt)})
	}
	return s
}

// timeOfDay writes a moment whose day is known.
func timeOfDay(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("15:04:05.000Z")
}

func routeSection(c Certificate) section {
	s := section{title: "route", head: []string{"who", "what", "when"}}
	for _, end := range []struct {
		what  string
		route *CertifiedRoute
	}{{"before", c.RouteBefore}, {"after", c.RouteAfter}} {
		if r := end.route; r != nil {
			s.lines = append(s.lines, fmt.Sprintf("%s: %s at %s, version %d", end.what, r.Cluster, strings.Join(r.Metas, ", "), r.Version))
		}
	}
	for _, p := range c.Proxies {
		text := fmt.Sprintf("leads to the %s (app id %d)", p.LeadsTo, p.AppID)
		if p.Error != "" {
			text = "no answer: " + p.Error
		}
		s.rows = append(s.rows, []string{"proxy " + p.Proxy, text, timeOfDay(p.At)})
	}
	for _, y := range c.Canaries {
		text := plural(y.Rows, "row") + " read by an independent client, equal to what the cluster behind it holds"
		switch {
		case y.Error != "":
			text = "the independent client failed: " + y.Error
		case y.Rows == 0:
			text = "nothing is proven: the independent client opened the table and no row could be compared"
		}
		if y.Advisory {
			text += " (decides nothing: that client is known not to understand these servers)"
		}
		s.rows = append(s.rows, []string{"canary " + y.Proxy, text, "-"})
	}
	return s
}

// shownTraffic is how many looks at the counters are listed.
const shownTraffic = 5

func trafficSection(c Certificate) section {
	s := section{title: "traffic", head: []string{"when", "source reads/s", "writes/s", "failed", "target reads/s", "writes/s", "failed", "refused"}}
	looks := c.Traffic
	if n := len(looks) - shownTraffic; n > 0 {
		s.lines = append(s.lines, fmt.Sprintf("the last %d of %d looks", shownTraffic, len(looks)))
		looks = looks[n:]
	}
	number := func(f float64) string { return fmt.Sprintf("%.0f", max(f, 0)) }
	for _, t := range looks {
		s.rows = append(s.rows, []string{timeOfDay(t.At), number(t.SourceReads), number(t.SourceWrites), number(t.SourceFailures),
			number(t.TargetReads), number(t.TargetWrites), number(t.TargetFailures), number(t.Refused)})
	}
	return s
}
