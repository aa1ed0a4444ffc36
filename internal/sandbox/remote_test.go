package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func TestRemoteCommands(t *testing.T) {
	c := start(t, fast())
	id := newTable(t, c, TableSpec{Name: "demo", Partitions: 4})
	meta, replica := c.Leader(), c.ReplicaServers()[0]
	if id != 1 {
		t.Fatal(id)
	}
	for _, x := range []struct {
		addr, cmd string
		args      []string
		want      string
	}{
		{replica, "nix", nil, "unknown command 'nix'"},
		{meta, "replica.deny-client", nil, "unknown command 'replica.deny-client'"},
		{replica, "help", []string{"server-info"}, "server-info: server-info - query server information\n"},
		{replica, "help", []string{"Repeat"}, "Repeat: repeat|Repeat|r|R interval_seconds max_count command - execute command periodically\n"},
		{replica, "help", []string{"nix"}, "cannot find command 'nix'"},
		{replica, "nfs.max_copy_rate_megabytes_per_disk", []string{"4"},
			"ERR: max_copy_rate_bytes(max_copy_rate_megabytes << 20) should be greater than nfs_copy_block_bytes:4194304"},
		{replica, "nfs.max_copy_rate_megabytes_per_disk", []string{"5"}, "OK"},
		{replica, "nfs.max_copy_rate_megabytes_per_disk", nil, "5"},
		{replica, "nfs.max_send_rate_megabytes_per_disk", []string{"-1"}, "ERR: invalid arguments"},
		{replica, "nfs.max_send_rate_megabytes_per_disk", []string{"x"}, "ERR: invalid arguments"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", nil, "max_concurrent_bulk_load_downloading_count=5"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", []string{"7"}, "OK"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", nil, "max_concurrent_bulk_load_downloading_count=7"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", []string{"DEFAULT"}, "OK"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", nil, "max_concurrent_bulk_load_downloading_count=5"},
		{replica, "replica.max-concurrent-bulk-load-downloading-count", []string{"0"}, "ERR: invalid arguments"},
		{replica, "replica.query-compact", []string{"x"}, "invalid arguments"},
		{replica, "replica.query-compact", []string{"1.x"}, "invalid arguments"},
		{replica, "replica.query-compact", []string{"7"}, "0 processed, 0 not found"},
		{replica, "replica.query-compact", []string{"7.1,7.1", "7.2"},
			"0 processed, 2 not found\n    7.1@" + replica + " : not found\n    7.2@" + replica + " : not found"},
		{replica, "config-dump", []string{"/tmp/x"}, "config dump to file /tmp/x\n"},
		{replica, "replica.deny-client", nil, "false"},
		{replica, "replica.deny-client", []string{"maybe"}, "ERR: invalid arguments"},
	} {
		if got := command(t, x.addr, x.cmd, x.args...); got != x.want {
			t.Errorf("%s %q: %q, want %q", x.cmd, x.args, got, x.want)
		}
	}
	if _, body, _ := httpGet(t, replica, "/config?name=max_copy_rate_megabytes_per_disk"); !strings.Contains(body, `"value":"5"`) {
		t.Error(body)
	}
}

// TestRemoteReplicas: envs and compactions as the replicas see them.
func TestRemoteReplicas(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "demo", Partitions: 2, Envs: map[string]string{"rocksdb.num_levels": "4"}})
	replica := c.ReplicaServers()[0]
	if err := c.SetEnvs("demo", map[string]string{"rocksdb.usage_scenario": "bulk_load", "default_ttl": "5", "manual_compact.once.trigger_time": "7"}); err != nil {
		t.Fatal(err)
	}
	c.SyncEnvs()
	role := "S"
	if c.Primary("demo", 0) == replica {
		role = "P"
	}
	want := fmt.Sprintf("1 processed, 0 not found\n    1.0@%s@%s : rocksdb.num_levels=4,rocksdb.usage_scenario=bulk_load,rocksdb.write_buffer_size=67108864", replica, role)
	if got := command(t, replica, "replica.query-app-envs", "1.0"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	until(t, "the compactions", func() bool {
		_, body, _ := httpGet(t, replica, "/replica/manual_compaction?app_id=1")
		return body == `{"status":{"finished":2,"idle":0,"queuing":0,"running":0}}`
	})
	if got := command(t, replica, "replica.query-compact", "1.1"); !strings.Contains(got, " : last finish at [2") {
		t.Error(got)
	}
	if got := command(t, replica, "replica.trigger-checkpoint"); !strings.HasPrefix(got, "2 processed, 0 not found\n") || strings.Count(got, " : triggered") != 2 {
		t.Error(got)
	}
}

// TestRemoteDenyClient: the server ignores clients until told otherwise.
func TestRemoteDenyClient(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "demo", Partitions: 1})
	tc.put("h", "s", "v", 0)
	addr := c.Primary("demo", 0)
	if out := command(t, addr, "replica.deny-client", "true"); out != "OK" {
		t.Fatal(out)
	}
	cl := dial(t, addr)
	cl.send(tc.header(0, 0), idl.NameGet, &idl.BlobRequest{Key: key("h", "s")})
	if head, err := cl.receive(20 * time.Millisecond); err == nil {
		t.Errorf("answered %s", string(head.Code))
	}
	if out := command(t, addr, "replica.deny-client", "false"); out != "OK" {
		t.Fatal(out)
	}
	tc.put("h", "s", "v", 0)
}
