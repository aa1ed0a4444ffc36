package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// addDup sends ADD_DUPLICATION for a table and beta.
func (c *client) addDup(table string, checkpoint bool) *idl.AddDuplicationResponse {
	c.t.Helper()
	resp := &idl.AddDuplicationResponse{}
	c.call(idl.RequestHeader{}, idl.NameAddDuplication, &idl.AddDuplicationRequest{AppName: table, RemoteClusterName: "beta", IsDuplicatingCheckpoint: &checkpoint}, resp)
	return resp
}

// modifyDup sends MODIFY_DUPLICATION; a nil state is left out.
func (c *client) modifyDup(table string, id int32, status *idl.DuplicationStatus, mode *idl.DuplicationFailMode) *idl.ModifyDuplicationResponse {
	c.t.Helper()
	resp := &idl.ModifyDuplicationResponse{}
	c.call(idl.RequestHeader{}, idl.NameModifyDuplication, &idl.ModifyDuplicationRequest{AppName: table, DupID: id, Status: status, FailMode: mode}, resp)
	return resp
}

func (c *client) queryDup(table string) *idl.QueryDuplicationResponse {
	c.t.Helper()
	resp := &idl.QueryDuplicationResponse{}
	c.call(idl.RequestHeader{}, idl.NameQueryDuplication, &idl.QueryDuplicationRequest{AppName: table}, resp)
	return resp
}

// frozen are two linked clusters whose time stands still, with a table.
func frozen(t *testing.T) (a, b *Cluster, clock *ManualClock, tc *tableClient) {
	t.Helper()
	clock = NewManualClock(clockStart)
	a, b = pair(t, func(x, y *Config) { x.Clock, y.Clock, x.TimeFactor, y.TimeFactor = clock, clock, 1, 1 })
	b.timing.TableState = time.Millisecond // answers wait for the clock, which is moved in large steps
	return a, b, clock, openManual(t, a, clock, TableSpec{Name: "t"})
}

func TestAddDuplicationTwice(t *testing.T) {
	a, _, _, tc := frozen(t)
	m := meta(t, a)
	first := m.addDup("t", true)
	if first.Err != idl.ErrOK || first.AppID != tc.id || first.DupID != int32(clockStart.Unix()) && int64(first.DupID) < clockStart.Unix() || first.Hint != nil {
		t.Errorf("%+v", first)
	}
	if again := m.addDup("t", true); *again != *first {
		t.Errorf("the same state again: %+v, want %+v", again, first)
	}
	none := idl.AddDuplicationResponse{Err: idl.ErrOK}
	if got := m.addDup("t", false); *got != none {
		t.Errorf("an illegal change: %+v", got)
	}
	set := func(status idl.DuplicationStatus) {
		t.Helper()
		if err := a.ModifyDuplication("t", first.DupID, status); err != nil {
			t.Fatal(err)
		}
	}
	set(idl.DupApp)
	if got := m.addDup("t", true); *got != none {
		t.Errorf("DS_APP and a checkpoint: %+v", got)
	}
	if got := m.addDup("t", false); *got != *first || tc.state().Status != idl.DupLog {
		t.Errorf("DS_APP without a checkpoint: %+v, now %v", got, tc.state().Status)
	}
	if got := m.addDup("t", true); *got != none {
		t.Errorf("DS_LOG and a checkpoint: %+v", got)
	}
	set(idl.DupPause)
	if got := m.addDup("t", false); *got != *first || tc.state().Status != idl.DupLog {
		t.Errorf("DS_PAUSE without a checkpoint: %+v, now %v", got, tc.state().Status)
	}
}

