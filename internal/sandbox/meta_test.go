package sandbox

import (
	"maps"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// meta calls the leading meta.
func meta(t testing.TB, c *Cluster) *client {
	t.Helper()
	until(t, "a leader", func() bool { return c.Leader() != "" })
	return dial(t, c.Leader())
}

// createRequest is a request that creates a table with business.info.
func createRequest(name string, change func(*idl.CreateAppOptions)) *idl.CreateAppRequest {
	req := &idl.CreateAppRequest{AppName: name, Options: idl.CreateAppOptions{
		PartitionCount: 4, ReplicaCount: 3, AppType: "pegasus", IsStateful: true, Envs: map[string]string{"business.info": "x"},
	}}
	if change != nil {
		change(&req.Options)
	}
	return req
}

func TestCreateChecks(t *testing.T) {
	c := start(t, fast())
	m := meta(t, c)
	create := func(name string, change func(*idl.CreateAppOptions)) *idl.CreateAppResponse {
		resp := &idl.CreateAppResponse{}
		m.call(idl.RequestHeader{}, idl.NameCreateApp, createRequest(name, change), resp)
		return resp
	}
	first := create("t", nil)
	if first.Err != idl.ErrOK || first.AppID == 0 {
		t.Fatalf("%+v", first)
	}
	for name, test := range map[string]struct {
		table  string
		change func(*idl.CreateAppOptions)
		want   idl.ErrorCode
	}{
		"exists":              {"t", nil, idl.ErrAppExist},
		"exists and the same": {"t", func(o *idl.CreateAppOptions) { o.SuccessIfExist = true }, idl.ErrOK},
		"other partitions":    {"t", func(o *idl.CreateAppOptions) { o.SuccessIfExist, o.PartitionCount = true, 8 }, idl.ErrInvalidParameters},
		"other envs":          {"t", func(o *idl.CreateAppOptions) { o.SuccessIfExist, o.Envs = true, nil }, idl.ErrInvalidParameters},
		"no partitions":       {"u", func(o *idl.CreateAppOptions) { o.PartitionCount = 0 }, idl.ErrInvalidParameters},
		"too many replicas":   {"u", func(o *idl.CreateAppOptions) { o.ReplicaCount = 4 }, idl.ErrInvalidParameters},
		"bad option":          {"u", func(o *idl.CreateAppOptions) { o.Envs = map[string]string{envNumLevels: "11"} }, idl.ErrInvalidParameters},
		"unknown env":         {"v", func(o *idl.CreateAppOptions) { o.Envs = map[string]string{"no.such.env": "1"} }, idl.ErrOK},
		"three partitions":    {"w", func(o *idl.CreateAppOptions) { o.PartitionCount = 3 }, idl.ErrOK},
	} {
		t.Run(name, func(t *testing.T) {
			if got := create(test.table, test.change); got.Err != test.want {
				t.Errorf("%s, want %s", string(got.Err), string(test.want))
			}
		})
	}
	if again := create("t", func(o *idl.CreateAppOptions) { o.SuccessIfExist = true }); again.AppID != first.AppID {
		t.Errorf("id %d, was %d", again.AppID, first.AppID)
	}
}

func TestPartitionsAppearLate(t *testing.T) {
	cfg := fast()
	cfg.TimeFactor = 50
	c := start(t, cfg)
	if _, err := c.CreateTable(TableSpec{Name: "t"}); err != nil {
		t.Fatal(err)
	}
	query := func() *idl.QueryConfigResponse {
		resp := &idl.QueryConfigResponse{}
		meta(t, c).call(idl.RequestHeader{}, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: "t"}, resp)
		return resp
	}
	early := query()
	if early.Err != idl.ErrOK || len(early.Partitions) != 4 {
		t.Fatalf("%+v", early)
	}
	for _, p := range early.Partitions {
		if !p.Primary.IsZero() || p.Ballot != 0 || len(p.Secondaries) != 0 {
			t.Errorf("right after creation: %+v", p)
		}
	}
	healthy(t, c, "t")
	for _, p := range query().Partitions {
		if p.Primary.IsZero() || p.Ballot != 3 || len(p.Secondaries) != 2 {
			t.Errorf("healthy: %+v; a primary and two secondaries make three ballots", p)
		}
	}
}

