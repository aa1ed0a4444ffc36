package differ

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/scan"
)

// Method is how two tables are compared.
type Method string

// The methods. Both find the same differences.
const (
	// MethodAuto takes MethodDigest where partition counts leave MethodMerge fewer units than workers, or
	// differ and nobody writes, and MethodMerge otherwise.
	MethodAuto Method = ""
	// MethodMerge walks both tables in the order of keys, one scan per side. As many units as the
	// counts of partitions have a common divisor run at the same time.
	MethodMerge Method = "merge"
	// MethodDigest sums up hashes of rows per bucket of the hash of the hash key, every partition of
	// either side by itself, and then compares the rows of unequal buckets only.
	MethodDigest Method = "digest"
)

// Options tune a comparison. The zero value of every field is usable.
type Options struct {
	// Method is how the tables are compared. Cursors of an earlier run overrule MethodAuto.
	Method Method
	// Unequal says that many partitions are expected to hold rows that differ. Sums find their buckets; to find the
	// rows, a partition with one unequal bucket is read a second time. So MethodAuto merges then, unless that leaves
	// more than three quarters of the workers without a unit.
	Unequal bool
	// Selection says which rows are compared, and what of them. The zero value: all of all rows.
	Selection Selection
	// Workers is how many units are compared at the same time, 1 to 64 (default 8). Fewer
	// are when their partitions together exceed 256 open scans.
	Workers int
	// RowsPerSecond and BytesPerSecond cap what is read of either side, each for itself, a second reading included;
	// 0 means no cap. A single worker reads the sides by turns, and so does MethodMerge where
	// Selection leaves out long runs of rows.
	RowsPerSecond, BytesPerSecond int64
	// Pacer says how fast rows may be read; nil is one of RowsPerSecond, BytesPerSecond and nothing
	// else, which are not looked at otherwise.
	Pacer *pace.Pacer
	// AllowExtra counts rows that only the target has and does not report them, for a
	// target that had rows of its own.
	AllowExtra bool
	// Tolerance is how far the clocks of servers may be apart (default 1 min): each cluster hides
	// rows that have expired by its own clock, so one that expires about now may be on one side only.
	Tolerance time.Duration
	// Eager takes rows for there until they have been expired for Tolerance, instead of for gone from Tolerance before
	// on. It is meant for differences that are repaired at once: writing or deleting a row that expires meanwhile does
	// no harm, and one that is left alone would be missing, or as it was, for the rest of its life, which is all of it
	// for rows with short ones.
	Eager bool
	// SourceTTL is the default_ttl of the source in seconds, 0 for none. The source's compaction
	// gives rows without expiry one that lies so far ahead; a row that the target still has without
	// is counted as Stamped then, not as different (server/key_ttl_compaction_filter.h).
	SourceTTL uint32
	// StampTTL is the default_ttl of the target in seconds, 0 for none, that rows came in under: one without
	// expiry may have got one that lies so far ahead at most, and is counted as Stamped then. Where both
	// sides may have given a row an expiry of their own it is counted as Drifted. Not for live comparisons,
	// which have LiveOptions.TargetTTL.
	StampTTL uint32
	// ExpirySkew is how far expiries may be apart, in seconds, when nobody ships rows but clients write both
	// tables: they turn a time to live into a moment for each of them, and again when they repeat a write. Rows
	// whose expiries are no further apart are counted as Drifted. Default 0.
	ExpirySkew uint32
	// OnDrift is told of every row that counts as Stamped or Drifted, as OnDifference is of others. May be nil.
	OnDrift func(Difference)
	// OnEqual is told of every row that both sides have with the same value and expiry, one at a time with
	// OnDifference and as that; its row is valid during the call. Run only, and it makes MethodAuto and MethodDigest
	// MethodMerge. May be nil.
	OnEqual func(row *scan.Row)
	// OnDifference is told of every difference, one at a time, in the order of keys within
	// a unit. It may take its time: the unit waits. May be nil.
	OnDifference func(Difference)
	// ScanBatch is how many rows a page may have, 1 to 1000 (default 1000).
	ScanBatch int
	// PageMemory bounds the pages that are held or being read (default 64 MiB), as far as
	// the sizes of rows can be foreseen.
	PageMemory int
	// GiveUpAfter is how long one page is tried before the comparison fails (default 2
	// minutes).
	GiveUpAfter time.Duration
	// ReportEvery is the time between two reports of progress (default 500 ms).
	ReportEvery time.Duration
	// Start is the moment that the bands of Digests count from, Digests.Begin of a first
	// reading to compare with it; the zero time means now. Cursors overrule it.
	Start time.Time
	// Clock tells whether a row has expired (default time.Now).
	Clock func() time.Time
}

// Bounds of the scans that are open at once.
const (
	maxWorkers = 64
	maxScans   = 256
	// perScan is the number of pages that a scan holds: the one in use, the one read ahead,
	// and room for both to be larger than foreseen.
	perScan = 3
	// minPage keeps pages from becoming single rows when a unit has thousands of scans.
	minPage = 4 << 10
)

// withDefaults fills in what was left zero and cuts what is out of range.
func (o Options) withDefaults() Options {
	set := func(v *int, def, low, high int) {
		if *v == 0 {
			*v = def
		}
		*v = min(max(*v, low), high)
	}
	set(&o.Workers, 8, 1, maxWorkers)
	set(&o.ScanBatch, 1000, 1, 1000)
	set(&o.PageMemory, 64<<20, 1<<20, 1<<30)
	duration := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	duration(&o.Tolerance, time.Minute)
	duration(&o.GiveUpAfter, 2*time.Minute)
	duration(&o.ReportEvery, 500*time.Millisecond)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Start.IsZero() {
		o.Start = o.Clock()
	}
	return o
}
