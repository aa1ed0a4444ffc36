package sandbox

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/backup"
	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// goldenBackup is the recorded backup of a real 2.5.0 cluster.
func goldenBackup(t *testing.T) (dir string, d backup.Dir) {
	t.Helper()
	dir = t.TempDir()
	copyTree(t, dir, filepath.Join("..", "backup", "testdata"))
	return dir, backup.Dir{Root: "onebox1", ID: 1795224430664, Table: "fixture", AppID: 14}
}

// goldenRows are the rows that the real cluster returned right after the backup.
func goldenRows(t *testing.T) map[string]string {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", "sst", "testdata", "backup-rows.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var r struct {
			P    int32
			K, V string
			E    uint32
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		key, err := hex.DecodeString(r.K)
		if err != nil {
			t.Fatal(err)
		}
		rows[string(key)] = fmt.Sprintf("%d %d %s", r.P, r.E, r.V)
	}
	return rows
}

// TestGoldenRestore: the backup of the real cluster restored here gives its rows.
func TestGoldenRestore(t *testing.T) {
	dir, d := goldenBackup(t)
	w := newFileWorld(t, dir, func(cfg *Config) { cfg.Clock = NewManualClock(unixTime(1795224460)) })
	if resp := w.startRestore(restoreRequest(d, "restored")); !resp.Err.OK() {
		t.Fatalf("%+v", resp)
	}
	w.healthyTable("restored")
	want := goldenRows(t)
	if len(want) != 12628 {
		t.Fatalf("%d recorded rows", len(want))
	}
	w.sameRows(w.rows("restored"), want)
}

// TestRestoreProgress counts to 1000 and is forgotten with the leader; a table that has a
// primary is done.
func TestRestoreProgress(t *testing.T) {
	dir, d := goldenBackup(t)
	w := newFileWorld(t, dir)
	resp := w.startRestore(restoreRequest(d, "restored"))
	w.inject(Fault{Kind: FaultSlowTransfer, Partition: new(2), Delay: 10 * time.Second})
	status := func() (s idl.QueryRestoreStatusResponse) {
		w.ask(idl.NameQueryRestoreStatus, &idl.QueryRestoreStatusRequest{RestoreAppID: resp.AppID}, &s)
		return s
	}
	w.wait("some progress", 5*time.Minute, func() bool {
		s := status()
		return s.RestoreProgress[0] == restoreDone && s.RestoreProgress[2] > 0 && s.RestoreProgress[2] < restoreDone
	})
	w.c.LoseMetaLeader()
	w.wait("a leader", time.Minute, func() bool {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		return w.c.active
	})
	w.healthyTable("restored")
	if s := status(); s.RestoreProgress[2] != restoreDone || s.RestoreStatus[2] != idl.ErrOK {
		t.Errorf("%+v", s)
	}
}

// TestRestoreOfDamage drops the table again, unless bad partitions are to be skipped: such a
// partition is empty.
func TestRestoreOfDamage(t *testing.T) {
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprint(skip), func(t *testing.T) {
			dir, d := goldenBackup(t)
			files, err := filepath.Glob(filepath.Join(dir, d.String(), "3", "chkpt_*", "000020.sst"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := os.Chmod(files[0], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := damage(files[0]); err != nil {
				t.Fatal(err)
			}
			w := newFileWorld(t, dir)
			req := restoreRequest(d, "restored")
			req.SkipBadPartition = skip
			resp := w.startRestore(req)
			if skip {
				w.healthyTable("restored")
				for _, v := range w.rows("restored") {
					if strings.HasPrefix(v, "3 ") {
						t.Fatal("partition 3 has rows")
					}
				}
				return
			}
			status := idl.AppCreating
			w.wait("the drop", 5*time.Minute, func() bool {
				w.c.mu.Lock()
				defer w.c.mu.Unlock()
				tab := w.c.tableByID(resp.AppID)
				status = tab.info.Status
				return status == idl.AppDropped && tab.info.ExpireSecond == tab.info.DropSecond+1
			})
		})
	}
}

// TestRestoreKillsTheMeta: another id in the file, or a question about a table that was
// forgotten, ends the leader.
func TestRestoreKillsTheMeta(t *testing.T) {
	dir, d := goldenBackup(t)
	w := newFileWorld(t, dir)
	w.table(TableSpec{Name: "gone", Partitions: 1})
	leader := w.c.Leader()
	asked := func(name string, req idl.Message) {
		t.Helper()
		cl := dial(t, w.c.Leader())
		cl.send(idl.RequestHeader{TimeoutMs: 4000}, name, req)
		if _, err := cl.receive(testTimeout); err == nil {
			t.Error("it answers")
		}
		w.clock.Advance(time.Minute)
	}
	// The folder has the name of the request, the file in it another id.
	if err := os.Rename(filepath.Join(dir, d.String()), filepath.Join(dir, d.BackupDir(), "fixture_15")); err != nil {
		t.Fatal(err)
	}
	req := restoreRequest(d, "restored")
	req.AppID = 15
	asked(idl.NameStartRestore, req)
	if next := w.c.Leader(); next == leader || next == "" || w.c.HasTable("restored") {
		t.Errorf("leader %q", next)
	}
	if err := w.c.RestartMeta(0); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Minute)
	w.c.mu.Lock()
	w.c.dropTable(w.c.findTable("gone"), 1)
	w.c.mu.Unlock()
	var status idl.QueryRestoreStatusResponse
	w.ask(idl.NameQueryRestoreStatus, &idl.QueryRestoreStatusRequest{RestoreAppID: 1}, &status)
	if status.Err != idl.ErrAppDropped {
		t.Errorf("%+v", status)
	}
	w.clock.Advance(5 * time.Second)
	asked(idl.NameQueryRestoreStatus, &idl.QueryRestoreStatusRequest{RestoreAppID: 1})
}

// TestRestoreOfThreeReplicasOntoOneServer never becomes healthy.
func TestRestoreOfThreeReplicasOntoOneServer(t *testing.T) {
	dir, d := goldenBackup(t)
	w := newFileWorld(t, dir, func(cfg *Config) { cfg.Replicas = 1 })
	if resp := w.startRestore(restoreRequest(d, "restored")); !resp.Err.OK() {
		t.Fatalf("%+v", resp)
	}
	w.clock.Advance(10 * time.Minute)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if tab := w.c.findTable("restored"); tab.healthy() || tab.partitions[0].primary == nil {
		t.Error("it is healthy, or has no primary")
	}
}
