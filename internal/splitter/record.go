package splitter

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// RecordDir is the folder beside the partitions in which a run notes what the next one has to know.
const RecordDir = "split_records"

const (
	recordVersion = 1
	// maxRecord: a file has about 100 bytes in a record.
	maxRecord = 64 << 20
)

// terms are everything that decides about a byte of the output. Partitions of equal terms are interchangeable.
type terms struct {
	Version          int    `json:"version"`
	Source           string `json:"source"`
	Fingerprint      string `json:"fingerprint"`
	SourcePartitions int    `json:"source_partitions"`
	Initial          int    `json:"initial_partitions"`
	AppID            int32  `json:"app_id"`
	Table            string `json:"table"`
	Partitions       int32  `json:"partitions"`
	FileSize         int64  `json:"file_size"`
	Compression      int    `json:"compression"`
	DropExpired      bool   `json:"drop_expired"`
	DropMisplaced    bool   `json:"drop_misplaced"`
	HashKey          string `json:"hash_key"`
	SortKey          string `json:"sort_key"`
	Value            string `json:"value"`
}

// jobRecord is the first thing that a run writes.
type jobRecord struct {
	Terms terms `json:"terms"`
	// Run is drawn by each run; a run that finds another one's has lost the place to it.
	Run string `json:"run"`
	// Now is what expiry is measured against, unix seconds: that of the first run.
	Now int64 `json:"now"`
}

// partitionRecord says how a target partition came about. It is written after the files and before the list of them
// that servers read, which marks the partition as done.
type partitionRecord struct {
	Partition int `json:"partition"`
	// Stamp is that of the job: partitions of other jobs are worth nothing.
	Stamp string `json:"stamp"`
	Counts
	Skipped     int64         `json:"skipped"`
	Placeholder bool          `json:"placeholder"`
	Files       []backup.File `json:"files"`
}

func (j *Job) terms() terms {
	return terms{
		Version: recordVersion, Source: j.Source.Name, Fingerprint: j.Source.Fingerprint,
		SourcePartitions: len(j.Source.Partitions), Initial: j.Source.InitialPartitions,
		AppID: j.Target.AppID, Table: j.Target.Table, Partitions: j.Target.PartitionCount,
		FileSize: j.FileSize, Compression: int(j.Compression), DropExpired: j.DropExpired, DropMisplaced: j.DropMisplaced,
		HashKey: j.Filter.HashKey.String(), SortKey: j.Filter.SortKey.String(), Value: j.Filter.Value.String(),
	}
}

// stamp stands for the terms and the moment, and is the same for every run that goes on.
func (j jobRecord) stamp() (string, error) {
	j.Run = ""
	data, err := json.Marshal(j)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), err
}

// differs names the first term that another job had otherwise, "" when there is none.
func (t terms) differs(o terms) string {
	switch {
	case t.Version != o.Version:
		return "another release of this program"
	case t.Fingerprint != o.Fingerprint || t.Source != o.Source || t.SourcePartitions != o.SourcePartitions || t.Initial != o.Initial:
		return "another backup, " + o.Source
	case t.AppID != o.AppID || t.Table != o.Table || t.Partitions != o.Partitions:
		return fmt.Sprintf("another target, table %s with id %d and %d partitions", o.Table, o.AppID, o.Partitions)
	case t.FileSize != o.FileSize || t.Compression != o.Compression:
		return "another size or compression of files"
	case t != o:
		return "other rows to be left out"
	}
	return ""
}

// records read and write what a run notes.
type records struct {
	store blobstore.Store
	dir   string // of the table
}

func (r records) job() string            { return path.Join(r.dir, RecordDir, "job.json") }
func (r records) partition(i int) string { return path.Join(r.dir, RecordDir, strconv.Itoa(i)+".json") }

// read decodes a record; found is false when there is none. One that cannot be read is as good as none only to who says so.
func (r records) read(ctx context.Context, name string, into any) (found bool, err error) {
	data, err := blobstore.ReadFile(ctx, r.store, name, maxRecord)
	if blobstore.CodeOf(err) == blobstore.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return false, failed(CodeOtherJob, name, hintOtherJob, "it is no record of a split of this release: %w", err)
	}
	return true, nil
}

