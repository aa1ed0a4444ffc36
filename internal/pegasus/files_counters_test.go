package pegasus

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// command makes every node answer one remote command.
func command(k *cluster, want string, answer func(args []string) string) {
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NameRemoteCommand {
				return false
			}
			a := args[idl.RemoteCommandRequest](r)
			out := "unknown command '" + a.Cmd + "'"
			if a.Cmd == want {
				out = answer(a.Arguments)
			}
			r.reply(&idl.RemoteCommandResponse{Output: out})
			return true
		}
	})
}

func TestRecordedReplicaEnvs(t *testing.T) {
	found := 0
	commands(t, func(cmd string, args []string, output string) {
		if cmd != "replica.query-app-envs" || args[0] != "13" {
			return
		}
		found++
		lines, err := parseReplicaLines(output, 13)
		if err != nil || len(lines) != 4 || !lines[2].primary || lines[0].primary {
			t.Fatal(lines, err)
		}
		k := newCluster(t, 1, 1, 1)
		command(k, cmd, func([]string) string { return output })
		envs, err := k.open().ReplicaEnvs(t.Context(), k.nodes[0].addr, 13)
		if err != nil || !envs[2].Primary || envs[3].Envs["rocksdb.usage_scenario"] != "normal" || envs[3].Envs["rocksdb.num_levels"] != "6" {
			t.Error(envs, err)
		}
	})
	if found == 0 {
		t.Error("no recording")
	}
	for _, bad := range []string{"", "invalid arguments", "1 processed, 0 not found\n    x@y : z"} {
		if out, err := parseReplicaLines(bad, 13); err == nil {
			t.Errorf("%q: %v", bad, out)
		}
	}
	if out, err := parseReplicaLines("0 processed, 1 not found\n    13.2@127.0.0.1:1 : not found", 13); err != nil || len(out) != 0 {
		t.Error(out, err)
	}
}

