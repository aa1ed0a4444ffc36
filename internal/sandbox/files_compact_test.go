package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TestManualCompaction: progress is what servers report with config sync; each replica tells
// for itself, and the one before still counts until the new one is heard of.
func TestManualCompaction(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	w.table(TableSpec{Name: "demo", Partitions: 2}, demoRows(50)...)
	w.inject(Fault{Kind: FaultSlowCompaction, Delay: 40 * time.Second})
	query := func() (resp idl.QueryManualCompactResponse) {
		w.ask(idl.NameQueryManualCompact, &idl.QueryManualCompactRequest{AppName: "demo"}, &resp)
		return resp
	}
	begin := func() {
		t.Helper()
		var resp idl.StartManualCompactResponse
		w.ask(idl.NameStartManualCompact, &idl.StartManualCompactRequest{AppName: "demo"}, &resp)
		if !resp.Err.OK() {
			t.Fatalf("%+v", resp)
		}
	}
	begin()
	if got := query(); got.Err != idl.ErrInvalidState || got.HintMsg != "app demo is not manual compaction" {
		t.Errorf("before anybody knows: %+v", got)
	}
	seen := map[int32]bool{}
	running := false
	w.wait("all of it", 10*time.Minute, func() bool {
		got := query()
		if !got.Err.OK() {
			return false
		}
		seen[*got.Progress] = true
		queue := command(t, w.c.ReplicaServers()[0], "replica.query-compact", "1")
		running = running || strings.Contains(queue, "recent start at [")
		return *got.Progress == 100
	})
	if !seen[0] || len(seen) < 2 || !running {
		t.Errorf("progress %v, running %t", seen, running)
	}
	w.clock.Advance(2 * time.Second)
	begin()
	stale := false
	w.wait("a stale report", time.Minute, func() bool {
		got := query()
		stale = stale || got.Err.OK() && *got.Progress > 0
		return stale
	})
}

// TestUsageScenario: loads into a table without automatic compactions pile files up until it is
// normal again.
func TestUsageScenario(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 1})
	scenario := func(v string) {
		t.Helper()
		if err := w.c.SetEnvs("demo", map[string]string{envUsageScenario: v}); err != nil {
			t.Fatal(err)
		}
		w.wait("the scenario", 10*time.Minute, func() bool {
			for _, addr := range w.c.ReplicaServers() {
				if !strings.Contains(command(t, addr, "replica.query-app-envs", "1"), envUsageScenario+"="+v) {
					return false
				}
			}
			return true
		})
	}
	files := func() string {
		return counters(t, w.c.ReplicaServers()[0], "perf-counters-by-substr", "disk.storage.sst.count@1.0")["replica*app.pegasus*disk.storage.sst.count@1.0"]
	}
	scenario("bulk_load")
	for i := range 3 {
		w.loadInput("demo", tc.id, 1, demoRows(100+i))
		w.startLoad("demo", false)
		if s := w.endLoad("demo"); s.AppStatus != idl.BulkLoadSucceed {
			t.Fatalf("%v %s", s.AppStatus, string(s.Err))
		}
	}
	w.clock.Advance(10 * time.Minute)
	if got := files(); got != "6.0" {
		t.Errorf("%s files", got)
	}
	scenario("normal")
	w.wait("a compaction", time.Minute, func() bool { return files() == "1.0" })
}

// TestFileSettings: what servers tell of their providers, and the flags that limit transfers.
func TestFileSettings(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	addr := w.c.ReplicaServers()[0]
	dump := command(t, addr, "config-dump")
	if !strings.Contains(dump, "[block_service.local_service]\n") || !strings.Contains(dump, "args = "+w.dir+"\n") || !strings.Contains(dump, "type = local_service\n") {
		t.Errorf("%.400s", dump)
	}
	for _, c := range []struct{ path, want string }{
		{"/config?name=cold_backup_root", `"value":"alpha"`},
		{"/config?name=hdfs_write_limit_rate_mb_per_sec", `"value":"200"`},
		{"/updateConfig?hdfs_write_limit_rate_mb_per_sec=7", `{"update_status":"ERR_OK"}`},
		{"/config?name=hdfs_write_limit_rate_mb_per_sec", `"value":"7"`},
	} {
		if _, body, _ := httpGet(t, addr, c.path); !strings.Contains(body, c.want) {
			t.Errorf("%s: %s", c.path, body)
		}
	}
}

// TestFileCounters: gauges while a backup runs, sums afterwards.
func TestFileCounters(t *testing.T) {
	w := newFileWorld(t, t.TempDir())
	tc := w.table(TableSpec{Name: "demo", Partitions: 3}, demoRows(90)...)
	id := w.startBackup(tc.id)
	sum := func(name string) (n float64) {
		for _, node := range w.c.nodes {
			c, ok := node.srv.counter("replica*eon.replica_stub*" + name)
			if !ok {
				t.Fatalf("no counter %s", name)
			}
			n += c.value
		}
		return n
	}
	most := 0.0
	w.wait("the end", time.Minute, func() bool {
		most = max(most, sum("cold.backup.max.upload.file.size"))
		return w.backupStatus(tc.id, id).BackupItems[0].EndTimeMs > 0
	})
	if most == 0 || sum("cold.backup.max.upload.file.size") != 0 || sum("cold.backup.running.count") != 0 {
		t.Errorf("at most %v, at the end %v", most, sum("cold.backup.running.count"))
	}
	bytes := uint64(0)
	for _, n := range w.c.nodes {
		bytes += n.srv.perf.files.uploadBytes.Load()
	}
	if bytes == 0 {
		t.Error("no bytes were counted")
	}
}
