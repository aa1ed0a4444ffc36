package splitter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/rowfilter"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// expected says in the plainest way which rows a job has to write, by partition of the target.
func expected(m table, job Job) (out [][]row, counts Counts) {
	out = make([][]row, job.Target.PartitionCount)
	for _, p := range m.partitions {
		for _, r := range p {
			hashKey, sortKey, err := pegkey.Decode(r.key)
			if err != nil {
				panic(err)
			}
			v, err := pegkey.DecodeValue(m.version, r.value)
			if err != nil {
				panic(err)
			}
			counts.In++
			switch {
			case job.DropExpired && pegkey.Expired(v.Expire, job.Now):
				counts.Expired++
				continue
			case !job.Filter.Takes(hashKey, sortKey, v.Data):
				counts.Filtered++
				continue
			}
			counts.Out++
			to := pegkey.Hash(hashKey, sortKey) % uint64(job.Target.PartitionCount)
			value, err := pegkey.EncodeValue(nil, 1, v)
			if err != nil {
				panic(err)
			}
			out[to] = append(out[to], row{r.key, value})
		}
	}
	for _, p := range out {
		slices.SortFunc(p, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	}
	return out, counts
}

// same compares what was written with what was expected; empty partitions have one row that nobody can see.
func same(t *testing.T, got, want [][]row, placeholders int) {
	t.Helper()
	empty := 0
	for i := range want {
		if len(want[i]) == 0 {
			empty++
			if len(got[i]) != 1 {
				t.Fatalf("partition %d has %d rows instead of a placeholder", i, len(got[i]))
			}
			v, err := pegkey.DecodeValue(1, got[i][0].value)
			if err != nil || !pegkey.Expired(v.Expire, time.Unix(pegkey.EpochUnix+1, 0)) || pegkey.HashRaw(got[i][0].key)%uint64(len(want)) != uint64(i) {
				t.Fatalf("the placeholder of partition %d is %q, %+v, %v", i, got[i][0].key, v, err)
			}
			continue
		}
		if !slices.EqualFunc(got[i], want[i], func(a, b row) bool { return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value) }) {
			t.Fatalf("partition %d: %d rows were written and %d expected, or they differ", i, len(got[i]), len(want[i]))
		}
	}
	if empty != placeholders {
		t.Fatalf("%d placeholders are counted, and %d partitions are empty", placeholders, empty)
	}
}

// TestAnyPairOfCounts splits random tables; RocksDB's own tool reads what was written.
func TestAnyPairOfCounts(t *testing.T) {
	needTool(t, "sst_dump")
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, c := range [][2]int{{6, 4}, {4, 16}, {16, 4}, {1, 8}, {8, 1}, {7, 4}, {8, 8}, {0, 0}, {0, 0}, {0, 0}} {
		n, m := c[0], c[1]
		if n == 0 {
			n, m = 1+rng.IntN(24), 1<<rng.IntN(5)
		}
		rows, version := []int{0, 3, 40, 4000}[rng.IntN(4)], rng.IntN(2)
		if c[0] > 0 {
			rows = 2000
		}
		t.Run(fmt.Sprintf("%d to %d, %d rows of version %d", n, m, rows, version), func(t *testing.T) {
			t.Logf("seed %d", seed)
			made := makeTable(rng, n, rows, version)
			root := t.TempDir()
			job := Job{
				Source: made.source(), Target: targetOf(m), Store: localStore(t, root), FileSize: MinFileSize << rng.IntN(3),
				Compression: []sst.Compression{sst.NoCompression, sst.Snappy, sst.LZ4, sst.ZSTD}[rng.IntN(4)],
				DropExpired: rng.IntN(2) == 0, Now: time.Unix(pegkey.EpochUnix+500, 0), Parallel: 1 + rng.IntN(3),
			}
			if rng.IntN(3) == 0 {
				job.Filter.Value = rowfilter.Match{Kind: rowfilter.Anywhere, Pattern: []byte{'a'}}
			}
			r := mustRun(t, job)
			want, counts := expected(made, job)
			if r.Counts != counts || r.Skipped != int64(n) || r.Partitions != m || r.Kept != 0 {
				t.Fatalf("%+v; expected %+v", r, counts)
			}
			same(t, written(t, root, job.Target), want, r.Placeholders)
		})
	}
}

