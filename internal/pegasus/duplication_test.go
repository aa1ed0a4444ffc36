package pegasus

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// answerAll makes every server answer one request name with a fixed response.
func answerAll(k *cluster, name string, resp func(r *request) idl.Message) {
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != name {
				return false
			}
			if m := resp(r); m != nil {
				r.reply(m)
			} else {
				_ = r.conn.Close()
			}
			return true
		}
	})
}

func TestAddDuplication(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	spec := DuplicationSpec{Table: "orders", Remote: "west"}
	t.Run("an older server", func(t *testing.T) {
		answerAll(k, idl.NameAddDuplication, func(r *request) idl.Message {
			a := args[idl.AddDuplicationRequest](r)
			if a.AppName != "orders" || a.RemoteClusterName != "west" || a.IsDuplicatingCheckpoint == nil || !*a.IsDuplicatingCheckpoint ||
				a.RemoteAppName != nil || a.RemoteReplicaCount != nil {
				t.Errorf("sent %+v", a)
			}
			return &idl.AddDuplicationResponse{Err: idl.ErrOK, AppID: 7, DupID: 1795224761}
		})
		if got, err := c.AddDuplication(t.Context(), spec); err != nil || got != (AddedDuplication{ID: 1795224761}) {
			t.Error(got, err)
		}
	})
	t.Run("a later server says what the follower will be", func(t *testing.T) {
		answerAll(k, idl.NameAddDuplication, func(r *request) idl.Message {
			a := args[idl.AddDuplicationRequest](r)
			if *a.IsDuplicatingCheckpoint {
				t.Error("a checkpoint was asked for")
			}
			return &idl.AddDuplicationResponse{Err: idl.ErrOK, DupID: 9, RemoteAppName: a.RemoteAppName, RemoteReplicaCount: a.RemoteReplicaCount}
		})
		got, err := c.AddDuplication(t.Context(), DuplicationSpec{Table: "orders", Remote: "west", LogOnly: true, RemoteTable: "o2", RemoteReplicas: 2})
		if err != nil || got != (AddedDuplication{ID: 9, RemoteTable: "o2", RemoteReplicas: 2}) {
			t.Error(got, err)
		}
	})
	t.Run("existing", func(t *testing.T) {
		for _, resp := range []*idl.AddDuplicationResponse{
			{Err: idl.ErrOK},                      // 2.4, 2.5: the transition is illegal
			{Err: idl.ErrDupExist, DupID: 17},     // later
			{Err: idl.ErrOK, AppID: 7, DupID: -1}, // never a valid id
		} {
			answerAll(k, idl.NameAddDuplication, func(*request) idl.Message { return resp })
			if _, err := c.AddDuplication(t.Context(), spec); !errors.Is(err, ErrDuplicationExists) || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("%+v: %v", resp, err)
			}
		}
	})
	t.Run("refused", func(t *testing.T) {
		hint := "failed to find cluster[west] address in config [pegasus.clusters]"
		answerAll(k, idl.NameAddDuplication, func(*request) idl.Message {
			return &idl.AddDuplicationResponse{Err: idl.ErrInvalidParameters, Hint: &hint}
		})
		_, err := c.AddDuplication(t.Context(), spec)
		var me *MetaError
		if !errors.As(err, &me) || me.Code != idl.ErrInvalidParameters || me.Hint != hint || !strings.Contains(err.Error(), hint) {
			t.Error(err)
		}
	})
	t.Run("lost answer", func(t *testing.T) {
		before := k.metas[0].count(idl.NameAddDuplication)
		answerAll(k, idl.NameAddDuplication, func(*request) idl.Message { return nil })
		if _, err := c.AddDuplication(t.Context(), spec); !errors.Is(err, ErrOutcomeUnknown) {
			t.Error(err)
		}
		if n := k.metas[0].count(idl.NameAddDuplication) - before; n != 1 {
			t.Errorf("it was sent %d times", n)
		}
	})
}

