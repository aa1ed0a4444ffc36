package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// loadWorld is a cluster with a table and the prepared input of a load of rows.
func loadWorld(t *testing.T, rows []Row, envs map[string]string) (*fileWorld, *tableClient) {
	t.Helper()
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 4, Envs: envs})
	w.loadInput("demo", tc.id, 4, rows)
	return w, tc
}

func value(v string) []byte { return []byte(v) }

// TestBulkLoad: what was prepared is in the table, over what was there; the level stays
// steady; the result can be asked for until it is cleared.
func TestBulkLoad(t *testing.T) {
	w, tc := loadWorld(t, demoRows(800), nil)
	old := demoRows(1)[0]
	tc.call(old.Key, idl.NamePut, &idl.UpdateRequest{Key: old.Key, Value: value("old")}, &idl.UpdateResponse{})
	w.table(TableSpec{Name: "other", Partitions: 1})
	if resp := w.startLoad("demo", false); !resp.Err.OK() {
		t.Fatalf("%+v", resp)
	}
	if resp := w.startLoad("other", false); resp.Err != idl.ErrBusy || resp.HintMsg != "meta server is busy now, please wait" {
		t.Errorf("%+v", resp)
	}
	refused, seen := 0, map[idl.BulkLoadStatus]bool{}
	w.wait("the end", 10*time.Minute, func() bool {
		s := w.loadStatus("demo")
		seen[s.AppStatus] = true
		if code := tc.try(old.Key, idl.NameRemove, &idl.BlobRequest{Key: value("\x00\x01zzz")}, &idl.UpdateResponse{}); code == idl.ErrOperationDisabled {
			refused++
		}
		return !isTrue(s.IsBulkLoading)
	})
	for _, s := range []idl.BulkLoadStatus{idl.BulkLoadDownloading, idl.BulkLoadDownloaded, idl.BulkLoadIngesting, idl.BulkLoadSucceed} {
		if !seen[s] {
			t.Errorf("%v was not seen", s)
		}
	}
	if refused < 100 { // looks 50 ms apart
		t.Errorf("%d writes were refused", refused)
	}
	want := newFileWorld(t, t.TempDir())
	want.table(TableSpec{Name: "demo", Partitions: 4}, demoRows(800)...)
	w.sameRows(w.rows("demo"), want.rows("demo"))
	var level idl.MetaControlResponse
	w.ask(idl.NameMetaControl, &idl.MetaControlRequest{Level: idl.MetaLevelInvalid}, &level)
	if level.OldLevel != idl.MetaSteady {
		t.Errorf("level %v", level.OldLevel)
	}
	var cleared idl.ClearBulkLoadResponse
	w.ask(idl.NameClearBulkLoad, &idl.ClearBulkLoadRequest{AppName: "demo"}, &cleared)
	if s := w.loadStatus("demo"); !cleared.Err.OK() || s.AppStatus != idl.BulkLoadInvalid {
		t.Errorf("%+v %+v", cleared, s)
	}
	if tc.try(old.Key, idl.NameRemove, &idl.BlobRequest{Key: old.Key}, &idl.UpdateResponse{}) != idl.ErrOK {
		t.Error("writes are still refused")
	}
}