// TestManyTargets: more targets in a unit than files may be open at once.
func TestManyTargets(t *testing.T) {
	made := makeTable(rand.New(rand.NewPCG(1, 2)), 1, 3000, 1)
	root := t.TempDir()
	job := Job{Source: made.source(), Target: targetOf(64), Store: localStore(t, root), Parallel: 4, Now: time.Unix(1<<31, 0), Filter: rowfilter.Filter{HashKey: rowfilter.Match{Kind: rowfilter.Exact}}}
	if n := len(parts(1, 64, 4, func(int) bool { return false })); n != 4 {
		t.Fatalf("%d parts", n)
	}
	r := mustRun(t, job)
	want, counts := expected(made, job)
	if r.Counts != counts || r.Skipped != 1 {
		t.Fatalf("%+v; expected %+v", r, counts)
	}
	same(t, written(t, root, job.Target), want, r.Placeholders)
}

func TestUnitsAreResidueClasses(t *testing.T) {
	for n := 1; n <= 40; n++ {
		for m := 1; m <= 64; m *= 2 {
			of := map[int]int{} // source -> unit
			seen := map[int]bool{}
			all := units(n, m)
			for i, u := range all {
				for _, s := range u.sources {
					of[s] = i
				}
				for _, target := range u.targets {
					if seen[target] {
						t.Fatalf("%d to %d: target %d in two units", n, m, target)
					}
					seen[target] = true
				}
			}
			if len(of) != n || len(seen) != m {
				t.Fatalf("%d to %d: %v", n, m, all)
			}
			for h := range n * m { // every pair of residues that there can be
				if !slices.Contains(all[of[h%n]].targets, h%m) {
					t.Fatalf("%d to %d: hash %d", n, m, h)
				}
			}
		}
	}
}

// TestRowsInWrongPartitions: those that a partition split left are dropped, others refused unless that is declared.
func TestRowsInWrongPartitions(t *testing.T) {
	made := makeTable(rand.New(rand.NewPCG(3, 4)), 8, 4000, 1)
	stray := func(from, to int) table { // a copy of the first rows of one partition lies in another
		m := table{version: 1, partitions: slices.Clone(made.partitions)}
		m.partitions[to] = append(slices.Clone(made.partitions[from][:10]), made.partitions[to]...)
		slices.SortFunc(m.partitions[to], func(a, b row) int { return bytes.Compare(a.key, b.key) })
		return m
	}
	for name, test := range map[string]struct {
		from, to, initial, targets int
		drop                       bool
		leftover, misplaced        int64
		code                       Code
	}{
		"left by the last split":            {from: 5, to: 1, initial: 4, targets: 16, leftover: 10},
		"left by an earlier split":          {from: 6, to: 4, initial: 2, targets: 4, leftover: 10},
		"in the unit, and in no target":     {from: 5, to: 1, initial: 4, targets: 8, leftover: 10},
		"never split":                       {from: 5, to: 1, initial: 8, targets: 16, code: CodeMisplaced},
		"of an unknown past":                {from: 5, to: 1, initial: 0, targets: 16, code: CodeMisplaced},
		"no split explains it":              {from: 5, to: 2, initial: 4, targets: 16, code: CodeMisplaced},
		"declared":                          {from: 5, to: 2, initial: 4, targets: 4, drop: true, misplaced: 10},
		"declared, and left":                {from: 5, to: 1, initial: 4, targets: 4, drop: true, leftover: 10},
		"initial count that cannot be":      {from: 5, to: 2, initial: 3, targets: 4, code: CodeMisplaced},
		"initial count above that of today": {from: 5, to: 1, initial: 16, targets: 4, code: CodeMisplaced},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			job := Job{Source: stray(test.from, test.to).source(), Target: targetOf(test.targets), Store: localStore(t, root), Now: time.Unix(1<<31, 0), DropMisplaced: test.drop}
			job.Source.InitialPartitions = test.initial
			if test.code != "" {
				if _, err := Run(t.Context(), job); CodeOf(err) != test.code {
					t.Fatalf("%v", err)
				}
				if err := job.Target.Ready(t.Context(), job.Store); err == nil {
					t.Fatal("it can be loaded")
				}
				return
			}
			r := mustRun(t, job)
			want, counts := expected(made, job)
			counts.In, counts.Leftover, counts.Misplaced = counts.In+10, test.leftover, test.misplaced
			if r.Counts != counts {
				t.Fatalf("%+v; expected %+v", r.Counts, counts)
			}
			same(t, written(t, root, job.Target), want, r.Placeholders)
		})
	}
}