func TestModifyDuplication(t *testing.T) {
	a, _, _, tc := frozen(t)
	m := meta(t, a)
	id := m.addDup("t", true).DupID
	status := func(s idl.DuplicationStatus) *idl.DuplicationStatus { return &s }
	for _, x := range []struct {
		to   idl.DuplicationStatus
		want idl.ErrorCode
		app  int32
	}{
		{idl.DupPause, idl.ErrInvalidParameters, 0}, // a duplication in DS_PREPARE cannot be paused
		{idl.DupLog, idl.ErrInvalidParameters, 0},
		{idl.DupPrepare, idl.ErrOK, 0}, // nothing changes, and the answer is not filled
		{idl.DupApp, idl.ErrOK, tc.id},
		{idl.DupPause, idl.ErrInvalidParameters, 0},
		{idl.DupLog, idl.ErrOK, tc.id},
		{idl.DupPrepare, idl.ErrInvalidParameters, 0},
		{idl.DupPause, idl.ErrOK, tc.id},
		{idl.DupLog, idl.ErrOK, tc.id},
		{9, idl.ErrInvalidParameters, 0},
	} {
		got := m.modifyDup("t", id, status(x.to), nil)
		if got.Err != x.want || got.AppID != x.app {
			t.Errorf("to %v: %+v", x.to, got)
		}
	}
	mode := idl.DupFailSkip
	if got := m.modifyDup("t", id, nil, &mode); got.Err != idl.ErrOK || tc.state().FailMode != mode {
		t.Errorf("fail mode: %+v, %v", got, tc.state().FailMode)
	}
	q := m.queryDup("t")
	if q.AppID != tc.id || len(q.EntryList) != 1 {
		t.Fatalf("%+v", q)
	}
	if e := q.EntryList[0]; e.DupID != id || e.Status != idl.DupLog || e.Remote != "beta" || *e.FailMode != mode || e.Progress != nil || e.CreateTs/1000 != int64(id) {
		t.Errorf("%+v", e)
	}
	if got := m.modifyDup("t", id+1, status(idl.DupRemoved), nil); got.Err != idl.ErrObjectNotFound {
		t.Errorf("unknown: %+v", got)
	}
	if got := m.modifyDup("none", id, status(idl.DupRemoved), nil); got.Err != idl.ErrAppNotExist {
		t.Errorf("unknown table: %+v", got)
	}
	if !duplicating(t, m, "t") {
		t.Error("the table is not shown as duplicating")
	}
	if got := m.modifyDup("t", id, status(idl.DupRemoved), nil); got.Err != idl.ErrOK || got.AppID != tc.id {
		t.Errorf("remove: %+v", got)
	}
	if len(m.queryDup("t").EntryList) != 0 || duplicating(t, m, "t") {
		t.Error("there is still something of the duplication")
	}
	if again := m.addDup("t", true); again.DupID != id {
		t.Errorf("within a second the id is %d, was %d", again.DupID, id)
	}
}

// duplicating is the flag of a table in LIST_APPS.
func duplicating(t *testing.T, m *client, table string) bool {
	t.Helper()
	resp := &idl.ListAppsResponse{}
	m.call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, resp)
	for _, info := range resp.Infos {
		if info.AppName == table {
			return *info.Duplicating
		}
	}
	t.Fatalf("no table %q", table)
	return false
}

// TestPrepareTakesFourSyncs: with the real intervals a duplication leaves DS_PREPARE
// between 30 and 50 s after it was added, as recorded (46 s).
func TestPrepareTakesFourSyncs(t *testing.T) {
	a, b, clock, tc := frozen(t)
	if err := a.Fill("t", LoadSpec{Rows: 100}); err != nil {
		t.Fatal(err)
	}
	tc.add(true)
	added := clock.Now()
	clock.Advance(a.timing.DupCheckpoint + 2*a.timing.DupSync)
	if got := tc.state(); got.Status != idl.DupPrepare {
		t.Fatalf("%v after %v", got.Status, clock.Now().Sub(added))
	}
	until(t, "DS_APP", func() bool {
		clock.Advance(a.timing.DupSync / 10)
		settleNetwork(t, clock, a, b)
		return tc.state().Status == idl.DupApp
	})
	if took := clock.Now().Sub(added); took < 3*a.timing.DupSync {
		t.Errorf("DS_APP after %v", took)
	}
	until(t, "DS_LOG", func() bool {
		clock.Advance(a.timing.DupSync / 10)
		settleNetwork(t, clock, a, b)
		return tc.state().Status == idl.DupLog
	})
}

// TestLeaderChangeDuringCheckpoint: a new leader does not know any more that the
// checkpoints are ready, and replicas only say so in DS_PREPARE.
func TestLeaderChangeDuringCheckpoint(t *testing.T) {
	for _, status := range []idl.DuplicationStatus{idl.DupPrepare, idl.DupApp} {
		a, b := pair(t)
		tc := loaded(t, a, TableSpec{Name: "t"})
		hold := make(chan struct{})
		b.cfg.Hook = func(call Call) Verdict {
			if call.RPC == idl.NameQueryConfig || (call.RPC == idl.NameCreateApp && status == idl.DupPrepare) {
				return Hold(hold)
			}
			return Pass()
		}
		b.resetHook()
		tc.add(true)
		tc.inState(status)
		until(t, "replicas to know", func() bool {
			for _, p := range tc.state().Partitions {
				if p.Status != status {
					return false
				}
			}
			return true
		})
		a.LoseMetaLeader()
		until(t, "a leader", func() bool { return a.Leader() != "" })
		close(hold)
		if status == idl.DupPrepare {
			tc.inState(idl.DupLog)
			continue
		}
		a.mu.Lock()
		wait := 30 * a.timing.DupSync
		a.mu.Unlock()
		ended := false
		a.after(wait, func() { a.mu.Lock(); ended = true; a.mu.Unlock() })
		until(t, "thirty syncs", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return ended })
		if got := tc.state().Status; got != idl.DupApp {
			t.Errorf("%v: a leader that does not know of the checkpoints goes on", got)
		}
	}
}

