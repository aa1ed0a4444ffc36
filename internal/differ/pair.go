package differ

import (
	"slices"
	"sync"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// pair is one residue class of both sides in a comparison by digests.
type pair struct {
	unit  *unit // its result
	looks []*look

	mu   sync.Mutex
	left int // looks that are not taken
	// net is the sums of the source without those of the target.
	net      *sketch
	suspects *suspects
	// passed are rows whose bands have expired meanwhile and are not the same on both sides, ofSource those
	// of them that the source has more.
	passed, ofSource uint64
	seconds          []*unit
	unsettled        int // seconds that are not finished
}

// taken adds a look, and compares when it was the last.
func (p *pair) taken(l *look) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.net == nil {
		p.net = newSketch(l.r.digest.layout, p.unit.index, l.r.units)
	}
	p.net.merge(l.sketch, l.side == TargetSide)
	if p.left--; p.left == 0 {
		p.judge(pegkey.ExpireTs(l.r.rules.gone(l.r.rules.horizon())))
	}
}

// judge finds the unequal buckets. Rows that have all expired at the horizon are no part of either table
// any more, whatever was read of them.
func (p *pair) judge(horizon uint32) {
	out := newSuspects(p.net)
	for band, cells := range p.net.bands {
		passed := p.net.layout.passed(band, horizon)
		for i, c := range cells {
			switch {
			case c == (cell{}):
			case !passed:
				out.add(uint32(i))
			case int64(c.rows) < 0:
				p.passed -= c.rows
			default:
				p.passed += max(c.rows, 1)
				p.ofSource += max(c.rows, 1)
			}
		}
	}
	p.net, p.suspects = nil, out
}

// split makes the second looks: partitions that share unequal buckets are compared together, others at the
// same time.
func (p *pair) split(r *run) {
	n, m := r.src.PartitionCount(), r.dst.PartitionCount()
	_, stepN := p.suspects.layout.class(0, n)
	_, stepM := p.suspects.layout.class(0, m)
	sources := r.opts.Selection.partitions(n, p.unit.index, r.units)
	var targets []int32
	for q := p.unit.index; q < m; q += r.units {
		targets = append(targets, q)
	}
	// The buckets of a partition are those of its class: join the classes that a bucket is in.
	groups := newGroups()
	p.suspects.each(func(b uint32) { groups.join(int64(b%stepN), -1-int64(b%stepM)) })
	byRoot := map[int64]*unit{}
	var order []int64
	of := func(class int64) *unit {
		root, known := groups.find(class)
		if !known {
			return nil
		}
		if byRoot[root] == nil {
			byRoot[root] = &unit{r: r, index: p.unit.index, pair: p, only: p.suspects}
			order = append(order, root)
		}
		return byRoot[root]
	}
	for _, q := range sources {
		if u := of(int64(uint32(q) % stepN)); u != nil {
			u.sources = append(u.sources, q)
		}
	}
	for _, q := range targets {
		if u := of(-1 - int64(uint32(q)%stepM)); u != nil {
			u.targets = append(u.targets, q)
		}
	}
	for _, root := range order {
		p.seconds = append(p.seconds, byRoot[root])
	}
	p.unsettled = len(p.seconds)
}

// settled says that a second look is finished; last says that all are.
func (p *pair) settled() (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsettled--
	return p.unsettled == 0
}

// fold makes the outcome of the class from what was seen so far. What clients wrote between two looks may make
// the numbers of rows inexact, in live comparisons only.
func (p *pair) fold(r *run, whole bool) Cursor {
	out := r.cursor()
	out.Unit, out.Units = p.unit.index, r.units
	for _, l := range p.looks {
		out.Counts.add(&l.out.Counts)
		out.First = append(out.First, l.out.First[:min(len(l.out.First), keepFirst-len(out.First))]...)
		for i, d := range l.out.Digests {
			if out.Digests == nil {
				out.Digests = map[int32]digestsOf{}
			}
			out.Digests[i] = d
		}
	}
	rest := out.SourceRows - out.MisplacedSource // in equal buckets
	var second Counts
	for _, u := range p.seconds {
		c := u.out.Counts
		rest -= min(c.SourceRows, rest)
		c.SourceRows, c.TargetRows, c.SourceBytes = 0, 0, 0
		second.add(&c)
		out.First = append(out.First, u.out.First[:min(len(u.out.First), keepFirst-len(out.First))]...)
		out.Open = append(out.Open, u.out.Open...)
		out.TooMany = out.TooMany || u.out.TooMany
	}
	out.Counts.add(&second)
	if whole {
		out.Equal += rest - min(rest, p.ofSource)
		out.Expired += p.passed
	}
	return out
}

// groups is a partition of classes into sets that were joined.
type groups struct{ parent map[int64]int64 }

func newGroups() *groups { return &groups{map[int64]int64{}} }

// find gives the representative of a class.
func (g *groups) find(x int64) (root int64, known bool) {
	if _, known = g.parent[x]; !known {
		return 0, false
	}
	for g.parent[x] != x {
		g.parent[x] = g.parent[g.parent[x]]
		x = g.parent[x]
	}
	return x, true
}

// join puts two classes into one set.
func (g *groups) join(a, b int64) {
	for _, x := range []int64{a, b} {
		if _, known := g.parent[x]; !known {
			g.parent[x] = x
		}
	}
	a, _ = g.find(a)
	b, _ = g.find(b)
	g.parent[a] = b
}

// widest is the largest number of partitions that one of the second looks reads.
func widest(units []*unit) int {
	most := 1
	for _, u := range units {
		most = max(most, len(u.sources)+len(u.targets))
	}
	return most
}

// byPartition is the order in which looks are taken: those of a class after each other, so that little time lies
// between them, its sources and targets by turns.
func byPartition(pairs []*pair) []*look {
	var out []*look
	for _, p := range pairs {
		sources := slices.IndexFunc(p.looks, func(l *look) bool { return l.side == TargetSide })
		if sources < 0 {
			sources = len(p.looks)
		}
		out = append(out, alternating(p.looks[:sources], p.looks[sources:])...)
	}
	return slices.Clip(out)
}