func TestProbeDuplication(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	names := map[string]bool{}
	answer := idl.ErrAppNotExist
	answerAll(k, idl.NameAddDuplication, func(r *request) idl.Message {
		names[args[idl.AddDuplicationRequest](r).AppName] = true
		return &idl.AddDuplicationResponse{Err: answer, DupID: 5}
	})
	for range 3 {
		if err := c.ProbeDuplication(t.Context(), "west"); err != nil {
			t.Error(err)
		}
	}
	if len(names) != 3 {
		t.Errorf("table names repeat: %v", names)
	}
	for _, code := range []idl.ErrorCode{idl.ErrInvalidParameters, idl.ErrServiceNotActive} {
		answer = code
		if err := c.ProbeDuplication(t.Context(), "west"); !errors.Is(err, code) {
			t.Error(code, err)
		}
	}
	for _, code := range []idl.ErrorCode{idl.ErrOK, idl.ErrDupExist} {
		answer = code
		if err := c.ProbeDuplication(t.Context(), "west"); err == nil || !strings.Contains(err.Error(), "was accepted") {
			t.Error(code, err)
		}
	}
}

func TestModifyDuplication(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	var sent []idl.ModifyDuplicationRequest
	answer := idl.ErrOK
	answerAll(k, idl.NameModifyDuplication, func(r *request) idl.Message {
		sent = append(sent, *args[idl.ModifyDuplicationRequest](r))
		return &idl.ModifyDuplicationResponse{Err: answer}
	})
	ctx := t.Context()
	for _, err := range []error{c.RemoveDuplication(ctx, "orders", 4), c.SetDuplicationStatus(ctx, "orders", 4, idl.DupPause),
		c.SetDuplicationFailMode(ctx, "orders", 4, idl.DupFailFast)} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []idl.ModifyDuplicationRequest{
		{AppName: "orders", DupID: 4, Status: new(idl.DupRemoved)},
		{AppName: "orders", DupID: 4, Status: new(idl.DupPause)},
		{AppName: "orders", DupID: 4, FailMode: new(idl.DupFailFast)},
	}
	if !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %+v", sent)
	}
	answer = idl.ErrObjectNotFound
	if err := c.RemoveDuplication(ctx, "orders", 4); !errors.Is(err, idl.ErrObjectNotFound) {
		t.Error(err)
	}
}

func TestHasListDuplication(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	if has, err := c.HasListDuplication(t.Context()); err != nil || has {
		t.Error(has, err) // the fake knows no such request
	}
	for _, code := range []idl.ErrorCode{idl.ErrOK, idl.ErrInvalidParameters} {
		answerAll(k, idl.NameListDuplication, func(*request) idl.Message { return &idl.ListDuplicationResponse{Err: code} })
		if has, err := c.HasListDuplication(t.Context()); err != nil || !has {
			t.Error(code, has, err)
		}
	}
	starting := make(chan bool, 1)
	starting <- true
	k.set(func() {
		k.hook = func(r *request) bool {
			if r.Name != idl.NameListDuplication {
				return false
			}
			select {
			case <-starting:
				r.fail(idl.ErrHandlerNotFound)
			default:
				r.reply(&idl.ListDuplicationResponse{Err: idl.ErrOK})
			}
			return true
		}
	})
	if has, err := c.HasListDuplication(t.Context()); err != nil || !has {
		t.Error("a meta that was starting:", has, err)
	}
}

