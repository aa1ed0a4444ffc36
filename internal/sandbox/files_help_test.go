package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/blobstore"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
	"github.com/pegmigrate/pegmigrate/internal/sst"
)

// fileWorld is a cluster with a block service, whose clock only moves when told to.
type fileWorld struct {
	t     *testing.T
	c     *Cluster
	clock *ManualClock
	dir   string
	store *blobstore.Local
}

// provider is the name of the block service of tests.
const provider = "local_service"

func newFileWorld(t *testing.T, dir string, change ...func(*Config)) *fileWorld {
	t.Helper()
	cfg := Config{Name: "alpha", TimeFactor: 1, Seed: 1, Metas: 2, Clock: NewManualClock(unixTime(1795224500)), BlockServices: map[string]string{provider: dir}}
	for _, f := range change {
		f(&cfg)
	}
	store, err := blobstore.OpenLocal(t.Context(), dir, blobstore.Deadlines{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	clock, _ := cfg.Clock.(*ManualClock)
	return &fileWorld{t: t, c: start(t, cfg), clock: clock, dir: dir, store: store}
}

// table makes a table and fills it.
func (w *fileWorld) table(spec TableSpec, rows ...Row) *tableClient {
	w.t.Helper()
	tc := openManual(w.t, w.c, w.clock, spec)
	if err := w.c.Load(spec.Name, slices.Values(rows)); err != nil {
		w.t.Fatal(err)
	}
	return tc
}

// ask sends a request to the leading meta.
func (w *fileWorld) ask(name string, req, resp idl.Message) {
	w.t.Helper()
	dial(w.t, w.c.Leader()).call(idl.RequestHeader{TimeoutMs: 4000}, name, req, resp)
}

// wait moves the clock until ok holds.
func (w *fileWorld) wait(what string, limit time.Duration, ok func() bool) {
	w.t.Helper()
	for end := w.clock.Now().Add(limit); !ok(); w.clock.Advance(50 * time.Millisecond) {
		if w.clock.Now().After(end) {
			w.t.Fatalf("%s did not happen within %v", what, limit)
		}
	}
}

// startBackup starts a backup that must be accepted.
func (w *fileWorld) startBackup(appID int32) int64 {
	w.t.Helper()
	var resp idl.StartBackupAppResponse
	w.ask(idl.NameStartBackupApp, &idl.StartBackupAppRequest{BackupProviderType: provider, AppID: appID}, &resp)
	if !resp.Err.OK() || resp.BackupID == nil {
		w.t.Fatalf("%s %s", string(resp.Err), resp.HintMessage)
	}
	return *resp.BackupID
}

func (w *fileWorld) backupStatus(appID int32, id int64) idl.QueryBackupStatusResponse {
	w.t.Helper()
	var resp idl.QueryBackupStatusResponse
	w.ask(idl.NameQueryBackupStatus, &idl.QueryBackupStatusRequest{AppID: appID, BackupID: &id}, &resp)
	return resp
}

// backUp makes a whole backup.
func (w *fileWorld) backUp(table string, appID int32) backup.Dir {
	w.t.Helper()
	id := w.startBackup(appID)
	w.wait("the end of the backup", time.Minute, func() bool {
		s := w.backupStatus(appID, id)
		return len(s.BackupItems) == 1 && s.BackupItems[0].EndTimeMs > 0
	})
	return backup.Dir{Root: w.c.Name(), ID: id, Table: table, AppID: appID}
}

// startRestore asks for a restore; the answer comes when the table is created.
func (w *fileWorld) startRestore(req *idl.StartRestoreRequest) (resp idl.CreateAppResponse) {
	w.t.Helper()
	cl := dial(w.t, w.c.Leader())
	cl.send(idl.RequestHeader{TimeoutMs: 4000}, idl.NameStartRestore, req)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // the answer waits for the clock
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				w.clock.Advance(10 * time.Millisecond)
			}
		}
	}()
	head, err := cl.receive(testTimeout)
	close(stop)
	<-done
	if err != nil {
		w.t.Fatal(err)
	}
	var d idl.Decoder
	if err := head.DecodeResult(&d, &resp); err != nil {
		w.t.Fatal(err)
	}
	return resp
}

func restoreRequest(d backup.Dir, name string) *idl.StartRestoreRequest {
	return &idl.StartRestoreRequest{ClusterName: d.Root, TimeStamp: d.ID, AppName: d.Table, AppID: d.AppID, NewAppName: name, BackupProviderName: provider}
}

// healthyTable waits until a table has all its replicas.
func (w *fileWorld) healthyTable(name string) {
	w.t.Helper()
	w.wait("a healthy "+name, 10*time.Minute, func() bool {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		t := w.c.findTable(name)
		return t != nil && t.healthy()
	})
}

