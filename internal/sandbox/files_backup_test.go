package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TestBackupRestore: what a backup holds is what a restore in another cluster gives.
func TestBackupRestore(t *testing.T) {
	dir := t.TempDir()
	w := newFileWorld(t, dir)
	tc := w.table(TableSpec{Name: "demo", Partitions: 4, Envs: map[string]string{"business.info": "mine"}}, demoRows(900)...)
	d := w.backUp("demo", tc.id)
	b, err := backup.Read(t.Context(), w.store, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := backup.Verify(t.Context(), w.store, b, backup.VerifyOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(b.App.Envs) != 0 || b.App.MaxReplicaCount != 3 || b.Info == nil || b.Partitions[1].Decree == 0 {
		t.Errorf("%+v", b.App)
	}
	info, err := os.ReadFile(filepath.Join(dir, d.BackupDir(), "backup_info"))
	if err != nil || !strings.Contains(string(info), `"end_time_ms":0`) {
		t.Errorf("%s %v", info, err)
	}
	other := newFileWorld(t, dir, func(cfg *Config) { cfg.Name = "beta" })
	resp := other.startRestore(restoreRequest(d, "copy"))
	if !resp.Err.OK() || resp.AppID != 1 {
		t.Fatalf("%+v", resp)
	}
	other.healthyTable("copy")
	other.sameRows(other.rows("copy"), w.rows("demo"))
	envs, err := other.c.TableEnvs("copy")
	if err != nil || envs[envRestoreApp] != "demo" || envs["business.info"] != "" || len(envs) != 6 {
		t.Error(envs, err)
	}
}

// TestCheckpointIsRead by RocksDB's own tool.
func TestCheckpointIsRead(t *testing.T) {
	ldb, err := exec.LookPath("ldb")
	if err != nil {
		t.Fatal("ldb of Debian's package rocksdb-tools is not installed; scripts/rocksdb-tools.sh, which `make test` runs first, installs it")
	}
	w := newFileWorld(t, t.TempDir())
	rows := demoRows(500)
	tc := w.table(TableSpec{Name: "demo", Partitions: 1}, rows...)
	d := w.backUp("demo", tc.id)
	b, err := backup.Read(t.Context(), w.store, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "db")
	copyTree(t, db, filepath.Join(w.dir, b.Partitions[0].Dir))
	out, err := exec.Command(ldb, "--db="+db, "scan", "--hex", "--no_value").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := strings.Count(string(out), "0x"); n != len(rows)+1 { // and the server's own row
		t.Errorf("%d rows, want %d: %.300s", n, len(rows)+1, out)
	}
	out, err = exec.Command(ldb, "--db="+db, "--column_family="+cfMetaTag, "scan").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "pegasus_data_version : 1") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestBackupOrder: app_metadata is there with the answer, backup_info only at the end, and
// between them each partition ends with current_checkpoint.
func TestBackupOrder(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 2}, demoRows(50)...)
	id := w.startBackup(tc.id)
	d := backup.Dir{Root: "alpha", ID: id, Table: "demo", AppID: tc.id}
	path := func(parts ...string) string {
		return filepath.Join(append([]string{w.dir, d.BackupDir()}, parts...)...)
	}
	if !isFile(path("demo_1", "meta", ".app_metadata.meta")) || isFile(path("backup_info")) {
		t.Error("the meta's file is not there, or backup_info is")
	}
	var again idl.StartBackupAppResponse
	w.ask(idl.NameStartBackupApp, &idl.StartBackupAppRequest{BackupProviderType: provider, AppID: tc.id}, &again)
	if again.Err != idl.ErrInvalidState || again.HintMessage != "Backup failed: app 1 is actively being backed up." {
		t.Errorf("%+v", again)
	}
	before := 0
	w.wait("the end", time.Minute, func() bool {
		p, err := backup.Watch(t.Context(), w.store, d, 2)
		if err != nil {
			t.Fatal(err)
		}
		if p.Info && p.Finished != 2 || p.Finished < before {
			t.Errorf("%+v", p)
		}
		before = p.Finished
		running, _, most := 0, 0, int64(0)
		for _, n := range w.c.nodes {
			r, _, m := n.coldWork()
			running, most = running+r, most+m
		}
		if p.Info && (running != 0 || most != 0) {
			t.Errorf("%d still at work", running)
		}
		return p.Info
	})
}

