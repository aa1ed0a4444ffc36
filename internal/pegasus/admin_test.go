package pegasus

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// replay makes every server of k answer with what a real cluster answered, the last
// recorded answer for each request name, whatever the arguments.
func replay(t *testing.T, k *cluster, scenarios ...string) {
	t.Helper()
	answers := make(map[string][]byte)
	for _, scenario := range scenarios {
		for _, x := range recording(t, scenario) {
			if raw, err := hex.DecodeString(x.Frame); err == nil && x.Dir == "response" {
				answers[strings.TrimSuffix(x.RPC, "_ACK")] = raw
			}
		}
	}
	k.set(func() {
		k.hook = func(r *request) bool {
			raw, ok := answers[r.Name]
			if !ok || r.Name == idl.NameQueryConfig {
				return false
			}
			h, err := idl.DecodeResponseHead(raw)
			if err != nil {
				t.Error(err)
				return false
			}
			raw = append([]byte(nil), raw...)
			binary.BigEndian.PutUint32(raw[len(raw)-len(h.Result)-4:], uint32(r.Seq))
			_, _ = r.conn.Write(raw)
			return true
		}
	})
}

func TestRecordedMetaAnswers(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	replay(t, k, "meta")
	ctx := t.Context()
	info, err := c.Info(ctx)
	if err != nil || info.Name != "onebox1" || info.PrimaryMeta != "127.0.0.1:34601" || len(info.MetaServers) != 1 ||
		info.ZookeeperRoot != "/pegasus/onebox1" || info.Level == "" || c.Name() != "east" {
		t.Errorf("%+v, %v", info, err)
	}
	nodes, err := c.Nodes(ctx)
	if err != nil || len(nodes) != 3 || nodes[0] != (Node{Addr: "127.0.0.1:34801", Alive: true}) {
		t.Errorf("%v, %v", nodes, err)
	}
	tables, err := c.ListTables(ctx)
	if err != nil || len(tables) < 5 {
		t.Fatalf("%v, %v", tables, err)
	}
	for i, x := range tables {
		if x.Name == "" || x.Status != "AVAILABLE" || x.Partitions < 1 || x.Replicas != 3 || x.CreatedAt.Year() != 2026 ||
			!x.DroppedAt.IsZero() || i > 0 && x.ID <= tables[i-1].ID {
			t.Errorf("%+v", x)
		}
	}
	if level, err := c.MetaLevel(ctx); err != nil || level != "steady" {
		t.Error(level, err)
	}
	if err := c.SetMetaLevel(ctx, "lively"); err != nil {
		t.Error(err)
	}
	if err := c.SetMetaLevel(ctx, "wild"); err == nil {
		t.Error("a level that does not exist was set")
	}
	if d, err := c.Duplications(ctx, "golden"); err != nil || len(d) != 0 {
		t.Error(d, err)
	}
	if b, err := c.BulkLoadStatus(ctx, "golden"); err != nil || b.Loading || b.Status != "BLS_INVALID" || len(b.Partitions) != 4 {
		t.Errorf("%+v, %v", b, err)
	}
	if splitting, err := c.Splitting(ctx, "golden"); err != nil || splitting {
		t.Error(splitting, err)
	}
	if err := c.DeleteEnvs(ctx, "golden", "not_there"); err != nil {
		t.Error(err)
	}
	if err := c.DeleteEnvs(ctx, "golden"); err != nil {
		t.Error("nothing to delete:", err)
	}
}

func TestRecordedDuplicationsAndBulkLoads(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	for _, scenario := range []string{"dup", "bulk"} {
		replay(t, k, scenario)
		for _, x := range recording(t, scenario) {
			if x.RPC == idl.NameQueryDuplication+"_ACK" {
				if _, err := c.Duplications(t.Context(), "t"); err != nil {
					t.Error(err)
				}
				break
			}
			if x.RPC == idl.NameQueryBulkLoad+"_ACK" {
				b, err := c.BulkLoadStatus(t.Context(), "t")
				if err != nil || b.Status == "" {
					t.Error(b, err)
				}
				break
			}
		}
	}
}

