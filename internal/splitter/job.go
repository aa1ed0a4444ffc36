package splitter

import (
	"context"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// Defaults of a Job.
const (
	// DefaultFileSize is the size at which pegasus-spark cuts files too, and what RocksDB's levels are made of
	// (target_file_size_base, 64 MiB in config.ini of 2.5.0).
	DefaultFileSize = 64 << 20
	// MinFileSize keeps a wrong unit from making a file of every row.
	MinFileSize = 4 << 10
)

// DataVersion is the only form of values that is written: expiry, timetag, data. Servers have made tables of it since 2.0.
const DataVersion = 1

// Rows are the rows of one source partition in key order; *sst.Rows is one. Key and Value are valid until Next.
type Rows interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	// Skipped is how many rows of the server's own were left out.
	Skipped() int64
	Close() error
}

// Partition is one partition of the source.
type Partition struct {
	Index int
	// Bytes of its files, for progress and estimates.
	Bytes int64
	// Open begins to read it, and tells its data version: 0 or 1, below 0 when the files do not say it. A partition may be
	// opened several times, also at once.
	Open func(ctx context.Context, o OpenOptions) (rows Rows, dataVersion int, err error)
}

// OpenOptions of Partition.Open.
type OpenOptions struct {
	// Memory in bytes that reading ahead may take, 0 for the reader's own default.
	Memory int64
	// Read, when not nil, is told how many bytes were read, from any goroutine.
	Read func(bytes int)
}

// Source is the table that is split.
type Source struct {
	// Name says for people which backup it is.
	Name string
	// Fingerprint tells sources apart: a run goes on only with what was made from the same one.
	Fingerprint string
	// InitialPartitions is how many partitions the table was created with, 0 when unknown. Fewer than now means that it
	// was split on the server, which leaves rows behind in the old partitions until they are compacted.
	InitialPartitions int
	// Partitions, one per index, in order.
	Partitions []Partition
}

// Job says what to make of what. The zero values of everything after Store are ready to use, Compression too: none.
type Job struct {
	Source Source
	// Target is the place and the table that is loaded; its partition count is a power of two.
	Target backup.BulkLoad
	Store  blobstore.Store
	// FileSize in bytes is when a file is ended; files are larger by up to a block and an index. Default DefaultFileSize.
	FileSize    int64
	Compression sst.Compression
	// DropExpired leaves out rows that have expired at Now. Servers hide them, and drop them in a compaction.
	DropExpired bool
	// Now is what expiry is measured against; default the time of the start. A run that goes on takes that of the first.
	Now    time.Time
	Filter rowfilter.Filter
	// DropMisplaced leaves out, and counts, rows in partitions that their hash does not select and that no split on the
	// server explains. No client can read them. Without it they are an error.
	DropMisplaced bool
	// Parallel is how many units are worked on at once; default: the cores.
	Parallel int
	// Restart removes what an earlier run of any job left at Target. Without it an earlier run of the same job is gone
	// on with, and what another job left is an error. Files that no run wrote are an error with it too.
	Restart bool
	// Report, when not nil, is told how far it is, about twice per second and at the end, never twice at once.
	Report func(Progress)
}

// Counts account for every row that was read: In is the sum of all others.
type Counts struct {
	In int64 `json:"in"`
	// Out is how many rows were written, without placeholders.
	Out int64 `json:"out"`
	// Expired and Filtered were declared to be left out.
	Expired  int64 `json:"expired"`
	Filtered int64 `json:"filtered"`
	// Leftover rows lie where a partition split on the server left them: their hash selected this partition when the
	// table had fewer. The partition that it selects now has the row, newer, or deleted since. Servers hide leftovers and
	// drop them in a compaction (KeyWithTTLCompactionFilter, src/server/key_ttl_compaction_filter.h).
	Leftover int64 `json:"leftover"`
	// Misplaced rows lie in a partition that their hash never selected; see Job.DropMisplaced. Duplication between
	// tables of unequal partition counts makes such rows.
	Misplaced int64 `json:"misplaced"`
}

func (c *Counts) add(o Counts) {
	c.In += o.In
	c.Out += o.Out
	c.Expired += o.Expired
	c.Filtered += o.Filtered
	c.Leftover += o.Leftover
	c.Misplaced += o.Misplaced
}

func (c Counts) adds() bool {
	return c.In == c.Out+c.Expired+c.Filtered+c.Leftover+c.Misplaced
}

// Progress of a run. Counts, files and bytes are of this run and of the partitions that it kept from earlier ones.
type Progress struct {
	// Partitions of the target.
	Partitions, PartitionsDone int
	Counts
	// KeptRows are those of In that an earlier run read.
	KeptRows int64
	Files    int
	// Bytes written.
	Bytes int64
	// Read is how many bytes of the source this run has read, Size how many it will read at most.
	Read, Size int64
	Elapsed    time.Duration
}

// Result of a run that ended well: what lies at the target, whoever wrote it.
type Result struct {
	Counts
	// Skipped rows are the servers' own, one per partition of the source.
	Skipped int64 `json:"skipped"`
	// Placeholders are rows that were written into partitions that would be empty, which servers cannot load. They have
	// expired already.
	Placeholders int   `json:"placeholders"`
	Files        int   `json:"files"`
	Bytes        int64 `json:"bytes"`
	// Partitions of the target; Kept were finished by an earlier run.
	Partitions int `json:"partitions"`
	Kept       int `json:"kept"`
	// Now is what expiry was measured against.
	Now     time.Time     `json:"now"`
	Elapsed time.Duration `json:"elapsed_ns"`
}