func (r records) write(ctx context.Context, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = blobstore.WriteFile(ctx, r.store, name, data)
	return err
}

// decide looks at what is there and refuses what is not to be touched. found says that an earlier run of the same job
// began here; then its moment is taken over, so that equal rows are left out.
func (r records) decide(ctx context.Context, job *Job) (mine jobRecord, found bool, err error) {
	mine = jobRecord{Terms: job.terms(), Run: rand.Text(), Now: job.Now.Unix()}
	var theirs jobRecord
	found, err = r.read(ctx, r.job(), &theirs)
	if job.Restart && CodeOf(err) == CodeOtherJob {
		found, err = true, nil // of another release; that it is a record of a split is enough
	}
	if err == nil && !found {
		err = r.mustBeFree(ctx)
	}
	if err != nil {
		return mine, false, err
	}
	if found && !job.Restart {
		if what := mine.Terms.differs(theirs.Terms); what != "" {
			return mine, false, failed(CodeOtherJob, r.dir, hintOtherJob, "it holds what a split of other terms wrote: %s", what)
		}
		mine.Now = theirs.Now
	}
	job.Now = time.Unix(mine.Now, 0)
	return mine, found && !job.Restart, nil
}

// claim makes the place this run's. The info of the servers goes before anything else: what is being changed cannot be
// loaded. Partitions that are not of this job are cleared when their turn comes; those that it does not have go here.
func (r records) claim(ctx context.Context, job *Job, mine jobRecord) error {
	if err := job.Target.Begin(ctx, r.store, true); err != nil {
		return err
	}
	if err := r.store.MkdirAll(ctx, path.Join(r.dir, RecordDir)); err != nil {
		return err
	}
	if err := r.write(ctx, r.job(), mine); err != nil || !job.Restart {
		return err
	}
	entries, err := r.store.List(ctx, r.dir)
	for _, e := range entries {
		i, notNumber := strconv.Atoi(e.Name)
		if err == nil && e.Dir && notNumber == nil && i >= int(job.Target.PartitionCount) {
			err = r.store.RemoveAll(ctx, path.Join(r.dir, e.Name))
		}
	}
	return err
}

// mustBeFree refuses a place with files in it. Empty folders are what a run leaves that was killed at its very start.
func (r records) mustBeFree(ctx context.Context) error {
	entries, err := r.store.List(ctx, r.dir)
	if blobstore.CodeOf(err) == blobstore.CodeNotFound {
		return nil
	}
	for _, e := range entries {
		inside := []blobstore.Entry{e}
		if e.Dir && err == nil {
			inside, err = r.store.List(ctx, path.Join(r.dir, e.Name))
		}
		if err == nil && len(inside) > 0 {
			return failed(CodeOtherJob, r.dir, hintForeign, "it holds %s, which no split of this program wrote", path.Join(e.Name, inside[0].Name))
		}
	}
	return err
}

// held says that no other run has begun at this place since the record was written.
func (r records) held(ctx context.Context, mine jobRecord) error {
	var now jobRecord
	found, err := r.read(ctx, r.job(), &now)
	if err == nil && (!found || now.Run != mine.Run) {
		err = failed(CodeTakenOver, r.dir, hintTaken, "another run has begun here")
	}
	return err
}

// finished reads how a partition came about, if it is done and its files are as they were written.
func (r records) finished(ctx context.Context, target backup.BulkLoad, i int, stamp string) (rec partitionRecord, done bool, err error) {
	listed, done, err := target.Partition(ctx, r.store, i)
	if backup.CodeOf(err) == backup.CodeDamaged {
		return rec, false, nil // it is made anew
	}
	if err != nil || !done {
		return rec, false, err
	}
	found, err := r.read(ctx, r.partition(i), &rec)
	if CodeOf(err) != "" || blobstore.CodeOf(err) == blobstore.CodeDamaged {
		return rec, false, nil // the same: its files could be whole, but nobody knows what is in them
	}
	whole := found && rec.Partition == i && rec.Stamp == stamp && rec.adds() && slices.Equal(rec.Files, listed)
	return rec, whole, err
}