// TestBulkLoadRefusals, in their order.
func TestBulkLoadRefusals(t *testing.T) {
	w, tc := loadWorld(t, demoRows(100), nil)
	info := filepath.Join(w.dir, "staging", "alpha", "demo", "bulk_load_info")
	ask := func(change func(*idl.StartBulkLoadRequest)) idl.StartBulkLoadResponse {
		req, resp := loadRequest(w, "demo", false), idl.StartBulkLoadResponse{}
		change(req)
		w.ask(idl.NameStartBulkLoad, req, &resp)
		return resp
	}
	for _, c := range []struct {
		change func(*idl.StartBulkLoadRequest)
		err    idl.ErrorCode
		hint   string
	}{
		{func(r *idl.StartBulkLoadRequest) { r.AppName = "none" }, idl.ErrAppNotExist, "app not existed is "},
		{func(r *idl.StartBulkLoadRequest) { r.IngestBehind, r.FileProviderType = true, "none" }, idl.ErrInconsistentState, "inconsistent ingestion behind option"},
		{func(r *idl.StartBulkLoadRequest) { r.FileProviderType = "none" }, idl.ErrInvalidParameters, "invalid file_provider"},
		{func(r *idl.StartBulkLoadRequest) { r.RemoteRootPath = "none" }, idl.ErrObjectNotFound, "read bulk_load_info failed"},
	} {
		if got := ask(c.change); got.Err != c.err || got.HintMsg != c.hint {
			t.Errorf("%+v, want %s %q", got, string(c.err), c.hint)
		}
	}
	same := func(*idl.StartBulkLoadRequest) {}
	fs := w.c.blockService(provider)
	for text, want := range map[string]idl.ErrorCode{
		`{"app_id":77,"app_name":"demo","partition_count":4}`: idl.ErrInconsistentState,
		`{"app_id":1,"app_name":"demo","partition_count":8}`:  idl.ErrInconsistentState,
		`{"app_id":1,"other":1}`:                              idl.ErrCorruption,
	} {
		fs.write("staging/alpha/demo/bulk_load_info", []byte(text), storeFault{})
		if got := ask(same); got.Err != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if err := os.WriteFile(sidecarOf(info), []byte(`{"md5": "x", "size": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ask(same); got.Err != idl.ErrFSInternal {
		t.Errorf("white space in a sidecar: %+v", got)
	}
	var control idl.ControlBulkLoadResponse
	w.ask(idl.NameControlBulkLoad, &idl.ControlBulkLoadRequest{AppName: "demo", Type: idl.BulkLoadPause}, &control)
	if control.Err != idl.ErrInactiveState || tc.id != 1 {
		t.Errorf("%+v", control)
	}
}

// TestBulkLoadFailures: what ends a load, and with which error.
func TestBulkLoadFailures(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *fileWorld)
		want  idl.ErrorCode
	}{
		"no list":   {func(w *fileWorld) { w.remove("staging/alpha/demo/2/bulk_load_metadata") }, idl.ErrCorruption},
		"no bytes":  {func(w *fileWorld) { w.list(2, `{"files":[],"file_total_size":0}`) }, idl.ErrCorruption},
		"no file":   {func(w *fileWorld) { w.remove("staging/alpha/demo/1/1.sst") }, idl.ErrCorruption},
		"damage":    {func(w *fileWorld) { _ = damage(filepath.Join(w.dir, "staging/alpha/demo/1/2.sst")) }, idl.ErrCorruption},
		"download":  {func(w *fileWorld) { w.inject(Fault{Kind: FaultFailDownload, Partition: new(3), Times: 1}) }, idl.ErrFSInternal},
		"ingestion": {func(w *fileWorld) { w.inject(Fault{Kind: FaultFailIngest, Partition: new(3)}) }, idl.ErrIngestionFailed},
		"fence": {func(w *fileWorld) {
			if err := w.c.SetEnvs("demo", map[string]string{envDeny: "reconfig*write"}); err != nil {
				w.t.Fatal(err)
			}
			w.c.SyncEnvs()
		}, idl.ErrIngestionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := loadWorld(t, demoRows(200), nil)
			c.spoil(w)
			if resp := w.startLoad("demo", false); !resp.Err.OK() {
				t.Fatalf("%+v", resp)
			}
			if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadFailed || s.Err != c.want {
				t.Errorf("%v %s, want %s", s.AppStatus, string(s.Err), string(c.want))
			}
		})
	}
}

func (w *fileWorld) remove(name string) {
	w.t.Helper()
	if err := w.store.Remove(w.t.Context(), name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *fileWorld) list(partition int, text string) {
	w.t.Helper()
	l := backup.BulkLoad{Root: "staging", Cluster: "alpha", Table: "demo"}
	w.c.blockService(provider).write(filepath.Join(l.PartitionDir(partition), "bulk_load_metadata"), []byte(text), storeFault{})
}

// TestBulkLoadControl: pause, restart and cancel from the states that allow it.
func TestBulkLoadControl(t *testing.T) {
	w, _ := loadWorld(t, demoRows(200), nil)
	w.inject(Fault{Kind: FaultSlowTransfer, Delay: 20 * time.Second})
	control := func(kind idl.BulkLoadControl) (resp idl.ControlBulkLoadResponse) {
		w.ask(idl.NameControlBulkLoad, &idl.ControlBulkLoadRequest{AppName: "demo", Type: kind}, &resp)
		return resp
	}
	in := func(want idl.BulkLoadStatus) {
		t.Helper()
		w.wait(want.String(), 5*time.Minute, func() bool { return w.loadStatus("demo").AppStatus == want })
	}
	w.startLoad("demo", false)
	if got := control(idl.BulkLoadRestart); got.Err != idl.ErrInvalidState ||
		*got.HintMsg != "can not restart bulk load for app(demo) with status(replication::bulk_load_status::BLS_DOWNLOADING)" {
		t.Errorf("%+v", got)
	}
	if got := control(idl.BulkLoadPause); !got.Err.OK() {
		t.Errorf("%+v", got)
	}
	in(idl.BulkLoadPaused)
	if got := control(idl.BulkLoadRestart); !got.Err.OK() {
		t.Errorf("%+v", got)
	}
	in(idl.BulkLoadDownloaded)
	if got := control(idl.BulkLoadCancel); got.Err != idl.ErrInvalidState {
		t.Errorf("%+v", got)
	}
	if got := control(idl.BulkLoadForceCancel); !got.Err.OK() {
		t.Errorf("%+v", got)
	}
	if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadCanceled || len(w.rows("demo")) != 0 {
		t.Errorf("%+v", s)
	}
	if resp := w.startLoad("demo", false); !resp.Err.OK() {
		t.Errorf("the lock was not given back: %+v", resp)
	}
}

// TestBulkLoadSurvives the loss of the leader, with whom only the level goes, and of a server.
func TestBulkLoadSurvives(t *testing.T) {
	w, _ := loadWorld(t, demoRows(200), nil)
	w.startLoad("demo", false)
	w.clock.Advance(12 * time.Second)
	w.c.LoseMetaLeader()
	w.wait("a leader", time.Minute, func() bool {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		return w.c.active && w.c.level == idl.MetaLively
	})
	if err := w.c.KillReplica(0); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Second)
	if err := w.c.RestartReplica(0); err != nil {
		t.Fatal(err)
	}
	if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadSucceed || len(w.rows("demo")) != 200 {
		t.Errorf("%v %s, %d rows", s.AppStatus, string(s.Err), len(w.rows("demo")))
	}
}

// TestIngestBehind: newer rows and deletions win, unless a compaction dropped the deletion; a
// second load over the same keys does not fit.
func TestIngestBehind(t *testing.T) {
	rows := demoRows(300)
	for _, compacted := range []bool{false, true} {
		w, tc := loadWorld(t, rows, map[string]string{envAllowBehind: "true"})
		tc.call(rows[5].Key, idl.NamePut, &idl.UpdateRequest{Key: rows[5].Key, Value: value("newer")}, &idl.UpdateResponse{})
		tc.call(rows[6].Key, idl.NameRemove, &idl.BlobRequest{Key: rows[6].Key}, &idl.UpdateResponse{})
		if compacted {
			if err := w.c.Compact("demo"); err != nil {
				t.Fatal(err)
			}
		}
		if resp := w.startLoad("demo", true); !resp.Err.OK() {
			t.Fatalf("%+v", resp)
		}
		if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadSucceed {
			t.Fatalf("%v %s", s.AppStatus, string(s.Err))
		}
		got := w.rows("demo")
		if _, back := got[string(rows[6].Key)]; back != compacted {
			t.Errorf("compacted %t: the deleted row is there: %t", compacted, back)
		}
		if v, _ := tc.value(rows[5].Key); v != "newer" {
			t.Errorf("%q", v)
		}
		w.startLoad("demo", true)
		if s := w.endLoad("demo"); s.Err != idl.ErrIngestionFailed {
			t.Errorf("the second load: %v %s", s.AppStatus, string(s.Err))
		}
	}
}

// value is a row's value.
func (tc *tableClient) value(raw []byte) (string, idl.Status) {
	tc.t.Helper()
	var resp idl.GetResponse
	tc.call(raw, idl.NameGet, &idl.BlobRequest{Key: raw}, &resp)
	return string(resp.Value), resp.Error
}

// TestIngestBehindNeedsTheOptionAtCreation: set later, the meta believes it and RocksDB does not.
func TestIngestBehindNeedsTheOptionAtCreation(t *testing.T) {
	w, _ := loadWorld(t, demoRows(100), nil)
	if err := w.c.SetEnvs("demo", map[string]string{envAllowBehind: "true"}); err != nil {
		t.Fatal(err)
	}
	w.c.SyncEnvs()
	if resp := w.startLoad("demo", true); !resp.Err.OK() {
		t.Fatalf("%+v", resp)
	}
	if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadFailed || s.Err != idl.ErrIngestionFailed || len(w.rows("demo")) != 0 {
		t.Errorf("%v %s", s.AppStatus, string(s.Err))
	}
}

// TestMisplacedRowsAreNeverFound: nothing compares hashes; such rows lie where no client looks.
func TestMisplacedRowsAreNeverFound(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 4})
	rows := demoRows(200)
	w.loadInput("demo", tc.id, 4, rows)
	// The files of partitions 0 and 1 change places.
	dir := filepath.Join(w.dir, "staging/alpha/demo")
	for _, step := range [][2]string{{"0", "x"}, {"1", "0"}, {"x", "1"}} {
		if err := os.Rename(filepath.Join(dir, step[0]), filepath.Join(dir, step[1])); err != nil {
			t.Fatal(err)
		}
	}
	w.startLoad("demo", false)
	if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadSucceed || len(w.rows("demo")) != 200 {
		t.Fatalf("%v, %d rows", s.AppStatus, len(w.rows("demo")))
	}
	for _, r := range rows {
		_, status := tc.value(r.Key)
		if lost := pegkey.Partition(pegkey.HashRaw(r.Key), 4) < 2; lost != (status == idl.StatusNotFound) {
			t.Fatalf("%x: %v", r.Key, status)
		}
	}
}

// TestDropWhileLoading leaves the lock of the cluster until the leader changes.
func TestDropWhileLoading(t *testing.T) {
	w, _ := loadWorld(t, demoRows(100), nil)
	w.startLoad("demo", false)
	if err := w.c.DropTable("demo"); err != nil {
		t.Fatal(err)
	}
	tc := w.table(TableSpec{Name: "next", Partitions: 4})
	w.loadInput("next", tc.id, 4, demoRows(100))
	if resp := w.startLoad("next", false); resp.Err != idl.ErrBusy {
		t.Errorf("%+v", resp)
	}
	w.c.LoseMetaLeader()
	w.clock.Advance(time.Minute)
	if resp := w.startLoad("next", false); !resp.Err.OK() {
		t.Errorf("%+v", resp)
	}
}