func TestEnvs(t *testing.T) {
	c := start(t, fast())
	newTable(t, c, TableSpec{Name: "t"})
	m := meta(t, c)
	for name, test := range map[string]struct {
		req  idl.UpdateAppEnvRequest
		want idl.ErrorCode
		hint string
	}{
		"unknown":     {setEnv("no.such.env", "1"), idl.ErrInvalidParameters, `app_env "no.such.env" is not supported`},
		"deny":        {setEnv(envDeny, "bogus"), idl.ErrInvalidParameters, "Invalid deny client args, valid include: timeout*all, timeout*write, timeout*read; reconfig*all, reconfig*write, reconfig*read"},
		"throttle":    {setEnv(envWriteQPS, "1*x*2"), idl.ErrInvalidParameters, `x should be "delay" or "reject"`},
		"fields":      {setEnv(envWriteQPS, "1*delay"), idl.ErrInvalidParameters, "The field count of 1*delay should be 3"},
		"twice":       {setEnv(envWriteQPS, "1*delay*1,2*delay*1"), idl.ErrInvalidParameters, "duplicate delay config"},
		"read size":   {setEnv(envReadSize, "0"), idl.ErrInvalidParameters, "wrong format, you can set like 20000 or 20K"},
		"bool":        {setEnv(envValidateHash, "1"), idl.ErrInvalidParameters, `invalid string 1, should be "true" or "false"`},
		"slow query":  {setEnv("replica.slow_query_threshold", "19"), idl.ErrInvalidParameters, "Slow query threshold must be >= 20ms"},
		"ttl, any":    {setEnv(envDefaultTTL, "nonsense"), idl.ErrOK, ""},
		"good":        {setEnv(envWriteQPS, "10K*delay*100,20M*reject*0"), idl.ErrOK, ""},
		"delete none": {idl.UpdateAppEnvRequest{Op: idl.EnvOpDel, Keys: []string{"not_there"}}, idl.ErrOK, "no key need to delete"},
		"no keys":     {idl.UpdateAppEnvRequest{Op: idl.EnvOpDel}, idl.ErrInvalidParameters, ""},
		"no table":    {idl.UpdateAppEnvRequest{AppName: "nobody", Op: idl.EnvOpDel, Keys: []string{"a"}}, idl.ErrInvalidParameters, "invalid app name"},
	} {
		t.Run(name, func(t *testing.T) {
			test.req.AppName = orDefault(test.req.AppName, "t")
			resp := &idl.UpdateAppEnvResponse{}
			m.call(idl.RequestHeader{}, idl.NameUpdateAppEnv, &test.req, resp)
			if resp.Err != test.want || resp.HintMessage != test.hint {
				t.Errorf("%s %q, want %s %q", string(resp.Err), resp.HintMessage, string(test.want), test.hint)
			}
		})
	}
	resp := &idl.UpdateAppEnvResponse{}
	m.call(idl.RequestHeader{}, idl.NameUpdateAppEnv, &idl.UpdateAppEnvRequest{AppName: "t", Op: idl.EnvOpClear, ClearPrefix: new("replica")}, resp)
	if resp.HintMessage != "deleted keys:\n    replica.write_throttling" {
		t.Errorf("clear: %q", resp.HintMessage)
	}
	envs, err := c.TableEnvs("t")
	if err != nil || !maps.Equal(envs, map[string]string{envDefaultTTL: "nonsense"}) {
		t.Errorf("envs %v, %v", envs, err)
	}
}

func setEnv(key, value string) idl.UpdateAppEnvRequest {
	return idl.UpdateAppEnvRequest{Op: idl.EnvOpSet, Keys: []string{key}, Values: []string{value}}
}