func TestRecordedNodeAnswers(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	replay(t, k, "admin", "remote")
	ctx, node := t.Context(), k.nodes[0].addr
	infos, err := c.ReplicaInfos(ctx, node)
	if err != nil || len(infos) != 52 {
		t.Fatalf("%d replicas, %v", len(infos), err)
	}
	if x := infos[0]; x.AppID != 13 || x.Partition != 0 || x.Ballot != 3 || x.Status != "PS_SECONDARY" || x.Primary ||
		x.Committed != 46 || x.Prepared != 47 || x.Durable != 0 {
		t.Errorf("%+v", x)
	}
	disk, err := c.DiskInfo(ctx, node)
	if err != nil || disk.TotalMB != 258019 || disk.AvailableMB <= 0 || len(disk.Disks) != 1 || disk.Disks[0].Tag != "default" {
		t.Errorf("%+v, %v", disk, err)
	}
	if _, err := c.RemoteCommand(ctx, node, "config-dump"); err != nil {
		t.Error(err)
	}
	if _, err := c.ReplicaInfos(ctx, "not an address"); err == nil {
		t.Error("a node without an address answered")
	}
}

func TestNodeThatWasRestartedIsAskedAgain(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	lost := make(chan bool, 1)
	lost <- true
	k.set(func() {
		k.hook = func(r *request) bool {
			select {
			case <-lost:
				_ = r.conn.Close()
				return true
			default:
			}
			switch r.Name {
			case idl.NameQueryDiskInfo:
				r.reply(&idl.QueryDiskInfoResponse{Err: idl.ErrOK, TotalCapacityMb: 7})
			case idl.NameRemoteCommand:
				r.reply(&idl.RemoteCommandResponse{})
			default:
				return false
			}
			return true
		}
	})
	if d, err := c.DiskInfo(t.Context(), k.nodes[0].addr); err != nil || d.TotalMB != 7 {
		t.Error(d, err)
	}
	lost <- true
	if _, err := c.RemoteCommand(t.Context(), k.nodes[0].addr, "replica.kill_partition"); err == nil {
		t.Error("a remote command whose answer was lost was sent again")
	}
}

func TestRemoteCommands(t *testing.T) {
	k := newCluster(t, 1, 1, 1)
	c := k.open()
	output := map[string]string{
		"server-info":             "Pegasus Server 2.4.0 (abc) Release, Started at 2026-11-21 00:56:59",
		"perf-counters-by-substr": `{"result":"OK","counters":[{"name":"a@1.0","type":"NUMBER","value":2.5}]}`,
	}
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NameRemoteCommand {
				return false
			}
			arg := args[idl.RemoteCommandRequest](r)
			out, ok := output[arg.Cmd]
			if !ok {
				out = "unknown command '" + arg.Cmd + "'"
			}
			r.reply(&idl.RemoteCommandResponse{Output: out})
			return true
		}
	})
	for _, node := range []string{k.nodes[0].addr, k.metas[0].addr} {
		if v, err := c.ServerVersion(t.Context(), node); err != nil || v != "2.4.0" {
			t.Error(v, err)
		}
		if v, err := c.PerfCounters(t.Context(), node, "a"); err != nil || v["a@1.0"] != 2.5 {
			t.Error(v, err)
		}
		if _, err := c.RemoteCommand(t.Context(), node, "nope"); !errors.Is(err, ErrUnknownCommand) {
			t.Error(err)
		}
	}
}

func TestDropAndRecall(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	k.set(func() {
		k.hook = func(r *request) bool {
			switch r.Name {
			case idl.NameDropApp:
				resp := &idl.DropAppResponse{Err: idl.ErrOK}
				if a := args[idl.DropAppRequest](r); a.AppName != "orders" || a.Options.ReserveSeconds == nil || *a.Options.ReserveSeconds != 2 {
					resp.Err = idl.ErrAppNotExist
				}
				r.reply(resp)
			case idl.NameRecallApp:
				r.reply(&idl.RecallAppResponse{Err: idl.ErrOK, Info: idl.AppInfo{AppID: args[idl.RecallAppRequest](r).AppID}})
			default:
				return false
			}
			return true
		}
	})
	if err := c.DropTable(t.Context(), "orders", 1500*time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := c.DropTable(t.Context(), "other", 0); !errors.Is(err, idl.ErrAppNotExist) {
		t.Error(err)
	}
	if info, err := c.RecallTable(t.Context(), 9, ""); err != nil || info.ID != 9 {
		t.Error(info, err)
	}
}