func TestReplicaCompactions(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	command(k, "replica.query-compact", func(args []string) string {
		if !reflect.DeepEqual(args, []string{"7"}) {
			t.Errorf("asked for %v", args)
		}
		return "3 processed, 0 not found\n" +
			"    7.0@127.0.0.1:34801@P : last finish at [-]\n" +
			"    7.1@127.0.0.1:34801@S : last finish at [2026-11-21 01:21:46.123], last used 812 ms\n" +
			"    7.2@127.0.0.1:34801@S : last finish at [-], recent enqueue at [2026-11-21 01:21:46.123], recent start at [2026-11-21 01:21:46.124]"
	})
	got, err := c.ReplicaCompactions(t.Context(), k.nodes[0].addr, 7)
	want := map[int32]ReplicaCompaction{0: {Primary: true}, 1: {Finished: "2026-11-21 01:21:46.123"}, 2: {Queued: true, Running: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestCompactionCountsAreParsed(t *testing.T) {
	for body, want := range map[string]CompactionCounts{
		`{"status":{"finished":0,"idle":4,"queuing":0,"running":0}}`:  {Idle: 4}, // recorded from 2.5.0
		`{"status":{"finished":"3","idle":"0","queuing":"1"}}` + "\n": {Finished: 3, Queuing: 1},
	} {
		if got, err := parseCompactionCounts([]byte(body), http.StatusOK, 13); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	if got, err := parseCompactionCounts([]byte("app_id=13 not found"), http.StatusNotFound, 13); err != nil || got != (CompactionCounts{}) {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "{}", `{"status":{"idle":"x"}}`} {
		if got, err := parseCompactionCounts([]byte(bad), http.StatusOK, 13); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestRecordedFlagUpdates(t *testing.T) {
	for body, want := range map[string]error{
		`{"update_status":"ERR_OK"}` + "\n": nil,
		`{"update_status":"ERR_OBJECT_NOT_FOUND: hdfs_write_limit_rate_mb_per_sec is not found"}` + "\n": ErrNoSuchFlag, // recorded
		`{"update_status":"ERR_INVALID_PARAMETERS: max_allowed_write_size is not mutable"}` + "\n":       ErrFlagRefused,
		`{"update_status":"ERR_INVALID_PARAMETERS: x should be set with a value of type uint32"}` + "\n": ErrFlagRefused,
	} {
		if err := parseFlagUpdate([]byte(body), http.StatusOK); !errors.Is(err, want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, bad := range []string{"", "{}", "null", "there should be exactly one config to be updated once"} {
		if err := parseFlagUpdate([]byte(bad), http.StatusOK); err == nil || errors.Is(err, ErrNoSuchFlag) || errors.Is(err, ErrFlagRefused) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := parseFlagUpdate([]byte(`{"update_status":"ERR_OK"}`), http.StatusBadRequest); err == nil {
		t.Error("a status of 400 was taken for a yes")
	}
}

func TestNumberCommands(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c, node := k.open(), k.nodes[0].addr
	for out, want := range map[string]int64{"0": 0, "100\n": 100, `{"error":"ok","` + CommandSendRate + `":"50"}`: 50} {
		command(k, CommandSendRate, func([]string) string { return out })
		if got, err := c.NumberCommand(t.Context(), node, CommandSendRate); err != nil || got != want {
			t.Errorf("%s: %d, %v", out, got, err)
		}
	}
	for _, out := range []string{"OK", `{"error":"ok"}`} {
		command(k, CommandSendRate, func(args []string) string {
			if !reflect.DeepEqual(args, []string{"80"}) {
				t.Errorf("sent %v", args)
			}
			return out
		})
		if err := c.SetNumberCommand(t.Context(), node, CommandSendRate, 80); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	}
	for _, out := range []string{"ERR: invalid arguments", `{"error":"ERR: invalid argument"}`, "{", "[1]"} {
		command(k, CommandSendRate, func([]string) string { return out })
		if err := c.SetNumberCommand(t.Context(), node, CommandSendRate, 80); err == nil {
			t.Errorf("%s: no error", out)
		}
		if n, err := c.NumberCommand(t.Context(), node, CommandSendRate); err == nil {
			t.Errorf("%s: %d", out, n)
		}
	}
	if _, err := c.NumberCommand(t.Context(), node, "nfs.max_send_rate_megabytes"); !errors.Is(err, ErrUnknownCommand) {
		t.Error(err)
	}
}

func TestBackupWork(t *testing.T) {
	recordedAnswer := ""
	commands(t, func(cmd string, args []string, output string) {
		if cmd == "perf-counters-by-substr" && args[0] == counterBackupUploaded {
			recordedAnswer = output
		}
	})
	s, err := parseCounters(recordedAnswer)
	if err != nil {
		t.Fatal(err)
	}
	if w := backupWorkOfCounters(s); w.Told || w.Quiet() || w.At.IsZero() {
		t.Errorf("half an answer is taken for silence: %+v", w)
	}
	s.Values["replica*eon.replica_stub*"+counterBackupRunning] = 0
	if w := backupWorkOfCounters(s); !w.Quiet() {
		t.Errorf("%+v", w)
	}
	s.Values["replica*eon.replica_stub*"+counterBackupUploaded] = 4096
	if w := backupWorkOfCounters(s); w.Quiet() || w.MaxUploaded != 4096 {
		t.Errorf("%+v", w)
	}
}

// TestShortNames: two sections have a counter of that name, and one of them is meant.
func TestShortNames(t *testing.T) {
	s := Counters{Values: map[string]float64{"replica*eon.nfs_client*recent_copy_data_size": 1, "replica*eon.nfs_server*recent_copy_data_size": 2,
		"replica*eon.replica_stub*cold.backup.running.count": 3}}
	for name, want := range map[string]float64{"eon.nfs_server*recent_copy_data_size": 2, "cold.backup.running.count": 3} {
		if got, ok := s.Short(name); got != want || !ok {
			t.Errorf("%s is %v, %t", name, got, ok)
		}
	}
	if _, ok := s.Short("running.count"); ok {
		t.Error("the end of a name is taken for the name")
	}
}

func TestCompactionWork(t *testing.T) {
	w := compactionWorkOfCounters(Counters{Values: map[string]float64{
		"replica*app.pegasus*disk.storage.sst.count@7.1":             12,
		"replica*app.pegasus*disk.storage.sst(MB)@7.1":               3,
		"replica*app.pegasus*recent_rdb_compaction_output_bytes@7.1": 4096,
		"replica*app.pegasus*rdb.read_amplification@7.1":             1.5,
		"replica*app.pegasus*disk.storage.sst.count@17.1":            99,
		"replica*app.pegasus*manual.compact.running.count":           2,
		"replica*app.pegasus*manual.compact.enqueue.count":           3,
		"replica*app.pegasus*something.else@7.1":                     8,
		"replica*app.pegasus*disk.storage.sst.count@7.x":             8,
	}}, 7)
	want := CompactionWork{ManualRunning: 2, ManualQueued: 3,
		Partitions: map[int32]PartitionCompaction{1: {Files: 12, Bytes: 3 << 20, Written: 4096, ReadAmplification: 1.5}}}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("%+v", w)
	}
}

func TestRecordedBlockServices(t *testing.T) {
	found := false
	commands(t, func(cmd string, _ []string, output string) {
		if cmd != "config-dump" {
			return
		}
		d, err := parseConfigDump(output)
		if err != nil {
			t.Fatal(err)
		}
		found = true
		local, ok := d.BlockServices()["local_service"]
		root, hasRoot := d.BackupRoot()
		if !ok || local.Type != "local_service" || len(local.Args) != 1 || !hasRoot || root == "" {
			t.Errorf("%+v %q", d.BlockServices(), root)
		}
	})
	if !found {
		t.Error("no recording")
	}
	d, err := parseConfigDump("[meta_server]\ncold_backup_disabled = false\n[block_service.h]\ntype = hdfs_service\nargs = hdfs://x:1  /a\n")
	if h := d.BlockServices()["h"]; err != nil || d.BackupDisabled() || !reflect.DeepEqual(h.Args, []string{"hdfs://x:1", "/a"}) {
		t.Errorf("%+v %v", d, err)
	}
	if !(ConfigDump{"a": {}}).BackupDisabled() {
		t.Error("backups are off unless the configuration says otherwise")
	}
}