func TestRowsThatNoServerWrote(t *testing.T) {
	hashed := func(hashKey string) []byte { return pegkey.Encode(nil, []byte(hashKey), nil) }
	for name, rows := range map[string][]row{
		"a key without a length":       {{[]byte{0}, make([]byte, 12)}},
		"a key shorter than it says":   {{[]byte{0, 9, 'a'}, make([]byte, 12)}},
		"a value without a timetag":    {{hashed("a"), make([]byte, 11)}},
		"an empty value":               {{hashed("a"), nil}},
		"a value of an older version?": {{hashed("a"), []byte("\x00\x00\x00\x00data")[:6]}},
	} {
		job := Job{Source: table{version: 1, partitions: [][]row{rows}}.source(), Target: targetOf(2), Store: localStore(t, t.TempDir())}
		if _, err := Run(t.Context(), job); CodeOf(err) != CodeRow {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, rows := range map[string][]row{
		"a row twice":  {{hashed("a"), make([]byte, 12)}, {hashed("a"), make([]byte, 12)}},
		"out of order": {{hashed("b"), make([]byte, 12)}, {hashed("a"), make([]byte, 12)}},
	} {
		job := Job{Source: table{version: 1, partitions: [][]row{rows}}.source(), Target: targetOf(1), Store: localStore(t, t.TempDir())}
		if _, err := Run(t.Context(), job); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	job := Job{Source: table{version: 2, partitions: [][]row{nil}}.source(), Target: targetOf(1), Store: localStore(t, t.TempDir())}
	if _, err := Run(t.Context(), job); CodeOf(err) != CodeInvalid {
		t.Errorf("data version 2: %v", err)
	}
}

func TestJobsThatCannotBe(t *testing.T) {
	good := func() Job {
		return Job{Source: makeTable(rand.New(rand.NewPCG(1, 1)), 2, 10, 1).source(), Target: targetOf(4), Store: localStore(t, t.TempDir())}
	}
	for name, change := range map[string]func(*Job){
		"no power of two":      func(j *Job) { j.Target.PartitionCount = 6 },
		"no partition":         func(j *Job) { j.Target.PartitionCount = 0 },
		"no source":            func(j *Job) { j.Source.Partitions = nil },
		"a hole in the source": func(j *Job) { j.Source.Partitions[0].Index = 1 },
		"a file of a few rows": func(j *Job) { j.FileSize = 64 },
		"no store":             func(j *Job) { j.Store = nil },
	} {
		job := good()
		change(&job)
		if _, err := Run(t.Context(), job); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	job := good()
	job.Target.AppID = 0
	if _, err := Run(t.Context(), job); err == nil {
		t.Error("a table without an id was accepted")
	}
	if _, err := os.Stat(job.Store.String()); err == nil {
		t.Error("something was written")
	}
}