// TestBackupNeedsItsLeader: with the leader goes the backup; nothing completes it.
func TestBackupNeedsItsLeader(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 2}, demoRows(50)...)
	id := w.startBackup(tc.id)
	w.clock.Advance(6 * time.Second)
	w.c.LoseMetaLeader()
	w.wait("a leader", time.Minute, func() bool {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		return w.c.active
	})
	w.clock.Advance(5 * time.Minute)
	if s := w.backupStatus(tc.id, id); s.Err != idl.ErrInvalidParameters || s.HintMessage != "Backup not found, please check app_id or backup_id." {
		t.Errorf("%+v", s)
	}
	d := backup.Dir{Root: "alpha", ID: id, Table: "demo", AppID: tc.id}
	if _, err := backup.Read(t.Context(), w.store, d, backup.Options{}); backup.CodeOf(err) != backup.CodeUnfinished {
		t.Error(err)
	}
	w.backUp("demo", tc.id) // nothing of the old one is in the way
}

// TestBackupGoesOnElsewhere: a restarted server forgets its part, and whoever is primary
// then begins it anew.
func TestBackupGoesOnElsewhere(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 1}, demoRows(50)...)
	id := w.startBackup(tc.id)
	w.clock.Advance(8 * time.Second)
	for i, n := range w.c.nodes {
		if n.srv.addr == w.c.Primary("demo", 0) {
			if err := w.c.KillReplica(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.wait("the end", 5*time.Minute, func() bool { return w.backupStatus(tc.id, id).BackupItems[0].EndTimeMs > 0 })
	d := backup.Dir{Root: "alpha", ID: id, Table: "demo", AppID: tc.id}
	b, err := backup.Read(t.Context(), w.store, d, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(w.dir, d.String(), "0", "chkpt_*"))
	if err != nil || len(dirs) != 2 || !strings.HasSuffix(b.Partitions[0].Dir, strings.ReplaceAll(w.c.Primary("demo", 0), ":", "_")) {
		t.Error(dirs, b.Partitions[0].Dir, err)
	}
}

func TestBackupFaults(t *testing.T) {
	for kind, ends := range map[FaultKind]bool{FaultFailUpload: false, FaultDamageFile: true, FaultDiskFull: true} {
		t.Run(string(kind), func(t *testing.T) {
			w := newFileWorld(t, t.TempDir())
			tc := w.table(TableSpec{Name: "demo", Partitions: 2}, demoRows(50)...)
			id := w.startBackup(tc.id)
			w.inject(Fault{Kind: kind, Table: "demo", Partition: new(1)})
			w.wait("an end", time.Minute, func() bool {
				item := w.backupStatus(tc.id, id).BackupItems[0]
				return item.IsBackupFailed != ends && (item.IsBackupFailed || item.EndTimeMs > 0)
			})
			d := backup.Dir{Root: "alpha", ID: id, Table: "demo", AppID: tc.id}
			b, err := backup.Read(t.Context(), w.store, d, backup.Options{})
			if err == nil {
				err = backup.Verify(t.Context(), w.store, b, backup.VerifyOptions{})
			}
			if err == nil {
				t.Error("the backup is whole")
			}
		})
	}
}

// TestBackupPathsAndSidecars: a backup path comes first, and every file has a sidecar of one token.
func TestBackupPathsAndSidecars(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 1}, demoRows(20)...)
	var resp idl.StartBackupAppResponse
	w.ask(idl.NameStartBackupApp, &idl.StartBackupAppRequest{BackupProviderType: provider, AppID: tc.id, BackupPath: new("a/b")}, &resp)
	w.wait("the end", time.Minute, func() bool { return w.backupStatus(tc.id, *resp.BackupID).BackupItems[0].EndTimeMs > 0 })
	count := 0
	err := filepath.WalkDir(filepath.Join(w.dir, "a", "b", "alpha"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		count++
		side, err := os.ReadFile(sidecarOf(path))
		var s sidecar
		if err != nil || strings.ContainsAny(string(side), " \n\t") || json.Unmarshal(side, &s) != nil {
			t.Errorf("%s: %q %v", path, side, err)
		}
		if got, err := sumFile(path); err != nil || got != s {
			t.Errorf("%s: %+v, sidecar %+v, %v", path, got, s, err)
		}
		return nil
	})
	if err != nil || count < 10 {
		t.Error(count, err)
	}
}

func TestBackupDisabled(t *testing.T) {
	w := newFileWorld(t, t.TempDir(), func(cfg *Config) { cfg.BackupDisabled = true })
	tc := w.table(TableSpec{Name: "demo", Partitions: 1})
	var resp idl.StartBackupAppResponse
	w.ask(idl.NameStartBackupApp, &idl.StartBackupAppRequest{BackupProviderType: provider, AppID: tc.id}, &resp)
	if resp.Err != idl.ErrServiceNotActive {
		t.Errorf("%+v", resp)
	}
}
