package sst

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// The column family in which servers of Pegasus keep what belongs to the partition, and its keys (src/base/meta_store.cpp).
// The values are decimal numbers as text.
const (
	metaFamily           = "pegasus_meta_cf"
	metaDataVersion      = "pegasus_data_version"
	metaFlushedDecree    = "pegasus_last_flushed_decree"
	metaCompactFinished  = "pegasus_last_manual_compact_finish_time"
	currentLimit         = 4 << 10
	manifestLimit        = 256 << 20
	defaultMemory        = 32 << 20
	leastAhead           = 32 << 10
	mostAhead            = 1 << 20
	unknownNumber        = -1
	maxMetaValue         = 20 // digits of a number
	currentPrefix        = "MANIFEST-"
	optionsPrefix        = "OPTIONS-"
	unencryptedHint      = "encrypted files are not read"
	unflushedExplanation = "rows that are only in it would be missing; let the server flush, or take a checkpoint"
)

var (
	currentForm = regexp.MustCompile(`^MANIFEST-[0-9]+\n$`)
	optionsForm = regexp.MustCompile(`^OPTIONS-([0-9]+)$`)
	logForm     = regexp.MustCompile(`^([0-9]+)\.log$`)
)

// ReadOptions say how to read.
type ReadOptions struct {
	// Memory in bytes that one Rows may take for reading ahead, divided among the files that are open at a time; 0 is
	// 32 MiB. Beside it each open file has its index in memory, about a hundredth of its size, and one block.
	Memory int64
}

// TableInfo is one table file of the column family default.
type TableInfo struct {
	Name  string
	Level int
	// Size in bytes.
	Size int64
	// SmallestSequence and LargestSequence of its rows. An ingested file has one for all.
	SmallestSequence, LargestSequence uint64
	// Smallest and Largest are keys of rows, inclusive.
	Smallest, Largest []byte
}

// CheckpointInfo is what a checkpoint says of itself.
type CheckpointInfo struct {
	// RocksDBVersion is the release that wrote the OPTIONS file, such as 6.6.4; empty without that file.
	RocksDBVersion string
	// Manifest is the name of the file that CURRENT names.
	Manifest string
	// Families are the names of all column families, sorted.
	Families []string
	// Tables of the column family default, by level and key, and their size together in bytes.
	Tables []TableInfo
	Bytes  int64
	// Levels that have tables, ascending.
	Levels []int
	// LastSequence is the sequence number of the last write.
	LastSequence uint64
	// DataVersion tells the form of the values (see package pegkey); -1 when the checkpoint does not say it, as no server
	// of Pegasus leaves it.
	DataVersion int
	// LastFlushedDecree is up to which decree the rows go, and LastManualCompact when a manual compaction ended, in
	// milliseconds since 1970, 0 for never; -1 when not said.
	LastFlushedDecree, LastManualCompact int64
}

// Checkpoint is a folder that was understood. It is immutable and safe for concurrent use.
type Checkpoint struct {
	fs      FS
	options ReadOptions
	version *version
	info    CheckpointInfo
}

// OpenCheckpoint reads CURRENT, the MANIFEST, the OPTIONS and the column family of the server's own. It fails with an
// [*Error] when anything is not understood that may change which rows there are, when a table is missing, and when
// write-ahead logs may have rows that no table has. It keeps no file open.
func OpenCheckpoint(fs FS, o ReadOptions) (*Checkpoint, error) {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	c := &Checkpoint{fs: fs, options: o}
	names, err := fs.List()
	if err != nil {
		return nil, &Error{Code: CodeIO, What: "the folder cannot be listed", Err: err}
	}
	if err := c.readManifest(); err != nil {
		return nil, err
	}
	if err := c.readOptions(names); err != nil {
		return nil, err
	}
	for _, f := range c.read() {
		if err := c.checkFamily(f, names); err != nil {
			return nil, err
		}
	}
	c.describe()
	return c, c.readMeta()
}

func (c *Checkpoint) readManifest() error {
	current, err := readWhole(c.fs, "CURRENT", currentLimit)
	if err != nil {
		return err
	}
	if !currentForm.Match(current) {
		return &Error{Code: CodeUnsupported, File: "CURRENT", What: "does not name a MANIFEST (" + unencryptedHint + ")"}
	}
	c.info.Manifest = string(current[:len(current)-1])
	b, err := readWhole(c.fs, c.info.Manifest, manifestLimit)
	if err != nil {
		return err
	}
	c.version, err = replayManifest(b)
	return inFile(err, c.info.Manifest)
}

// readOptions looks at the newest OPTIONS file; there may be none.
func (c *Checkpoint) readOptions(names []string) error {
	newest, number := "", uint64(0)
	for _, name := range names {
		if n, ok := numbered(optionsForm, name); ok && (newest == "" || n > number) {
			newest, number = name, n
		}
	}
	if newest == "" {
		return nil
	}
	b, err := readWhole(c.fs, newest, maxOptions)
	if err != nil {
		return err
	}
	o, err := parseOptions(b)
	if err != nil {
		return inFile(err, newest)
	}
	c.info.RocksDBVersion = o.version
	for _, f := range c.read() {
		if err := o.check(f.name); err != nil {
			return inFile(err, newest)
		}
	}
	return nil
}

func numbered(form *regexp.Regexp, name string) (uint64, bool) {
	m := form.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	return n, err == nil
}

