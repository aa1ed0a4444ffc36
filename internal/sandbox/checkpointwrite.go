package sandbox

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// checkpointOptions is the OPTIONS file that a 2.5.0 server put into a checkpoint.
//
//go:embed checkpoint_options.ini
var checkpointOptions string

// checkpointRows is a partition at one moment, to be written as a RocksDB checkpoint.
type checkpointRows struct {
	rows      *btree.BTreeG[row]
	decree    int64
	version   int // data version of the values
	at        time.Time
	compacted time.Time
	scenario  string
	behind    bool
	cluster   int // id of the cluster, for timetags
}

// Numbers of the files, in the style of recorded checkpoints.
const (
	manifestNumber = 4
	optionsNumber  = 11
	metaNumber     = 12
	firstRowFile   = 14
	rowFileBytes   = 64 << 20
	rowLevel       = 1
	// checkpointSeq is the last sequence number; rows of the upper file carry one below.
	checkpointSeq = 1 << 20
)

// staleShare: of every so many rows one was overwritten after the last compaction, so that
// the lower file has an older value and the upper one the true one. That is what real
// checkpoints look like, and what readers have to get right.
const staleShare = 8

// write writes the files of the checkpoint into a local folder and lists them. Rows lie in
// files of level 1, compacted to sequence number 0, below one of level 0 whose sequence
// number is in the MANIFEST only, as with files that were ingested.
func (k checkpointRows) write(dir string) ([]backupFile, error) {
	w := &checkpointWriter{dir: dir, tag: k.timetag(), version: k.version}
	lower, upper := &rowFiles{w: w, level: rowLevel}, &rowFiles{w: w, level: 0, seqno: checkpointSeq - 1}
	w.next = firstRowFile
	k.rows.Scan(func(r row) bool {
		overwritten := len(r.key()) > 0 && crc32.ChecksumIEEE(r.key())%staleShare == 0
		switch {
		case overwritten:
			lower.add(r.key(), append(w.value(r), "overwritten"...))
			upper.add(r.key(), w.value(r))
		default:
			lower.add(r.key(), w.value(r))
		}
		return w.err == nil
	})
	lower.close()
	upper.close()
	w.meta(k)
	if w.err != nil {
		return nil, fmt.Errorf("sandbox: checkpoint: %w", w.err)
	}
	m := manifest{files: w.files, next: w.next, last: checkpointSeq}
	name := fmt.Sprintf("MANIFEST-%06d", manifestNumber)
	w.plain(name, string(m.encode()))
	w.plain("CURRENT", name+"\n")
	w.plain("IDENTITY", fmt.Sprintf("%08x-0000-4000-8000-%012x\n", uint32(k.decree), k.at.UnixMicro()))
	w.plain(fmt.Sprintf("OPTIONS-%06d", optionsNumber), strings.NewReplacer("{{behind}}", strconv.FormatBool(k.behind), "{{wal_dir}}", dir).Replace(checkpointOptions))
	w.plain("LOG", fmt.Sprintf("%s checkpoint of a sandbox, decree %d\n", k.at.UTC().Format("2006/01/02-15:04:05.000000"), k.decree))
	if w.err != nil {
		return nil, fmt.Errorf("sandbox: checkpoint: %w", w.err)
	}
	return w.listed, nil
}

// timetag is that of all rows: time in microseconds, id of the cluster, no deletion.
func (k checkpointRows) timetag() uint64 {
	return uint64(k.at.UnixMicro())<<8 | uint64(k.cluster)<<1
}

// checkpointWriter collects what was written; err is the first failure.
type checkpointWriter struct {
	dir     string
	tag     uint64
	version int
	next    uint64
	files   []manifestFile
	listed  []backupFile
	err     error
}

// value is a row's value as RocksDB has it in the data version of the table.
func (w *checkpointWriter) value(r row) []byte {
	v := binary.BigEndian.AppendUint32(nil, r.expire())
	if w.version > 0 {
		v = binary.BigEndian.AppendUint64(v, w.tag)
	}
	return append(v, r.value()...)
}

// plain writes a file that is no table.
func (w *checkpointWriter) plain(name, content string) {
	if w.err == nil {
		w.err = os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o644)
	}
	w.list(name)
}

// list sums a file that was written.
func (w *checkpointWriter) list(name string) {
	if w.err != nil {
		return
	}
	var s sidecar
	if s, w.err = sumFile(filepath.Join(w.dir, name)); w.err == nil {
		w.listed = append(w.listed, backupFile{Name: name, Size: s.Size, MD5: s.MD5})
	}
}

// meta writes the column family that knows data version and decree.
func (w *checkpointWriter) meta(k checkpointRows) {
	f := &rowFiles{w: w, family: cfMeta, level: 0, seqno: checkpointSeq, number: metaNumber}
	f.add([]byte("pegasus_data_version"), strconv.AppendInt(nil, int64(k.version), 10))
	f.add([]byte("pegasus_last_flushed_decree"), strconv.AppendInt(nil, k.decree, 10))
	finished := int64(0)
	if !k.compacted.IsZero() {
		finished = k.compacted.UnixMilli()
	}
	f.add([]byte("pegasus_last_manual_compact_finish_time"), strconv.AppendInt(nil, finished, 10))
	f.add([]byte(envUsageScenario), []byte(k.scenario))
	f.close()
}

// rowFiles writes rows of one level, in order, into as many files as needed.
type rowFiles struct {
	w      *checkpointWriter
	family uint32
	level  int
	seqno  uint64
	number uint64 // of the only file, 0 to count on

	name string
	at   uint64
	file *os.File
	out  *sst.Writer
}

func (f *rowFiles) add(key, value []byte) {
	if f.w.err == nil && f.out == nil {
		f.open()
	}
	if f.w.err != nil {
		return
	}
	if f.w.err = f.out.Add(key, value); f.w.err == nil && f.out.Size() >= rowFileBytes {
		f.close()
	}
}

func (f *rowFiles) open() {
	f.at = f.number
	if f.at == 0 {
		f.at = f.w.next
		f.w.next++
	}
	f.name = fmt.Sprintf("%06d.sst", f.at)
	if f.file, f.w.err = os.Create(filepath.Join(f.w.dir, f.name)); f.w.err == nil {
		f.out = sst.NewWriter(f.file, sst.WriterOptions{Compression: sst.NoCompression})
	}
}

// close ends the current file, if any.
func (f *rowFiles) close() {
	if f.out == nil {
		return
	}
	info, err := f.out.Finish()
	f.out = nil
	for _, e := range []error{err, f.file.Close()} {
		if f.w.err == nil {
			f.w.err = e
		}
	}
	f.w.list(f.name)
	f.w.files = append(f.w.files, manifestFile{family: f.family, level: f.level, number: f.at, size: info.Size,
		smallest: info.Smallest, largest: info.Largest, seqno: f.seqno})
}