// rows are the live rows of a table, as text by key.
func (w *fileWorld) rows(table string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	err := w.c.Dump(table, func(r Row) error {
		out[string(r.Key)] = fmt.Sprintf("%d %d %x", r.Partition, r.Expire, r.Value)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *fileWorld) sameRows(got, want map[string]string) {
	w.t.Helper()
	if len(got) != len(want) || !maps.Equal(got, want) {
		for k, v := range want {
			if got[k] != v {
				w.t.Fatalf("%d rows, want %d; %x is %q, want %q", len(got), len(want), k, got[k], v)
			}
		}
		w.t.Fatalf("%d rows, want %d", len(got), len(want))
	}
}

// demoRows are n rows of any kind.
func demoRows(n int) (rows []Row) {
	for i := range n {
		r := Row{Key: pegkey.Encode(nil, fmt.Appendf(nil, "user%05d", i), fmt.Appendf(nil, "s%d", i%3)), Value: fmt.Appendf(nil, "value %d", i)}
		switch i % 7 {
		case 1:
			r.Value = nil
		case 2:
			r.Expire = 400_000_000 + uint32(i)
		case 3:
			r.Key = pegkey.Encode(nil, []byte{0xff, 0, byte(i), byte(i >> 8)}, nil)
		case 4:
			r.Key = pegkey.Encode(nil, nil, fmt.Appendf(nil, "alone%d", i))
		}
		rows = append(rows, r)
	}
	return rows
}

// loadInput prepares the input of a bulk load of rows, in files of two per partition where
// there are enough rows.
func (w *fileWorld) loadInput(table string, appID, partitions int32, rows []Row) {
	w.t.Helper()
	ctx, l := w.t.Context(), backup.BulkLoad{Root: "staging", Cluster: w.c.Name(), Table: table, AppID: appID, PartitionCount: partitions}
	if err := l.Begin(ctx, w.store, false); err != nil {
		w.t.Fatal(err)
	}
	parts := make([][]Row, partitions)
	for _, r := range rows {
		i := pegkey.Partition(pegkey.HashRaw(r.Key), partitions)
		parts[i] = append(parts[i], r)
	}
	for i, list := range parts {
		slices.SortFunc(list, func(a, b Row) int { return bytes.Compare(a.Key, b.Key) })
		var files []backup.File
		for n, half := range [][]Row{list[:len(list)/2], list[len(list)/2:]} {
			if len(half) > 0 {
				files = append(files, w.writeTable(ctx, filepath.Join(l.PartitionDir(i), fmt.Sprintf("%d.sst", n+1)), half))
			}
		}
		if err := l.WritePartition(ctx, w.store, i, files); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := l.Finish(ctx, w.store); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fileWorld) writeTable(ctx context.Context, name string, rows []Row) backup.File {
	w.t.Helper()
	var buf bytes.Buffer
	out := sst.NewWriter(&buf, sst.WriterOptions{Compression: sst.LZ4})
	for _, r := range rows {
		tag := &checkpointWriter{version: 1, tag: 12345}
		s := newStore()
		s.set(r.Key, r.Value, r.Expire)
		one, _ := s.find(r.Key)
		if err := out.Add(r.Key, tag.value(one)); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := out.Finish(); err != nil {
		w.t.Fatal(err)
	}
	e, err := blobstore.WriteFile(ctx, w.store, name, buf.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	return backup.File{Name: filepath.Base(name), Size: e.Size, MD5: e.MD5}
}

func loadRequest(w *fileWorld, table string, behind bool) *idl.StartBulkLoadRequest {
	return &idl.StartBulkLoadRequest{AppName: table, ClusterName: w.c.Name(), FileProviderType: provider, RemoteRootPath: "staging", IngestBehind: behind}
}

// startLoad starts a load and tells the answer.
func (w *fileWorld) startLoad(table string, behind bool) (resp idl.StartBulkLoadResponse) {
	w.t.Helper()
	w.ask(idl.NameStartBulkLoad, loadRequest(w, table, behind), &resp)
	return resp
}

func (w *fileWorld) loadStatus(table string) (resp idl.QueryBulkLoadResponse) {
	w.t.Helper()
	w.ask(idl.NameQueryBulkLoad, &idl.QueryBulkLoadRequest{AppName: table}, &resp)
	return resp
}

// endLoad waits until a load is over and cleaned up.
func (w *fileWorld) endLoad(table string) idl.QueryBulkLoadResponse {
	w.t.Helper()
	w.wait("the end of the load", time.Hour, func() bool { return !isTrue(w.loadStatus(table).IsBulkLoading) })
	return w.loadStatus(table)
}

func (w *fileWorld) inject(f Fault) {
	w.t.Helper()
	if _, err := w.c.Inject(f); err != nil {
		w.t.Fatal(err)
	}
}

// copyTree copies a folder of the repository, which nothing may change.
func copyTree(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