// read gives the column families that rows are taken from.
func (c *Checkpoint) read() []*family {
	out := []*family{c.version.families[defaultFamily]}
	if f := c.familyNamed(metaFamily); f != nil {
		out = append(out, f)
	}
	return out
}

func (c *Checkpoint) familyNamed(name string) *family {
	for _, f := range c.version.families {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (c *Checkpoint) checkFamily(f *family, names []string) error {
	fail := func(e *Error) error {
		e.File = c.info.Manifest
		return e
	}
	if f.comparator != bytewiseComparator {
		return fail(unsupported("column family %s is ordered by %q", f.name, f.comparator))
	}
	files := f.sorted()
	if _, err := sortedRuns(files); err != nil {
		return inFile(err, c.info.Manifest)
	}
	for _, m := range files {
		if m.largestSeq > c.version.lastSequence {
			return fail(damaged("file %d goes to sequence number %d, and the last is %d", m.number, m.largestSeq, c.version.lastSequence))
		}
		if !slices.Contains(names, tableName(m.number)) {
			return &Error{Code: CodeMissing, File: tableName(m.number), What: "is named by " + c.info.Manifest + " and is not there"}
		}
	}
	for _, name := range names {
		if n, ok := numbered(logForm, name); ok && n >= max(f.logNumber, c.version.minLogNumber) {
			if err := c.checkLog(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkLog bears a write-ahead log that is empty: servers of Pegasus write none, but RocksDB makes the file.
func (c *Checkpoint) checkLog(name string) error {
	f, err := openNamed(c.fs, name)
	if err != nil {
		return err
	}
	size := f.Size()
	if err := f.Close(); err != nil {
		return fileError(err, name)
	}
	if size > 0 {
		return &Error{Code: CodeUnflushed, File: name, What: "is a write-ahead log of " + strconv.FormatInt(size, 10) + " bytes; " + unflushedExplanation}
	}
	return nil
}

func (c *Checkpoint) describe() {
	for _, f := range c.version.families {
		c.info.Families = append(c.info.Families, f.name)
	}
	slices.Sort(c.info.Families)
	c.info.LastSequence = c.version.lastSequence
	levels := map[int]bool{}
	for _, m := range c.version.families[defaultFamily].sorted() {
		c.info.Tables = append(c.info.Tables, TableInfo{
			Name: tableName(m.number), Level: m.level, Size: int64(m.size),
			SmallestSequence: m.smallestSeq, LargestSequence: m.largestSeq,
			Smallest: slices.Clone(userKey(m.smallest)), Largest: slices.Clone(userKey(m.largest)),
		})
		c.info.Bytes += int64(m.size)
		levels[m.level] = true
	}
	c.info.Levels = slices.Sorted(maps.Keys(levels))
	c.info.DataVersion, c.info.LastFlushedDecree, c.info.LastManualCompact = unknownNumber, unknownNumber, unknownNumber
}

// readMeta reads the server's own column family, where there is one.
func (c *Checkpoint) readMeta() error {
	f := c.familyNamed(metaFamily)
	if f == nil {
		return nil
	}
	rows, err := c.rows(f)
	if err != nil {
		return err
	}
	for err == nil && rows.Next() {
		err = c.takeMeta(string(rows.Key()), string(rows.Value()))
	}
	return errors.Join(cmp.Or(err, rows.Err()), rows.Close())
}

func (c *Checkpoint) takeMeta(key, value string) error {
	var number int64
	switch key {
	case metaDataVersion, metaFlushedDecree, metaCompactFinished:
		var err error
		if number, err = strconv.ParseInt(value, 10, 64); err != nil || number < 0 {
			return &Error{Code: CodeDamaged, File: metaFamily, What: fmt.Sprintf("%s is %.*q", key, maxMetaValue, value)}
		}
	}
	switch key {
	case metaDataVersion:
		if number > 1<<31-1 {
			return &Error{Code: CodeUnsupported, File: metaFamily, What: fmt.Sprintf("data version %d is not known", number)}
		}
		c.info.DataVersion = int(number)
	case metaFlushedDecree:
		c.info.LastFlushedDecree = number
	case metaCompactFinished:
		c.info.LastManualCompact = number
	}
	return nil
}

// Info tells what the checkpoint says of itself. The caller must not change what it points to.
func (c *Checkpoint) Info() CheckpointInfo { return c.info }

// Rows opens the tables of the column family default. The caller closes it.
func (c *Checkpoint) Rows() (*Rows, error) { return c.rows(c.version.families[defaultFamily]) }

func (c *Checkpoint) rows(f *family) (*Rows, error) {
	runs, err := sortedRuns(f.sorted())
	if err != nil {
		return nil, inFile(err, c.info.Manifest)
	}
	r := &Rows{last: c.version.lastSequence}
	// Each run has one stretch in use and one on its way.
	ahead := int(min(max(c.options.Memory/int64(2*max(len(runs), 1)), leastAhead), mostAhead))
	for _, tables := range runs {
		run := &sortedRun{fs: c.fs, tables: tables, ahead: ahead, unpack: &r.unpack}
		ok, err := run.next()
		if err != nil {
			return nil, errors.Join(err, run.close(), r.Close())
		}
		if ok {
			r.heap = append(r.heap, run)
		}
	}
	for i := len(r.heap)/2 - 1; i >= 0; i-- {
		r.sift(i)
	}
	return r, nil
}
