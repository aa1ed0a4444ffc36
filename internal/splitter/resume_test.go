package splitter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// resumable is a job of some seconds of rows in 4 units of 2 targets, with a declared moment.
func resumable(root string, gate func(context.Context) error) (Job, error) {
	made := makeTable(rand.New(rand.NewPCG(11, 12)), 4, 6000, 0)
	made.gate = gate
	s, err := blobstore.OpenLocal(context.Background(), root, blobstore.Deadlines{})
	return Job{
		Source: made.source(), Target: targetOf(8), Store: s, FileSize: 2 * MinFileSize, Parallel: 2,
		DropExpired: true, Now: time.Unix(pegkey.EpochUnix+500, 0),
	}, err
}

func mustResumable(t *testing.T, root string, gate func(context.Context) error) Job {
	t.Helper()
	job, err := resumable(root, gate)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// tree is every file that a server could see below a folder, without what only splits read.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(path.Dir(p)) == RecordDir {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, p))
		files[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Fatalf("%s has %d bytes and not the same as that of an undisturbed run, %d bytes", name, len(got[name]), len(want[name]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d files instead of %d: %v", len(got), len(want), slices.Sorted(maps.Keys(got)))
	}
}

// The environment of a process that is killed in the middle of a split.
const (
	envChild = "PEGMIGRATE_TEST_SPLIT" // folder to write to
	envRows  = "PEGMIGRATE_TEST_ROWS"  // rows after which it stands still and says so
)

// child is a split that stands still after some rows, until it is killed.
func child() int {
	limit, _ := strconv.ParseInt(os.Getenv(envRows), 10, 64)
	var rows atomic.Int64
	job, err := resumable(os.Getenv(envChild), func(ctx context.Context) error {
		if rows.Add(1) <= limit {
			return nil
		}
		if _, err := os.Stdout.WriteString("x"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil {
		_, err = Run(context.Background(), job)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKilledAndResumed kills a split again and again and lets the last one through: the bytes are those of a run that
// nobody disturbed. A unit has about 1450 rows and two are worked on at once, so that one is finished after 3500 rows.
func TestKilledAndResumed(t *testing.T) {
	undisturbed := t.TempDir()
	whole := mustRun(t, mustResumable(t, undisturbed, nil))
	root := t.TempDir()
	job := mustResumable(t, root, nil)
	for n, limit := range []int{0, 40, 900, 3500, 2400, 300} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), envChild+"="+root, envRows+"="+strconv.Itoa(limit))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatalf("run %d did not come to row %d: %v %s", n, limit, err, stderr.String())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		if err := job.Target.Ready(t.Context(), job.Store); err == nil {
			t.Fatalf("after run %d was killed it can be loaded", n)
		}
	}
	job.Now = time.Unix(1<<31, 0) // the first run's counts
	r := mustRun(t, job)
	if r.Kept == 0 || r.Kept == 8 || r.Counts != whole.Counts || r.Files != whole.Files || r.Bytes != whole.Bytes || r.Skipped != whole.Skipped {
		t.Fatalf("%+v; undisturbed %+v", r, whole)
	}
	sameTree(t, tree(t, root), tree(t, undisturbed))
	t.Logf("%d of 8 partitions were kept", r.Kept)
}

// TestNothingLeftToDo: a run after one that ended well changes nothing, not even for a moment.
func TestNothingLeftToDo(t *testing.T) {
	root := t.TempDir()
	first := mustRun(t, mustResumable(t, root, nil))
	before := tree(t, root)
	job := mustResumable(t, root, nil)
	job.Store = readOnly{job.Store}
	again := mustRun(t, job)
	if again.Kept != 8 || again.Counts != first.Counts || again.Files != first.Files {
		t.Fatalf("%+v, then %+v", first, again)
	}
	sameTree(t, tree(t, root), before)
}

// readOnly is a store that nobody may change.
type readOnly struct{ blobstore.Store }

var errChange = errors.New("a change")

func (readOnly) Create(context.Context, string) (blobstore.Writer, error) { return nil, errChange }
func (readOnly) Remove(context.Context, string) error                     { return errChange }
func (readOnly) RemoveAll(context.Context, string) error                  { return errChange }
func (readOnly) MkdirAll(context.Context, string) error                   { return errChange }

// TestDamagedPartitionsAreMadeAnew: what happened to the files between two runs does not stay.
func TestDamagedPartitionsAreMadeAnew(t *testing.T) {
	root := t.TempDir()
	mustRun(t, mustResumable(t, root, nil))
	want := tree(t, root)
	dir := filepath.Join(root, "staging/west/orders")
	damage := map[string]func() error{
		"a file is gone":      func() error { return os.Remove(filepath.Join(dir, "0/1.sst")) },
		"a file is shorter":   func() error { return os.Truncate(filepath.Join(dir, "1/1.sst"), 100) },
		"a record is gone":    func() error { return os.Remove(filepath.Join(dir, RecordDir, "2.json")) },
		"a record is cut":     func() error { return os.Truncate(filepath.Join(dir, RecordDir, "3.json"), 20) },
		"a list is gone":      func() error { return os.Remove(filepath.Join(dir, "4/bulk_load_metadata")) },
		"a partition is gone": func() error { return os.RemoveAll(filepath.Join(dir, "5")) },
		"the info is gone":    func() error { return os.Remove(filepath.Join(dir, "bulk_load_info")) },
		"the info and a sidecar": func() error {
			return errors.Join(os.Remove(filepath.Join(dir, "bulk_load_info")), os.Remove(filepath.Join(dir, "6/.1.sst.meta")))
		},
		"the record is another's": func() error {
			return os.Rename(filepath.Join(dir, RecordDir, "7.json"), filepath.Join(dir, RecordDir, "6.json"))
		},
	}
	for _, name := range slices.Sorted(maps.Keys(damage)) {
		if err := damage[name](); err != nil {
			t.Fatal(err)
		}
		r := mustRun(t, mustResumable(t, root, nil))
		if r.Kept < 6 || r.Kept == 8 && name != "the info is gone" {
			t.Errorf("%s: %d partitions were kept", name, r.Kept)
		}
		sameTree(t, tree(t, root), want)
	}
}

func TestPlacesOfOthers(t *testing.T) {
	root := t.TempDir()
	mustRun(t, mustResumable(t, root, nil))
	before := tree(t, root)
	for name, change := range map[string]func(*Job){
		"another backup":          func(j *Job) { j.Source.Fingerprint = "x" },
		"another count":           func(j *Job) { j.Target.PartitionCount = 4 },
		"another id":              func(j *Job) { j.Target.AppID = 8 },
		"another size of files":   func(j *Job) { j.FileSize = MinFileSize },
		"another compression":     func(j *Job) { j.Compression = 2 },
		"with rows that expired":  func(j *Job) { j.DropExpired = false },
		"with fewer rows":         func(j *Job) { j.Filter.HashKey.Kind = 4 },
		"without misplaced rows":  func(j *Job) { j.DropMisplaced = true },
		"a table that was split?": func(j *Job) { j.Source.InitialPartitions = 2 },
	} {
		job := mustResumable(t, root, nil)
		change(&job)
		if _, err := Run(t.Context(), job); CodeOf(err) != CodeOtherJob {
			t.Errorf("%s: %v", name, err)
		}
		sameTree(t, tree(t, root), before)
	}
	job := mustResumable(t, root, nil)
	job.Target.PartitionCount, job.Restart = 4, true
	if r := mustRun(t, job); r.Kept != 0 {
		t.Errorf("%d partitions were kept", r.Kept)
	}
	fresh := mustResumable(t, t.TempDir(), nil)
	fresh.Target.PartitionCount = 4
	mustRun(t, fresh)
	sameTree(t, tree(t, root), tree(t, strings.TrimPrefix(fresh.Store.String(), "local:")))

	foreign := t.TempDir()
	job = mustResumable(t, foreign, nil)
	job.Restart = true
	precious := filepath.Join(foreign, "staging/west/orders/3/1.sst")
	if err := errors.Join(os.MkdirAll(filepath.Dir(precious), 0o755), os.WriteFile(precious, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := blobstore.WriteFile(t.Context(), job.Store, "staging/west/orders/3/1.sst", []byte("precious")); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), job); CodeOf(err) != CodeOtherJob {
		t.Errorf("a folder that no split wrote: %v", err)
	}
	if data, err := os.ReadFile(precious); string(data) != "precious" {
		t.Errorf("it is %q now, %v", data, err)
	}
}

// TestTwoAtOnePlace: the second takes the place, and the first does not finish it.
func TestTwoAtOnePlace(t *testing.T) {
	root := t.TempDir()
	reached, hold := make(chan struct{}), make(chan struct{})
	var rows atomic.Int64
	first := mustResumable(t, root, func(context.Context) error {
		if rows.Add(1) == 1000 {
			close(reached)
			<-hold
		}
		return nil
	})
	first.Parallel = 1
	ended := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), first)
		ended <- err
	}()
	<-reached
	second := mustResumable(t, root, nil)
	mustRun(t, second)
	close(hold)
	if err := <-ended; err == nil {
		t.Fatal("both ended well")
	}
	// Whatever the first one did to the files: either they are whole, or the next run makes them so.
	mustRun(t, mustResumable(t, root, nil))
	fresh := t.TempDir()
	mustRun(t, mustResumable(t, fresh, nil))
	sameTree(t, tree(t, root), tree(t, fresh))
}

func TestCanceled(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var rows atomic.Int64
	job := mustResumable(t, root, func(context.Context) error {
		if rows.Add(1) == 1500 {
			cancel()
		}
		return nil
	})
	if _, err := Run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	mustRun(t, mustResumable(t, root, nil))
}
