package sandbox

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

func TestRestartedMetaKnowsNothingAtFirst(t *testing.T) {
	c, clock, _ := manual(t)
	addr := c.Leader()
	if err := c.KillMeta(0); err != nil {
		t.Fatal(err)
	}
	if err := c.RestartMeta(0); err != nil {
		t.Fatal(err)
	}
	list := func() (idl.ErrorCode, idl.ErrorCode) {
		resp := &idl.ListAppsResponse{}
		return dial(t, addr).try(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, resp), resp.Err
	}
	if head, _ := list(); head != idl.ErrHandlerNotFound {
		t.Errorf("at once: %s", string(head))
	}
	clock.Advance(c.Timing().MetaOpen)
	if head, body := list(); head != idl.ErrOK || body != idl.ErrForwardToOthers {
		t.Errorf("before an election: %s, %s", string(head), string(body))
	}
	clock.Advance(c.Timing().Election + c.Timing().LeaderStart)
	if head, body := list(); head != idl.ErrOK || body != idl.ErrOK {
		t.Errorf("as leader: %s, %s", string(head), string(body))
	}
}

func TestDuplicationDisabled(t *testing.T) {
	cfg := fast()
	cfg.DuplicationDisabled, cfg.RemoteClusters = true, []string{"beta"}
	c := start(t, cfg)
	newTable(t, c, TableSpec{Name: "t"})
	query, add := &idl.QueryDuplicationResponse{}, &idl.AddDuplicationResponse{}
	meta(t, c).call(idl.RequestHeader{}, idl.NameQueryDuplication, &idl.QueryDuplicationRequest{AppName: "t"}, query)
	meta(t, c).call(idl.RequestHeader{}, idl.NameAddDuplication, &idl.AddDuplicationRequest{AppName: "none", RemoteClusterName: "beta"}, add)
	if query.Err != idl.ErrServiceNotActive || add.Err != idl.ErrServiceNotActive {
		t.Errorf("query %s, add %s", string(query.Err), string(add.Err))
	}
}
