package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// of sets the release of both clusters of a pair.
func of(version string) func(alpha, beta *Config) {
	return func(alpha, beta *Config) { alpha.Version, beta.Version = version, version }
}

func TestUnknownReleaseIsRefused(t *testing.T) {
	for _, version := range []string{"2.3.0", "2.5", "2.4.0-SNAPSHOT", "3.0.0"} {
		if c, err := Start(t.Context(), Config{Version: version}); err == nil {
			t.Errorf("%s: a cluster was started", version)
			_ = c.Close()
		}
	}
}

// What 2.4 does not have yet; the rest is as on 2.5.
func TestRelease240(t *testing.T) {
	a, b := pair(t, of(Version240))
	tc := loaded(t, a, TableSpec{Name: "t", Partitions: 1})
	m := meta(t, a)
	if info := command(t, a.MetaServers()[0], "server-info"); !strings.HasPrefix(info, "Pegasus Server 2.4.0 (") || !strings.Contains(info, ") Release, Started at ") {
		t.Errorf("server-info: %q", info)
	}
	if code := m.try(idl.RequestHeader{}, idl.NameRenameApp, &idl.RenameAppRequest{OldAppName: "t", NewAppName: "u"}, nil); code != idl.ErrHandlerNotFound {
		t.Errorf("rename: %s", string(code))
	}
	if code := m.try(idl.RequestHeader{}, idl.NameListDuplication, &idl.ListDuplicationRequest{}, nil); code != idl.ErrHandlerNotFound {
		t.Errorf("list_duplication: %s", string(code))
	}
	req := fullScan(10)
	req.OnlyReturnCount = new(true)
	count := tc.getScanner(0, req)
	if count.KvCount != nil || len(count.Kvs) != 10 {
		t.Errorf("only_return_count: %v, %d rows; 2.4 does not know it", count.KvCount, len(count.Kvs))
	}
	tc.add(true)
	tc.inState(idl.DupLog)
	tc.put("k", "s", "v", 0)
	tc.put("k", "s2", "v", 0)
	tc.arrived()
	sameRows(t, a, b, "t")
}

// What 2.6 does otherwise: ADD_DUPLICATION, what it shows of progress, metrics.
func TestRelease260(t *testing.T) {
	a, b := pair(t, of(Version260))
	tc := loaded(t, a, TableSpec{Name: "t", Partitions: 2})
	open(t, a, TableSpec{Name: "other", Partitions: 2})
	m := meta(t, a)
	add := &idl.AddDuplicationRequest{AppName: "t", RemoteClusterName: "beta", RemoteAppName: new("u"), RemoteReplicaCount: new(int32(1))}
	first, again := &idl.AddDuplicationResponse{}, &idl.AddDuplicationResponse{}
	m.call(idl.RequestHeader{}, idl.NameAddDuplication, add, first)
	m.call(idl.RequestHeader{}, idl.NameAddDuplication, add, again)
	if first.Err != idl.ErrOK || first.RemoteAppName == nil || *first.RemoteAppName != "u" || first.RemoteReplicaCount == nil || *first.RemoteReplicaCount != 1 {
		t.Errorf("add: %+v", first)
	}
	if again.Err != idl.ErrDupExist || again.DupID != first.DupID || again.RemoteAppName == nil || *again.RemoteAppName != "u" {
		t.Errorf("add again: %+v", again)
	}
	rival := *add
	rival.AppName = "other"
	m.call(idl.RequestHeader{}, idl.NameAddDuplication, &rival, again)
	if again.Err != idl.ErrInvalidParameters || again.Hint == nil || !strings.Contains(*again.Hint, "another app(t)") {
		t.Errorf("another table to the same follower: %+v", again)
	}

	tc.inState(idl.DupLog) // one replica is enough
	tc.put("k", "s", "v", 0)
	until(t, "the last mutation arrives", func() bool {
		for _, p := range tc.state().Partitions {
			if p.Shipped < p.Committed {
				return false
			}
		}
		return true
	})
	if left, right := rowsOf(t, a, "t"), rowsOf(t, b, "u"); strings.Join(left, "\n") != strings.Join(right, "\n") {
		t.Errorf("%d rows on alpha, %d on beta", len(left), len(right))
	}
	envs, err := b.TableEnvs("u")
	if err != nil || envs[envMasterApp] != "t" || envs[envFollowerStatus] != followerCreated {
		t.Errorf("envs of the follower: %v, %v", envs, err)
	}
	until(t, "the meta knows the decrees", func() bool {
		states := m.queryDup("t").EntryList[0].PartitionStates
		return len(states) == 2 && states[0].ConfirmedDecree > 0 && states[0].LastCommittedDecree >= states[0].ConfirmedDecree
	})
	list := &idl.ListDuplicationResponse{}
	m.call(idl.RequestHeader{}, idl.NameListDuplication, &idl.ListDuplicationRequest{MatchType: idl.MatchAll}, list)
	if len(list.AppStates) != 1 || list.AppStates["t"].Duplications[first.DupID].Remote != "beta" {
		t.Errorf("list: %+v", list)
	}
}