func TestDropRecallRename(t *testing.T) {
	c := start(t, fast())
	tc := open(t, c, TableSpec{Name: "t"})
	tc.put("k", "s", "v", 0)
	m := meta(t, c)
	drop := &idl.DropAppResponse{}
	m.call(idl.RequestHeader{}, idl.NameDropApp, &idl.DropAppRequest{AppName: "t", Options: idl.DropAppOptions{ReserveSeconds: new(int64(3600))}}, drop)
	if drop.Err != idl.ErrOK {
		t.Fatalf("%+v", drop)
	}
	list := &idl.ListAppsResponse{}
	m.call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{Status: idl.AppDropped}, list)
	if len(list.Infos) != 1 || list.Infos[0].ExpireSecond != list.Infos[0].DropSecond+3600 {
		t.Errorf("dropped tables: %+v", list.Infos)
	}
	query := &idl.QueryConfigResponse{}
	m.call(idl.RequestHeader{}, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: "t"}, query)
	if query.Err != idl.ErrObjectNotFound {
		t.Errorf("query of a dropped table: %s", string(query.Err))
	}
	recall := &idl.RecallAppResponse{}
	m.call(idl.RequestHeader{}, idl.NameRecallApp, &idl.RecallAppRequest{AppID: tc.id, NewAppName: "u"}, recall)
	if recall.Err != idl.ErrOK || recall.Info.AppName != "u" {
		t.Fatalf("%+v", recall)
	}
	healthy(t, c, "u")
	rename := &idl.RenameAppResponse{}
	m.call(idl.RequestHeader{}, idl.NameRenameApp, &idl.RenameAppRequest{OldAppName: "u", NewAppName: "w"}, rename)
	if rename.Err != idl.ErrOK {
		t.Fatalf("%+v", rename)
	}
	m.call(idl.RequestHeader{}, idl.NameRenameApp, &idl.RenameAppRequest{OldAppName: "u", NewAppName: "w"}, rename)
	if rename.Err != idl.ErrAppNotExist || rename.HintMessage != "ERROR: app(u) not exist!" {
		t.Errorf("%+v", rename)
	}
	tc.name = "w"
	if v, st := tc.get("k", "s"); v != "v" {
		t.Errorf("row after recall and rename: %q, %v", v, st)
	}
}

func TestDroppedTableCannotBeRecalledForEver(t *testing.T) {
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Clock = clock
	c := start(t, cfg)
	tc := openManual(t, c, clock, TableSpec{Name: "t"})
	if err := c.DropTable("t"); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.tables[0].info.ExpireSecond = clock.Now().Unix() + 10
	c.mu.Unlock()
	clock.Advance(10 * time.Second)
	recall := &idl.RecallAppResponse{}
	meta(t, c).call(idl.RequestHeader{}, idl.NameRecallApp, &idl.RecallAppRequest{AppID: tc.id}, recall)
	if recall.Err != idl.ErrAppNotExist {
		t.Errorf("%+v", recall)
	}
}

func TestFollowersForward(t *testing.T) {
	cfg := fast()
	cfg.Metas = 3
	c := start(t, cfg)
	newTable(t, c, TableSpec{Name: "t"})
	for _, addr := range c.MetaServers() {
		if addr == c.Leader() {
			continue
		}
		m := dial(t, addr)
		query := &idl.QueryConfigResponse{}
		m.call(idl.RequestHeader{}, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: "t"}, query)
		if query.Err != idl.ErrForwardToOthers || len(query.Partitions) != 1 || query.Partitions[0].Primary.String() != c.Leader() {
			t.Errorf("query: %+v", query)
		}
		list := &idl.ListAppsResponse{}
		m.call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, list)
		if list.Err != idl.ErrForwardToOthers || len(list.Infos) != 0 {
			t.Errorf("list: %+v", list)
		}
	}
}

func TestLeaderIsReplaced(t *testing.T) {
	clock := NewManualClock(clockStart)
	cfg := fast()
	cfg.Metas, cfg.Clock = 2, clock
	c := start(t, cfg)
	first := c.Leader()
	c.LoseMetaLeader()
	other := c.MetaServers()[1]
	list := func() idl.ErrorCode {
		resp := &idl.ListAppsResponse{}
		dial(t, other).call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, resp)
		return resp.Err
	}
	if got := list(); got != idl.ErrForwardToOthers {
		t.Errorf("no leader yet: %s", string(got))
	}
	clock.Advance(c.Timing().Election)
	if got := list(); got != idl.ErrServiceNotActive {
		t.Errorf("new leader that starts: %s", string(got))
	}
	clock.Advance(c.Timing().LeaderStart)
	if got := list(); got != idl.ErrOK || c.Leader() != other {
		t.Errorf("new leader: %s, leader %s", string(got), c.Leader())
	}
	if !c.MetaUp(0) || first == other {
		t.Error("the lost leader is not back")
	}
}