func TestDuplicationsOfALaterServer(t *testing.T) {
	k := newCluster(t, 1, 0, 0)
	c := k.open()
	answerAll(k, idl.NameQueryDuplication, func(*request) idl.Message {
		return &idl.QueryDuplicationResponse{Err: idl.ErrOK, AppID: 7, EntryList: []idl.DuplicationEntry{{
			DupID: 9, Status: idl.DupLog, Remote: "west", CreateTs: 1795224761000, FailMode: new(idl.DupFailSkip),
			RemoteAppName: new("o2"), RemoteReplicaCount: new(int32(2)),
			PartitionStates: map[int32]idl.DupPartitionState{3: {ConfirmedDecree: 5, LastCommittedDecree: 8}}}}}
	})
	got, err := c.Duplications(t.Context(), "orders")
	want := []Duplication{{ID: 9, Status: "DS_LOG", Remote: "west", FailMode: "FAIL_SKIP", CreatedAt: time.Unix(1795224761, 0).UTC(),
		RemoteTable: "o2", RemoteReplicas: 2, PartitionStates: map[int32]DuplicationState{3: {Confirmed: 5, Committed: 8}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRecordedLifeOfADuplication reads what a real 2.5.0 cluster said while a duplication went from
// DS_PREPARE to its end.
func TestRecordedLifeOfADuplication(t *testing.T) {
	var states []string
	ids := map[int32]bool{}
	added, modified := []int32{}, 0
	for _, x := range recording(t, "dup") {
		if x.Dir != "response" {
			continue
		}
		raw, err := hex.DecodeString(x.Frame)
		if err != nil {
			t.Fatal(err)
		}
		h, err := idl.DecodeResponseHead(raw)
		if err != nil {
			t.Fatal(err)
		}
		var d idl.Decoder
		switch strings.TrimSuffix(x.RPC, "_ACK") {
		case idl.NameAddDuplication:
			var resp idl.AddDuplicationResponse
			if err := h.DecodeResult(&d, &resp); err != nil {
				t.Fatal(err)
			}
			added = append(added, resp.DupID)
		case idl.NameModifyDuplication:
			modified++
		case idl.NameQueryDuplication:
			var resp idl.QueryDuplicationResponse
			if err := h.DecodeResult(&d, &resp); err != nil {
				t.Fatal(err)
			}
			for i := range resp.EntryList {
				e := duplication(&resp.EntryList[i])
				if e.Remote != "onebox2" || e.CreatedAt.Year() != 2026 || e.FailMode == "" || e.RemoteTable != "" || e.PartitionStates != nil {
					t.Errorf("%+v", e)
				}
				ids[e.ID] = true
				if len(states) == 0 || states[len(states)-1] != e.Status {
					states = append(states, e.Status)
				}
			}
		}
	}
	if len(added) != 2 || added[0] <= 0 || added[1] != added[0] || !ids[added[0]] || len(ids) != 1 || modified < 3 {
		t.Errorf("added %v, listed %v, modified %d times", added, ids, modified)
	}
	if got := strings.Join(states, " "); !strings.HasPrefix(got, "DS_PREPARE DS_APP DS_LOG") {
		t.Errorf("states %s", got)
	}
}

// recordedProgress are the recorded answers of /replica/duplication.
func recordedProgress(t *testing.T, use func(body []byte, status int)) {
	t.Helper()
	paths := make(map[string]string)
	for _, x := range recording(t, "dup") {
		switch x.Dir {
		case "http-request":
			paths[x.Conn] = strings.Fields(x.Text)[1]
		case "http-response":
			if !strings.HasPrefix(paths[x.Conn], "/replica/duplication") {
				continue
			}
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(x.Text)), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			use(body, resp.StatusCode)
		}
	}
}

func TestRecordedDuplicationProgress(t *testing.T) {
	none, shipping := 0, map[int32]ReplicaProgress{}
	recordedProgress(t, func(body []byte, status int) {
		got, err := parseDuplicationProgress(body, status, 13)
		if errors.Is(err, ErrNoDuplicationHere) {
			none++
			return
		}
		of := got[1795224761]
		if err != nil || len(got) != 1 || len(of) == 0 {
			t.Fatalf("%q: %v, %v", body, got, err)
		}
		for p, x := range of {
			if x.FailMode != "FAIL_SLOW" || x.NotConfirmed < x.NotDuplicated {
				t.Errorf("partition %d: %+v", p, x)
			}
			if x.Duplicating {
				shipping[p] = x
			}
		}
		if _, err := parseDuplicationProgress(body, status, 1); err == nil {
			t.Errorf("%q was taken for another table's", body)
		}
	})
	if none != 1 || len(shipping) != 4 {
		t.Fatalf("%d without a duplication, %d partitions ship", none, len(shipping))
	}
	for p, x := range shipping {
		if x.NotDuplicated != 1 {
			t.Errorf("partition %d rests at %d", p, x.NotDuplicated)
		}
	}
}

func TestDuplicationProgressThatSaysNothing(t *testing.T) {
	for body, want := range map[string]error{
		"no primary for app [appid=13]":                                                                        ErrNoPrimaryHere,
		"no duplication assigned for app [appid=13]":                                                           ErrNoDuplicationHere,
		"duplication is not enabled [FLAGS_duplication_enabled=false]":                                         ErrDuplicationOff,
		"duplication is not enabled [duplication_enabled=false]":                                               ErrDuplicationOff,
		"no primary for app [appid=1]":                                                                         nil,
		`service not found for "replica/duplication"`:                                                          nil,
		`{"5":{"13.0":{"duplicating":true}}}`:                                                                  nil,
		`{"5":{"13.0":{"duplicating":true,"not_confirmed_mutations_num":1,"not_duplicated_mutations_num":1}}}`: nil,
	} {
		_, err := parseDuplicationProgress([]byte(body), http.StatusNotFound, 13)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("404 %q: %v", body, err)
		}
		if want == nil && (errors.Is(err, ErrNoPrimaryHere) || errors.Is(err, ErrNoDuplicationHere) || errors.Is(err, ErrDuplicationOff)) {
			t.Errorf("404 %q was taken for %v", body, err)
		}
	}
	for _, body := range []string{"", "null", "[]", "{", `{"x":{}}`, `{"5":{"13.0":{}}}`, `{"5":{"13":{}}}`,
		`{"5":{"13.0":{"duplicating":true,"not_confirmed_mutations_num":1}}}`,
		`{"5":{"13.0":{"duplicating":true,"not_duplicated_mutations_num":1}}}`,
		`{"5":{"13.0":{"not_confirmed_mutations_num":1,"not_duplicated_mutations_num":1}}}`,
		`{"5":{"13.0":{"duplicating":true,"not_confirmed_mutations_num":1,"not_duplicated_mutations_num":-1}}}`,
		`{"5":{"130.0":{"duplicating":true,"not_confirmed_mutations_num":1,"not_duplicated_mutations_num":1}}}`} {
		if got, err := parseDuplicationProgress([]byte(body), http.StatusOK, 13); err == nil {
			t.Errorf("%q: %v", body, got)
		}
	}
}

func TestDuplicationProgressOverHTTP(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/replica/duplication?appid=7" {
			http.Error(w, "no primary for app [appid="+r.URL.Query().Get("appid")+"]", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`{"5":{"7.1":{"duplicating":true,"fail_mode":"FAIL_SLOW","not_confirmed_mutations_num":3,` +
			`"not_duplicated_mutations_num":2,"remote_app_name":"o2"}},"6":{"7.1":{"duplicating":false,"fail_mode":"FAIL_SLOW",` +
			`"not_confirmed_mutations_num":9,"not_duplicated_mutations_num":9}}}`))
	}))
	defer web.Close()
	node := strings.TrimPrefix(web.URL, "http://")
	c := newCluster(t, 1, 0, 0).open()
	got, err := c.DuplicationProgress(t.Context(), node, 7)
	want := map[int32]map[int32]ReplicaProgress{
		5: {1: {Duplicating: true, NotDuplicated: 2, NotConfirmed: 3, FailMode: "FAIL_SLOW", RemoteTable: "o2"}},
		6: {1: {NotDuplicated: 9, NotConfirmed: 9, FailMode: "FAIL_SLOW"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.DuplicationProgress(t.Context(), node, 8); !errors.Is(err, ErrNoPrimaryHere) {
		t.Error(err)
	}
	web.Close()
	if _, err := c.DuplicationProgress(t.Context(), node, 7); err == nil || errors.Is(err, ErrNoPrimaryHere) {
		t.Error("a silent server:", err)
	}
}