// TestEmptyPartitionsOf260: they have a checkpoint, so that a table without a row gets to
// DS_LOG.
func TestEmptyPartitionsOf260(t *testing.T) {
	a, _ := pair(t, of(Version260))
	tc := open(t, a, TableSpec{Name: "t", Partitions: 4})
	tc.add(true)
	tc.inState(idl.DupLog)
}

func TestCountersOf260(t *testing.T) {
	a, _ := pair(t, of(Version260))
	tc := open(t, a, TableSpec{Name: "t", Partitions: 1})
	for range 3 {
		tc.put("k", "s", "v", 0)
	}
	primary := a.Primary("t", 0)
	if info := command(t, primary, "server-info"); !strings.HasPrefix(info, "{") || !strings.Contains(info, `"version":"2.6.0-SNAPSHOT"`) {
		t.Errorf("server-info: %s", info)
	}
	if got := command(t, primary, "perf-counters-by-substr", "x"); got != "unknown command 'perf-counters-by-substr'" {
		t.Errorf("perf-counters: %s", got)
	}
	status, body, _ := httpGet(t, primary, fmt.Sprintf("/metrics?with_metric_fields=name,value&types=replica&attributes=table_id,%d&metrics=put_requests", tc.id))
	want := fmt.Sprintf(`"entities":[{"type":"replica","id":"replica@%d.0","attributes":{"partition_id":"0","table_id":"%d"},"metrics":[{"name":"put_requests","value":3}]}]}`, tc.id, tc.id)
	if status != 200 || !strings.HasSuffix(body, want) {
		t.Errorf("%d %s, want %s", status, body, want)
	}
	if status, body, _ := httpGet(t, primary, "/metrics?types=server&ids=server&detail=false"); status != 200 || !strings.Contains(body, `"name":"write_failed_requests"`) {
		t.Errorf("of the server: %d %s", status, body)
	}
	for _, bad := range []string{"/metrics?attributes=table_id", "/metrics?colour=red", "/metrics?detail=1"} {
		if status, body, _ := httpGet(t, primary, bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if status, _, _ := httpGet(t, primary, "/perfCounter?name=x"); status != 404 {
		t.Errorf("/perfCounter: %d", status)
	}
}

// TestRepeatedFollowerOf260: a request that creates a follower may come again, and one says
// that the follower is complete; anything else is a name that is taken.
func TestRepeatedFollowerOf260(t *testing.T) {
	cfg := fast()
	cfg.Version = Version260
	c := start(t, cfg)
	open(t, c, TableSpec{Name: "mine"})
	m := meta(t, c)
	create := func(name, cluster, status string) idl.ErrorCode {
		envs := map[string]string{envMasterCluster: cluster, envMasterMetas: "127.0.0.1:1", envMasterApp: "t"}
		if status != "" {
			envs[envFollowerStatus] = status
		}
		req := &idl.CreateAppRequest{AppName: name, Options: idl.CreateAppOptions{
			PartitionCount: 1, ReplicaCount: 3, AppType: "pegasus", IsStateful: true, Envs: envs}}
		resp := &idl.CreateAppResponse{}
		m.call(idl.RequestHeader{}, idl.NameCreateApp, req, resp)
		return resp.Err
	}
	for _, x := range []struct {
		name, cluster, status string
		want                  idl.ErrorCode
	}{
		{"mine", "alpha", followerCreating, idl.ErrAppExist},
		{"f", "alpha", followerCreating, idl.ErrOK},
		{"f", "alpha", followerCreating, idl.ErrOK},
		{"f", "gamma", followerCreating, idl.ErrAppExist},
		{"f", "alpha", "", idl.ErrAppExist},
		{"f", "alpha", "done", idl.ErrInvalidParameters},
		{"f", "alpha", followerCreated, idl.ErrOK},
		{"f", "alpha", followerCreated, idl.ErrOK},
		{"f", "alpha", followerCreating, idl.ErrAppExist},
		{"old", "alpha", "", idl.ErrOK}, // made by a master of 2.5
		{"old", "alpha", followerCreating, idl.ErrInvalidState},
	} {
		until(t, "no table is being created", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			t := c.findTable(x.name)
			return t == nil || t.info.Status == idl.AppAvailable
		})
		if got := create(x.name, x.cluster, x.status); got != x.want {
			t.Errorf("%s of %s, %q: %s, want %s", x.name, x.cluster, x.status, string(got), string(x.want))
		}
	}
	if envs, err := c.TableEnvs("f"); err != nil || envs[envFollowerStatus] != followerCreated {
		t.Errorf("%v, %v", envs, err)
	}
}