func TestDataRequestKillsAMeta(t *testing.T) {
	cfg := fast()
	cfg.Metas = 2
	c := start(t, cfg)
	victim := c.Leader()
	m := dial(t, victim)
	m.send(idl.RequestHeader{Gpid: idl.Gpid{AppID: 1}}, idl.NameGet, &idl.BlobRequest{Key: key("a", "b")})
	if _, err := m.receive(testTimeout); err == nil {
		t.Error("the meta answers")
	}
	if c.MetaUp(0) {
		t.Error("the meta survived")
	}
	until(t, "another leader", func() bool { l := c.Leader(); return l != "" && l != victim })
	if err := c.RestartMeta(0); err != nil {
		t.Fatal(err)
	}
	resp := &idl.ListAppsResponse{}
	until(t, "the restarted meta knows its handlers", func() bool {
		code := dial(t, victim).try(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, resp)
		return code != idl.ErrHandlerNotFound
	})
	dial(t, victim).call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, resp)
	if resp.Err != idl.ErrForwardToOthers {
		t.Errorf("restarted meta: %s", string(resp.Err))
	}
}

func TestUnknownRPC(t *testing.T) {
	c := start(t, fast())
	for _, addr := range append(c.MetaServers(), c.ReplicaServers()...) {
		code := dial(t, addr).try(idl.RequestHeader{}, "RPC_NO_SUCH_THING", &idl.BlobRequest{}, nil)
		if code != idl.ErrHandlerNotFound {
			t.Errorf("%s: %s", addr, string(code))
		}
	}
	if code := meta(t, c).try(idl.RequestHeader{}, idl.NameListDuplication, &idl.ListDuplicationRequest{}, nil); code != idl.ErrHandlerNotFound {
		t.Errorf("list_duplication on 2.5.0: %s", string(code))
	}
}

func TestClusterInfoAndLevel(t *testing.T) {
	c := start(t, fast())
	m := meta(t, c)
	control := &idl.MetaControlResponse{}
	m.call(idl.RequestHeader{}, idl.NameMetaControl, &idl.MetaControlRequest{Level: idl.MetaSteady}, control)
	if control.OldLevel != idl.MetaLively {
		t.Errorf("old level %v", control.OldLevel)
	}
	m.call(idl.RequestHeader{}, idl.NameMetaControl, &idl.MetaControlRequest{Level: idl.MetaLevelInvalid}, control)
	if control.OldLevel != idl.MetaSteady {
		t.Errorf("level %v", control.OldLevel)
	}
	info := &idl.ClusterInfoResponse{}
	m.call(idl.RequestHeader{}, idl.NameClusterInfo, &idl.ClusterInfoRequest{}, info)
	if len(info.Keys) != 9 || info.Keys[8] != "cluster_name" || info.Values[8] != "alpha" || info.Values[4] != "steady" {
		t.Errorf("%q %q", info.Keys, info.Values)
	}
}

func TestDuplicationProbe(t *testing.T) {
	cfg := fast()
	cfg.RemoteClusters = []string{"alpha", "beta", "delta"}
	cfg.ClusterMetas = map[string][]string{"beta": {"127.0.0.1:1"}}
	c := start(t, cfg)
	newTable(t, c, TableSpec{Name: "t"})
	m := meta(t, c)
	for name, test := range map[string]struct {
		table, remote string
		want          idl.ErrorCode
		hint          string
	}{
		"configured": {"none", "beta", idl.ErrAppNotExist, ""},
		"no id": {"none", "gamma", idl.ErrInvalidParameters, "get_duplication_cluster_id(gamma) failed, error: " +
			"ERR_OBJECT_NOT_FOUND: failed to get cluster id for  << gamma"},
		"no metas":   {"none", "delta", idl.ErrInvalidParameters, "failed to find cluster[delta] address in config [pegasus.clusters]"},
		"itself":     {"t", "alpha", idl.ErrInvalidParameters, "illegal operation: adding duplication to itself"},
		"a real one": {"t", "beta", idl.ErrOK, ""},
	} {
		resp := &idl.AddDuplicationResponse{}
		m.call(idl.RequestHeader{}, idl.NameAddDuplication, &idl.AddDuplicationRequest{AppName: test.table, RemoteClusterName: test.remote}, resp)
		hint := ""
		if resp.Hint != nil {
			hint = *resp.Hint
		}
		if resp.Err != test.want || hint != test.hint {
			t.Errorf("%s: %s %q, want %s %q", name, string(resp.Err), hint, string(test.want), test.hint)
		}
	}
}
