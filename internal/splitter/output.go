package splitter

import (
	"bytes"
	"context"
	"path"
	"strconv"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// output writes the files of one target partition. It belongs to one goroutine.
type output struct {
	store  blobstore.Store
	dir    string
	format sst.WriterOptions
	limit  int64 // size at which a file ends

	file  blobstore.Writer // nil between files
	table *sst.Writer      // one for all files, because of the room that it took
	files []backup.File
	bytes int64
	rows  int64 // as the writers of the files counted them
	// largest is the last key of the files that are finished.
	largest []byte
}

// empty puts the folder in order: what a killed run left in it is not known to be whole.
func (o *output) empty(ctx context.Context) error {
	if err := o.store.RemoveAll(ctx, o.dir); err != nil {
		return err
	}
	return o.store.MkdirAll(ctx, o.dir)
}

// add appends a row. The writer refuses keys that do not increase within a file.
func (o *output) add(ctx context.Context, key, value []byte) error {
	if o.file == nil {
		if err := o.begin(ctx, key); err != nil {
			return err
		}
	}
	if err := o.table.Add(key, value); err != nil {
		return err
	}
	if o.table.Size() >= o.limit {
		return o.end()
	}
	return nil
}

func (o *output) begin(ctx context.Context, key []byte) error {
	if len(o.files) > 0 && bytes.Compare(o.largest, key) >= 0 {
		return failed(CodeUnequal, o.dir, hintUnequal, "key %s comes after %s", shown(key), shown(o.largest))
	}
	file, err := o.store.Create(ctx, path.Join(o.dir, strconv.Itoa(len(o.files)+1)+".sst"))
	if err != nil {
		return err
	}
	if o.file = file; o.table == nil {
		o.table = sst.NewWriter(file, o.format)
	} else {
		o.table.Reset(file)
	}
	return nil
}

// end finishes the file, and believes it only when both writers counted the same.
func (o *output) end() error {
	info, err := o.table.Finish()
	if err != nil {
		return err
	}
	e, err := o.file.Commit()
	if err != nil {
		return err
	}
	o.file = nil
	if e.Size != info.Size || e.MD5 == "" {
		return failed(CodeUnequal, path.Join(o.dir, e.Name), hintUnequal, "%d bytes were written, and the store has %d with MD5 %q", info.Size, e.Size, e.MD5)
	}
	o.files = append(o.files, backup.File{Name: e.Name, Size: e.Size, MD5: e.MD5})
	o.largest = append(o.largest[:0], info.Largest...)
	o.rows += info.Entries
	o.bytes += info.Size
	return nil
}

// abort throws the file away that is being written.
func (o *output) abort() {
	if o.file != nil {
		_ = o.file.Abort() // what brought us here is the error that counts; the next run clears the folder
		o.file = nil
	}
}
