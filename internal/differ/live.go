package differ

import (
	"context"
	"errors"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// LiveTable is a table whose partitions can be scanned and whose rows can be read one by one. Safe
// for concurrent use.
type LiveTable interface {
	scan.Source
	// Row reads the row of a raw key from the partition that its hash selects, value and expiry of one
	// moment. found is false for one that is missing or has expired. It repeats what may be repeated
	// until ctx ends.
	Row(ctx context.Context, key []byte) (row scan.Row, found bool, err error)
}

// LiveOptions tune a comparison of tables that are written to. The zero value of every field is
// usable.
type LiveOptions struct {
	// Options apply as in Run, but Start does not: live comparisons make no digests.
	// Tolerance has another default while rows are looked at again, 10 s: a row that expires later is
	// given time to expire on both sides, so that only the last moments have to be forgiven. Without
	// that its default is 1 min.
	Options
	// Patience is how long a write may take to arrive on the target (default 1 min): what stays
	// unequal longer, without a change on the source, is a difference.
	Patience time.Duration
	// Still says that nothing changes on either side: what is unequal once is a difference.
	Still bool
	// TargetTTL is the default_ttl of the target in seconds, as SourceTTL. See Counts.Drifted.
	TargetTTL uint32
	// Ignore is a prefix of hash keys that are neither counted nor compared; nil for none.
	Ignore []byte
	// MaxWatched is how many keys are looked at again at the same time (default 100,000): more make
	// the scans wait.
	MaxWatched int
	// MaxOpen is how many keys that kept changing are kept (default 100,000).
	MaxOpen int
	// MaxDifferences ends the comparison early (default 100,000): every one of them costs Patience.
	// Counts are then of what was compared until that moment.
	MaxDifferences int
}

const (
	defaultPatience = time.Minute
	liveTolerance   = 10 * time.Second
	manyKeys        = 100_000
)

func (o LiveOptions) withDefaults() LiveOptions {
	if o.Tolerance <= 0 && !o.Still {
		o.Tolerance = liveTolerance
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	for _, v := range []*int{&o.MaxWatched, &o.MaxOpen, &o.MaxDifferences} {
		if *v <= 0 {
			*v = manyKeys
		}
	}
	return o
}

// liveRules are those of tables that clients write to.
func liveRules(o *LiveOptions) rules {
	r := newRules(&o.Options)
	r.live, r.targetTTL = true, o.TargetTTL
	return r
}

// LiveResult is the outcome of a live comparison.
type LiveResult struct {
	Result
	// Open are raw keys that kept changing: whether source and target agree about them can be said
	// when nothing changes, by Recheck.
	Open [][]byte
	// TooMany says that there were more open keys than are kept, or more differences than are waited
	// for: then only another comparison of everything proves anything.
	TooMany bool
}

// errEnough ends a comparison that found MaxDifferences.
var errEnough = errors.New("more differences than are waited for")

// RunLive compares every row of src with dst while clients write to src and a duplication carries
// their writes to dst. It scans both as Run does. A key that is unequal then, because it was written
// between the two readings or its write is still under way, is read again on both sides until it is
// equal. It is a difference when it stays unequal for Patience while the source does not change, and
// left open when the source never rests so long. A misplaced row is a difference at once: no write
// that is under way explains it.
//
// Cursors, save, report, errors and the end of ctx are as in Run; a cursor is saved when all keys of
// its unit are settled.
func RunLive(ctx context.Context, src, dst LiveTable, resume []Cursor, opts LiveOptions, save func([]Cursor) error, report Reporter) (LiveResult, error) {
	opts = opts.withDefaults()
	r, err := newRun(src, dst, opts.Options, save)
	if err != nil {
		return LiveResult{}, err
	}
	r.live, r.rules = &opts, liveRules(&opts)
	r.rules.tolerance, r.rules.clock = r.opts.Tolerance, r.opts.Clock
	if !opts.Still {
		r.watch = newWatchlist(r, src, dst)
	}
	if err := r.prepare(resume, ""); err != nil {
		return LiveResult{}, err
	}
	result, err := r.run(ctx, report)
	out := LiveResult{Result: result}
	for _, u := range r.parts {
		out.Open = append(out.Open, u.out.Open...)
		out.TooMany = out.TooMany || u.out.TooMany
	}
	if n := opts.MaxOpen; len(out.Open) > n { // of several runs
		out.Open, out.TooMany = out.Open[:n], true
	}
	if errors.Is(err, errEnough) {
		r.addUnfinished(&out.Result)
		out.TooMany, err = true, nil
	}
	return out, err
}

// addUnfinished takes into account what was found in units that were not compared to their end.
func (r *run) addUnfinished(out *Result) {
	for _, u := range r.parts {
		if u.done.Load() {
			continue
		}
		if r.digest != nil {
			p := r.digest.pairs[u.index]
			for _, second := range p.seconds {
				if !second.done.Load() {
					second.mergeLate()
				}
			}
			u.out = p.fold(r, false)
		}
		u.mergeLate()
		out.Counts.add(&u.out.Counts)
		out.First = append(out.First, u.out.First[:min(len(u.out.First), keepFirst-len(out.First))]...)
	}
}
