package copier

import (
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pace"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
)

// Options tune a copy. The zero value of every field is usable.
type Options struct {
	// Partitions are the source partitions to copy, each once; empty means all.
	Partitions []int32
	// Filter takes the rows to copy. Its matches of keys are also left to the servers.
	Filter rowfilter.Filter
	// DropTTL writes rows without expiry, DropValue with empty values.
	DropTTL, DropValue bool
	// Overwrite says what becomes of rows that the target has.
	Overwrite Overwrite
	// MultiSet says which rows share a multi_put, MultiPutRows how many at most.
	MultiSet MultiSet
	// MultiSetConcurrency bounds the multi_puts in flight per source partition; 0 leaves it to
	// InFlight and InFlightBytes.
	MultiSetConcurrency int
	// Timeout is how long one request may take before it is sent again; 0 leaves it to the tables.
	Timeout time.Duration
	// Workers is how many partitions, or parts of partitions, are read at the same time, 1 to 64
	// (default 16).
	Workers int
	// SplitAfter is how long one worker reads a range of keys by itself while others have nothing to
	// do; then they take a part of what is left of it (default 1 s).
	SplitAfter time.Duration
	// InFlight is how many writes may be unacknowledged at once, 1 to 65536 (default 2048).
	InFlight int
	// InFlightBytes bounds the keys and values of these writes (default 32 MiB). One write
	// above it is let through alone.
	InFlightBytes int64
	// RowsPerSecond and BytesPerSecond cap what is written; 0 means no cap. Bytes are those
	// of raw keys and values.
	RowsPerSecond, BytesPerSecond int64
	// Pacer says how fast rows may move; nil is one of RowsPerSecond, BytesPerSecond and nothing
	// else, which are not looked at otherwise.
	Pacer *pace.Pacer
	// MultiPutRows is how many rows of one hash key and one expiry may share a multi_put
	// (default 500); below 2 there are none.
	MultiPutRows int
	// MultiPutBytes bounds a multi_put (default 512 KiB, half of what servers accept).
	MultiPutBytes int
	// MaxWrite is the largest request body that the target's servers accept
	// ([replication] max_allowed_write_size, default 1 MiB).
	MaxWrite int
	// ScanBatch is how many rows a page may have, 1 to 1000 (default 1000). Pages are also
	// bounded in bytes.
	ScanBatch int
	// PageMemory bounds the pages that are held or being read, all workers together (default
	// 64 MiB), as far as the sizes of rows can be foreseen.
	PageMemory int
	// GiveUpAfter is how long one row or one page is tried before the copy fails (default 2
	// minutes; a replica server that dies is replaced within one).
	GiveUpAfter time.Duration
	// SaveEvery is the time between two saves of cursors (default 1 s).
	SaveEvery time.Duration
	// ReportEvery is the time between two reports of progress (default 500 ms).
	ReportEvery time.Duration
	// SourceID is the id of the source table, 0 for unknown. Cursors of a table with another id are refused: one
	// that was dropped and made again has other rows in front of them.
	SourceID int32
	// Start is the moment that the bands of Digests count from. Cursors of an earlier run
	// overrule it; the zero time means now.
	Start time.Time
}

// Limits and defaults of Options.
const (
	maxWorkers  = 64
	maxInFlight = 65536
	// held is the number of pages that one worker may hold: the one being written, three
	// whose writes are not all acknowledged, and what a scan reads ahead.
	held     = 6
	maxPages = 4
	// minPage keeps pages from becoming single rows.
	minPage = 16 << 10
)

// withDefaults fills in what was left zero and cuts what is out of range.
func (o Options) withDefaults() Options {
	set := func(v *int, def, low, high int) {
		if *v == 0 {
			*v = def
		}
		*v = min(max(*v, low), high)
	}
	set(&o.Workers, 16, 1, maxWorkers)
	set(&o.InFlight, 2048, 1, maxInFlight)
	set(&o.MultiPutRows, 500, 1, 10000)
	set(&o.MaxWrite, 1<<20, 1<<10, 1<<30)
	set(&o.MultiPutBytes, 512<<10, 1, o.MaxWrite/2)
	set(&o.ScanBatch, 1000, 1, 1000)
	set(&o.PageMemory, 64<<20, 1<<20, 1<<30)
	if o.InFlightBytes <= 0 {
		o.InFlightBytes = 32 << 20
	}
	duration := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	duration(&o.GiveUpAfter, 2*time.Minute)
	duration(&o.SaveEvery, time.Second)
	duration(&o.ReportEvery, 500*time.Millisecond)
	duration(&o.SplitAfter, time.Second)
	if o.Start.IsZero() {
		o.Start = time.Now()
	}
	return o
}

// pageBytes is the aim for one page.
func (o Options) pageBytes(workers int) int { return max(o.PageMemory/(workers*held), minPage) }
