package sandbox

import (
	"testing"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// TestTableStates: other clients see a table being created and dropped; the answers
// come when that is over; afterwards a dropped and a living table share the name.
func TestTableStates(t *testing.T) {
	c, clock, _ := manual(t)
	asker, other := meta(t, c), meta(t, c)
	query := func() idl.ErrorCode {
		resp := &idl.QueryConfigResponse{}
		other.call(idl.RequestHeader{}, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: "u"}, resp)
		return resp.Err
	}
	create := func() {
		t.Helper()
		asker.send(idl.RequestHeader{}, idl.NameCreateApp, createRequest("u", nil))
		until(t, "the table is being created", func() bool { return query() == idl.ErrBusyCreating })
		again := &idl.CreateAppResponse{}
		other.call(idl.RequestHeader{}, idl.NameCreateApp, createRequest("u", nil), again)
		if again.Err != idl.ErrBusyCreating {
			t.Errorf("create again: %s", string(again.Err))
		}
		clock.Advance(c.Timing().TableState)
		if head, err := asker.receive(testTimeout); err != nil || head.Code != idl.ErrOK {
			t.Fatalf("%+v, %v", head, err)
		}
		if got := query(); got != idl.ErrOK {
			t.Errorf("created: %s", string(got))
		}
	}
	create()
	asker.send(idl.RequestHeader{}, idl.NameDropApp, &idl.DropAppRequest{AppName: "u"})
	until(t, "the table is being dropped", func() bool { return query() == idl.ErrBusyDropping })
	clock.Advance(c.Timing().TableState)
	if head, err := asker.receive(testTimeout); err != nil || head.Code != idl.ErrOK {
		t.Fatalf("%+v, %v", head, err)
	}
	if got := query(); got != idl.ErrObjectNotFound {
		t.Errorf("dropped: %s", string(got))
	}
	create()
	list := &idl.ListAppsResponse{}
	other.call(idl.RequestHeader{}, idl.NameListApps, &idl.ListAppsRequest{}, list)
	var states []idl.AppStatus
	for _, info := range list.Infos {
		if info.AppName == "u" {
			states = append(states, info.Status)
		}
	}
	if len(states) != 2 || states[0] != idl.AppDropped || states[1] != idl.AppAvailable {
		t.Errorf("entries of one name: %v", states)
	}
}
