package backup

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
)

// maxProblems is how many damaged files are listed before reading ends: more say the same.
const maxProblems = 20

// VerifyOptions of Verify. The zero value is ready.
type VerifyOptions struct {
	// Parallel is how many files are read at once; default 4.
	Parallel int
	// Read, when not nil, is told of every piece of bytes that was read, from several goroutines at once.
	Read func(bytes int64)
}

// Damage is the error of a backup with files whose content is not the one that was written. Code is CodeDamaged.
type Damage struct {
	// Problems are errors of this package, sorted by path; there may be more of them.
	Problems []error
}

// Error lists the files.
func (d *Damage) Error() string {
	if len(d.Problems) == 1 {
		return d.Problems[0].Error()
	}
	return fmt.Sprintf("%d files are not what was written: %v", len(d.Problems), errors.Join(d.Problems...))
}

// Unwrap gives the problems.
func (d *Damage) Unwrap() []error { return d.Problems }

// Verify reads every file of a backup and compares its bytes with the sum in the metadata. Damaged and missing files are
// a *Damage; what the store could not do is its own error.
func Verify(ctx context.Context, s blobstore.Store, b *Backup, o VerifyOptions) error {
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	var (
		mu       sync.Mutex
		problems []error
	)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	for _, p := range b.Partitions {
		for _, f := range p.Files {
			g.Go(func() error {
				err := verifyFile(gctx, s, path.Join(p.Dir, f.Name), f, o.Read)
				if CodeOf(err) != CodeDamaged {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				if problems = append(problems, err); len(problems) >= maxProblems {
					return errEnough
				}
				return nil
			})
		}
	}
	err := g.Wait()
	if len(problems) > 0 && (err == nil || errors.Is(err, errEnough)) {
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return &Damage{Problems: problems}
	}
	return err
}

var errEnough = errors.New("enough damaged files")

func verifyFile(ctx context.Context, s blobstore.Store, name string, f File, read func(int64)) error {
	r, err := s.Open(ctx, name, 0, -1)
	if err != nil {
		return storeSaysDamaged(err, name)
	}
	defer r.Close()
	sum := md5.New()
	n, err := io.Copy(sum, &counting{r: r, read: read})
	if err != nil {
		return storeSaysDamaged(err, name)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != f.Size || !strings.EqualFold(got, f.MD5) {
		return damaged(name, "it has %d bytes with MD5 %s, and its metadata says %d with %s", n, got, f.Size, f.MD5)
	}
	return nil
}

// storeSaysDamaged makes damage of what a store finds missing or wrong in a file.
func storeSaysDamaged(err error, name string) error {
	if code := blobstore.CodeOf(err); code == blobstore.CodeNotFound || code == blobstore.CodeDamaged {
		return &Error{Code: CodeDamaged, Path: name, Hint: hintDamaged, Err: err}
	}
	return err
}

type counting struct {
	r    io.Reader
	read func(int64)
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.read != nil && n > 0 {
		c.read(int64(n))
	}
	return n, err
}
