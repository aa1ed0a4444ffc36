package splitter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// madeBackup is where makeBackup writes.
const madeBackup = "onebox/1795224430664/orders_3"

// makeBackup writes a cold backup of table orders: RocksDB's own ldb makes the checkpoints. layers of a partition are
// loaded one after the other, so that rows of a later one hide those of an earlier one; none but the first is compacted.
func makeBackup(t testing.TB, root string, version int, partitions [][]iter.Seq[row]) Source {
	t.Helper()
	ldb := needTool(t, "ldb")
	s := localStore(t, root)
	write := func(name string, data []byte) blobstore.Entry {
		t.Helper()
		e, err := blobstore.WriteFile(t.Context(), s, name, data)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	mkdir := func(name string) {
		t.Helper()
		if err := s.MkdirAll(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(madeBackup + "/meta")
	write(madeBackup+"/meta/app_metadata", fmt.Appendf(nil, `{"status":"app_status::AS_AVAILABLE","app_type":"pegasus","app_name":"orders","app_id":3,"partition_count":%d,"envs":{},"is_stateful":1,"max_replica_count":3,"expire_second":0,"create_second":1795224185,"drop_second":0,"duplicating":0,"init_partition_count":%[1]d,"is_bulk_loading":0}`, len(partitions)))
	for i, layers := range partitions {
		const checkpoint = "chkpt_127.0.0.1_34801"
		dir := filepath.Join(madeBackup, strconv.Itoa(i), checkpoint)
		mkdir(filepath.Dir(dir))
		makeCheckpoint(t, ldb, filepath.Join(root, dir), version, layers)
		entries, err := os.ReadDir(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		var files []backup.File
		var size int64
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(root, dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			f := write(filepath.Join(dir, e.Name()), data) // for its sidecar
			files, size = append(files, backup.File{Name: f.Name, Size: f.Size, MD5: f.MD5}), size+f.Size
		}
		list, err := json.Marshal(map[string]any{"checkpoint_decree": 9, "checkpoint_timestamp": 1795224431000, "files": files, "checkpoint_total_size": size})
		if err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(dir, "backup_metadata"), list)
		write(filepath.Join(madeBackup, strconv.Itoa(i), "current_checkpoint"), []byte(checkpoint))
	}
	write("onebox/1795224430664/backup_info", []byte(`{"backup_id":1795224430664,"start_time_ms":1795224430664,"end_time_ms":0,"app_id":3,"app_name":"orders"}`))
	return openMade(t, root)
}

func openMade(t testing.TB, root string) Source {
	t.Helper()
	s := localStore(t, root)
	d, err := backup.ParseDir(madeBackup)
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Read(t.Context(), s, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return FromBackup(s, b)
}

// makeCheckpoint has ldb load rows, beside the column family in which servers keep the data version and the empty row that
// they write themselves.
func makeCheckpoint(t testing.TB, ldb, dir string, version int, layers []iter.Seq[row]) {
	t.Helper()
	db := t.TempDir()
	run := func(in io.Reader, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), ldb, append([]string{"--db=" + db}, args...)...)
		cmd.Stdin = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ldb %v: %v\n%s", args, err, out)
		}
	}
	for n, rows := range layers {
		in, out := io.Pipe()
		go func() {
			w := bufio.NewWriterSize(out, 1<<20)
			for r := range rows {
				fmt.Fprintf(w, "0x%X ==> 0x%X\n", r.key, r.value)
			}
			_ = out.CloseWithError(w.Flush()) // never fails
		}()
		args := []string{"--create_if_missing", "--hex", "--compression_type=lz4", "--disable_wal", "load"}
		if n == 0 {
			args = append(args, "--bulk_load", "--compact")
		}
		run(in, args...)
	}
	run(nil, "--hex", "put", "0x", "0x000000000000000000000002")
	run(nil, "create_column_family", "pegasus_meta_cf")
	run(nil, "--column_family=pegasus_meta_cf", "put", "pegasus_data_version", strconv.Itoa(version))
	run(nil, "checkpoint", "--checkpoint_dir="+dir)
}

// TestMadeBackup splits tables of both data versions whose files RocksDB wrote, with rows that others hide.
func TestMadeBackup(t *testing.T) {
	needTool(t, "sst_dump")
	for _, c := range []struct{ n, m, version int }{{6, 4, 1}, {4, 16, 0}, {3, 1, 1}} {
		t.Run(fmt.Sprintf("%d to %d, version %d", c.n, c.m, c.version), func(t *testing.T) {
			made := makeTable(rand.New(rand.NewPCG(5, uint64(c.n))), c.n, 3000, c.version)
			var partitions [][]iter.Seq[row]
			for _, rows := range made.partitions {
				old := slices.Clone(rows)
				for i := range old {
					old[i].value = append(make([]byte, 12), "hidden"...)
				}
				partitions = append(partitions, []iter.Seq[row]{slices.Values(old), slices.Values(rows)})
			}
			root, out := t.TempDir(), t.TempDir()
			job := Job{
				Source: makeBackup(t, root, c.version, partitions), Target: targetOf(c.m), Store: localStore(t, out),
				Compression: sst.LZ4, FileSize: 16 << 10, DropExpired: true, Now: time.Unix(pegkey.EpochUnix+500, 0),
			}
			r := mustRun(t, job)
			want, counts := expected(made, job)
			if r.Counts != counts || r.Skipped != int64(c.n) {
				t.Fatalf("%+v; expected %+v", r, counts)
			}
			same(t, written(t, out, job.Target), want, r.Placeholders)
		})
	}
}

// TestDamagedSource: a bit in a block of a file of the backup is found while it is split.
func TestDamagedSource(t *testing.T) {
	made := makeTable(rand.New(rand.NewPCG(5, 6)), 1, 500, 1)
	root := t.TempDir()
	src := makeBackup(t, root, 1, [][]iter.Seq[row]{{slices.Values(made.partitions[0])}})
	files, err := filepath.Glob(filepath.Join(root, madeBackup, "0/chkpt_127.0.0.1_34801/*.sst"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.IndexByte(data[100:], 0); at >= 0 {
			data[100+at] ^= 8
		}
		if err := os.WriteFile(f, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	job := Job{Source: src, Target: targetOf(2), Store: localStore(t, t.TempDir())}
	if _, err := Run(context.Background(), job); sst.CodeOf(err) != sst.CodeDamaged {
		t.Fatal(err)
	}
}