func TestDuplicationOverHTTP(t *testing.T) {
	a, _ := pair(t)
	tc := loaded(t, a, TableSpec{Name: "t", Partitions: 3})
	replica, leader := a.Primary("t", 0), a.Leader()
	expect := func(addr, path string, status int, body string) {
		t.Helper()
		gotStatus, got, _ := httpGet(t, addr, path)
		if gotStatus != status || got != body {
			t.Errorf("%s: %d %q, want %d %q", path, gotStatus, got, status, body)
		}
	}
	expect(replica, "/replica/duplication?appid=1", 404, "no duplication assigned for app [appid=1]")
	expect(replica, "/replica/duplication?appid=7", 404, "no primary for app [appid=7]")
	expect(replica, "/replica/duplication", 400, "appid should not be empty")
	expect(replica, "/replica/duplication?appid=x", 400, "invalid appid=x")
	expect(leader, "/meta/app/duplication?name=t", 200, "null")
	expect(leader, "/meta/app/duplication?name=none", 404, "ERR_APP_NOT_EXIST")
	expect(leader, "/meta/app/duplication", 400, "name should not be empty")
	tc.add(true)
	tc.inState(idl.DupLog)
	_, body, _ := httpGet(t, leader, "/meta/app/duplication?name=t")
	if !strings.HasPrefix(body, `{"1":{"create_ts":"20`) || !strings.HasSuffix(body, `,"fail_mode":"FAIL_SLOW","remote":"beta","status":"DS_LOG"},"appid":1}`) {
		t.Errorf("%s", body)
	}
	until(t, "rest", func() bool {
		for _, p := range tc.state().Partitions {
			if !p.AtRest() {
				return false
			}
		}
		return true
	})
	_, body, _ = httpGet(t, replica, "/replica/duplication?appid=1")
	if !strings.Contains(body, `"1.0":{"duplicating":true,"fail_mode":"FAIL_SLOW","not_confirmed_mutations_num":`) ||
		!strings.Contains(body, `,"not_duplicated_mutations_num":1}`) || !strings.HasSuffix(body, "}}}") {
		t.Errorf("%s", body)
	}

	off := fast()
	off.DuplicationDisabled = true
	c := start(t, off)
	const text = "duplication is not enabled [FLAGS_duplication_enabled=false]"
	expect(c.Leader(), "/meta/app/duplication?name=t", 404, text)
	expect(c.ReplicaServers()[0], "/replica/duplication?appid=1", 404, text)
}

// TestConfigurationOfOneServer: config-dump shows what this server was started with, not
// what others were.
func TestConfigurationOfOneServer(t *testing.T) {
	a, b := pair(t)
	dump := func(addr string) string {
		resp := &idl.RemoteCommandResponse{}
		dial(t, addr).call(idl.RequestHeader{}, idl.NameRemoteCommand, &idl.RemoteCommandRequest{Cmd: "config-dump"}, resp)
		return resp.Output
	}
	for _, f := range []Fault{
		{Kind: FaultForgetClusterID, Remote: "beta", Server: new(1)},
		{Kind: FaultForgetClusterMetas, Remote: "beta", Server: new(2)},
		{Kind: FaultForgetClusterID, Remote: "beta", Metas: true},
	} {
		if _, err := a.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	const id = "\nbeta = 2\n"
	metas := "\nbeta = " + strings.Join(b.MetaServers(), ",") + "\n"
	for i, addr := range append(a.ReplicaServers(), a.MetaServers()...) {
		text := dump(addr)
		if strings.Contains(text, id) != (i != 1 && i != 3) || strings.Contains(text, metas) != (i != 2) {
			t.Errorf("server %d: id %v, metas %v", i, strings.Contains(text, id), strings.Contains(text, metas))
		}
		if !strings.Contains(text, "\nduplication_enabled = true\n") || !strings.Contains(text, "\nalpha = 1\n") {
			t.Errorf("server %d does not show itself", i)
		}
	}
	for _, f := range []Fault{{Kind: FaultForgetClusterID}, {Kind: FaultForgetClusterID, Remote: "beta", Server: new(9)}} {
		if _, err := a.Inject(f); err == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
}
