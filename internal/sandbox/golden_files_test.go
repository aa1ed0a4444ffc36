package sandbox

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// fileReplay replays a recorded scenario about files against a cluster with the recorded tables.
type fileReplay struct {
	*fileWorld
	began time.Time
	// ours are the ids of backups here by recorded ones.
	ours map[int64]int64
}

// newFileReplay makes tables golden (13) and fixture (14) in a cluster of the recorded name.
func newFileReplay(t *testing.T, dir string) *fileReplay {
	t.Helper()
	w := newFileWorld(t, dir, func(cfg *Config) { cfg.Name = "onebox1" })
	w.c.mu.Lock()
	w.c.lastID = 12
	w.c.mu.Unlock()
	w.table(TableSpec{Name: "golden", Partitions: 4}, demoRows(50)...)
	w.table(TableSpec{Name: "fixture", Partitions: 8}, demoRows(50)...)
	return &fileReplay{fileWorld: w, began: w.clock.Now(), ours: map[int64]int64{}}
}

// exchange sends a recorded request at its time, after before, and gives both answers.
func (w *fileReplay) exchange(x exchange, before func(idl.Message)) (got, want idl.Message) {
	w.t.Helper()
	if d := w.began.Add(time.Duration(x.request.T * float64(time.Second))).Sub(w.clock.Now()); d > 0 {
		w.clock.Advance(d)
	}
	q, err := idl.DecodeRequest(x.request.frame)
	if err != nil {
		w.t.Fatal(err)
	}
	m, dec := q.RPC.NewRequest(), idl.Decoder{}
	if err := q.DecodeArgs(&dec, m); err != nil {
		w.t.Fatal(err)
	}
	before(m)
	code, want := recordedResponse(w.t, x.response)
	got = q.RPC.NewResponse()
	if s, ok := m.(*idl.StartRestoreRequest); ok {
		resp := w.startRestore(s)
		return &resp, want
	}
	if have := dial(w.t, w.c.Leader()).try(idl.RequestHeader{TimeoutMs: 4000}, q.Name, m, got); have != code {
		w.t.Fatalf("line %d: %s, want %s", x.request.line, string(have), string(code))
	}
	return got, want
}

// TestGoldenBackup: requests and answers of a recorded backup, in their times.
func TestGoldenBackup(t *testing.T) {
	w := newFileReplay(t, t.TempDir())
	for _, x := range recordedExchanges(t, "backup") {
		got, want := w.exchange(x, func(m idl.Message) {
			if q, ok := m.(*idl.QueryBackupStatusRequest); ok && q.BackupID != nil && w.ours[*q.BackupID] != 0 {
				q.BackupID = new(w.ours[*q.BackupID])
			}
		})
		switch want := want.(type) {
		case *idl.StartBackupAppResponse:
			if got, ok := got.(*idl.StartBackupAppResponse); ok && want.BackupID != nil && got.BackupID != nil {
				w.ours[*want.BackupID] = *got.BackupID
				got.BackupID = want.BackupID
			}
		case *idl.QueryBackupStatusResponse:
			got, ok := got.(*idl.QueryBackupStatusResponse)
			if !ok || len(got.BackupItems) != len(want.BackupItems) {
				break
			}
			for i := range want.BackupItems {
				g, r := &got.BackupItems[i], &want.BackupItems[i]
				if g.BackupID != w.ours[r.BackupID] || g.StartTimeMs != g.BackupID || (g.EndTimeMs > 0) != (r.EndTimeMs > 0) {
					t.Errorf("line %d: %+v, want %+v", x.request.line, g, r)
				}
				g.BackupID, g.StartTimeMs, g.EndTimeMs = r.BackupID, r.StartTimeMs, r.EndTimeMs
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("line %d, %s: %s", x.request.line, x.request.RPC, diff)
		}
	}
}

// TestGoldenRestoreAnswers: refusals, the id of the new table, and what becomes of progress.
func TestGoldenRestoreAnswers(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, filepath.Join(dir, "fixture_root"), filepath.Join("..", "backup", "testdata"))
	w := newFileReplay(t, dir)
	for _, x := range recordedExchanges(t, "restore") {
		if x.request.RPC == idl.NameQueryConfig {
			continue // placement is not what this is about
		}
		got, want := w.exchange(x, func(idl.Message) {})
		if r, ok := want.(*idl.QueryRestoreStatusResponse); ok && r.Err.OK() {
			g, ok := got.(*idl.QueryRestoreStatusResponse)
			if !ok || len(g.RestoreProgress) != len(r.RestoreProgress) || x.request.T > 38 && g.RestoreProgress[7] != restoreDone {
				t.Errorf("line %d: %+v, want %+v", x.request.line, got, want)
			}
			continue
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("line %d, %s: %s", x.request.line, x.request.RPC, diff)
		}
	}
}

// TestGoldenBulkLoad: refusals, pause, restart, the level and the clearing of a recorded load.
func TestGoldenBulkLoad(t *testing.T) {
	w := newFileReplay(t, t.TempDir())
	w.loadInput("golden", 13, 4, demoRows(200))
	if err := os.Rename(filepath.Join(w.dir, "staging"), filepath.Join(w.dir, "blroot")); err != nil {
		t.Fatal(err)
	}
	loaded := idl.BulkLoadInvalid
	for _, x := range recordedExchanges(t, "bulk") {
		got, want := w.exchange(x, func(m idl.Message) {
			if _, ends := m.(*idl.ClearBulkLoadRequest); ends {
				loaded = w.endLoad("golden").AppStatus
			}
		})
		if r, ok := want.(*idl.QueryBulkLoadResponse); ok {
			g, ok := got.(*idl.QueryBulkLoadResponse)
			if !ok || g.Err != r.Err || g.MaxReplicaCount != r.MaxReplicaCount || len(g.PartitionsStatus) != len(r.PartitionsStatus) {
				t.Errorf("line %d: %+v, want %+v", x.request.line, got, want)
			}
			if r.AppName == "fixture" || r.AppStatus != idl.BulkLoadInvalid {
				continue // it had been loaded before, or the moment counts
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("line %d, %s: %s", x.request.line, x.request.RPC, diff)
		}
	}
	if loaded != idl.BulkLoadSucceed {
		t.Errorf("the load ended as %v", loaded)
	}
}
