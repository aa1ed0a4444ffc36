package sandbox

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// dupAt is when the duplication was added, in Unix seconds: its creation time says so.
const dupAt = 1795224761.388

// Times behind dupAt at which the recorded duplication was first seen in the next state.
const (
	appSeen = 48.031
	logSeen = 69.04
	// dupSlack is by how much a state may come earlier or later here: each server syncs
	// every 10 s at a moment of its own.
	dupSlack = 11
)

// TestGoldenDuplication replays the life of a duplication: added twice, queried, paused,
// gone on with, wrongly changed, removed.
func TestGoldenDuplication(t *testing.T) {
	w := newWorld(t)
	w.t = t
	w.addOnebox2()
	w.at(dupAt - 100)
	w.fillLater()
	if err := w.c.Fill("golden", LoadSpec{Rows: 400}); err != nil {
		t.Fatal(err)
	}
	w.at(dupAt)
	seen := map[idl.DuplicationStatus]bool{}
	for _, x := range recordedExchanges(t, "dup") {
		w.slowlyTo(dupAt + x.request.T)
		switch {
		case x.request.Dir == "http-request":
			w.compareDupHTTP(x)
		case x.request.RPC == idl.NameQueryReplicaInfo:
			// The tables that the recorded cluster had by then are not known.
		case x.request.RPC == idl.NameRemoteCommand:
			w.compareDupCounters(x)
		default:
			w.compareDup(x, seen)
		}
	}
	for _, s := range []idl.DuplicationStatus{idl.DupPrepare, idl.DupApp, idl.DupLog, idl.DupPause} {
		if !seen[s] {
			t.Errorf("%v was never seen", s)
		}
	}
}

// addOnebox2 starts the recorded target and links it.
func (w *world) addOnebox2() {
	b := start(w.t, Config{Name: "onebox2", TimeFactor: 1, Clock: w.clock, Seed: 8})
	b.timing.TableState = time.Millisecond
	if err := Link(w.c, b); err != nil {
		w.t.Fatal(err)
	}
	if err := w.c.SetClusterMetas("onebox2", b.MetaServers()); err != nil {
		w.t.Fatal(err)
	}
}

// slowlyTo moves the clock in small steps, so that what goes over the network between
// the clusters keeps up with it.
func (w *world) slowlyTo(seconds float64) {
	const step = 200 * time.Millisecond
	for end := unixTime(seconds); ; {
		left := end.Sub(w.clock.Now())
		if left <= 0 {
			return
		}
		w.clock.Advance(min(left, step))
		settleNetwork(w.t, w.clock, w.c.peers...)
	}
}

// settleNetwork waits until no server asks one of another cluster, and moves the clock a
// little for answers that wait for it.
func settleNetwork(t *testing.T, clock *ManualClock, clusters ...*Cluster) {
	t.Helper()
	until(t, "answers between the clusters", func() bool {
		for _, c := range clusters {
			for _, s := range c.servers() {
				if s.out.asking.Load() > 0 {
					clock.Advance(time.Millisecond)
					return false
				}
			}
		}
		return true
	})
}

// compareDup replays one RPC about duplications.
func (w *world) compareDup(x exchange, seen map[idl.DuplicationStatus]bool) {
	w.t.Helper()
	cl := w.conn(x.request)
	if _, err := cl.conn.Write(w.request(x.request)); err != nil {
		w.t.Fatal(err)
	}
	head, err := cl.receive(testTimeout)
	if err != nil {
		w.t.Fatalf("dup line %d: %v", x.request.line, err)
	}
	_, want := recordedResponse(w.t, x.response)
	got := decodeResult(w.t, head)
	if g, ok := got.(*idl.QueryDuplicationResponse); ok {
		r, _ := want.(*idl.QueryDuplicationResponse)
		for i := range min(len(g.EntryList), len(r.EntryList)) {
			seen[g.EntryList[i].Status] = true
			if nearTransition(x.request.T) {
				g.EntryList[i].Status = r.EntryList[i].Status
			}
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		w.t.Errorf("dup line %d: %s (-recorded +sandbox)\n%s", x.request.line, x.request.RPC, diff)
	}
}

// nearTransition tells whether the state may differ at a time.
func nearTransition(t float64) bool {
	near := func(at float64) bool { return t > at-3-dupSlack && t < at+dupSlack }
	return near(appSeen) || near(logSeen)
}

// compareDupHTTP replays /replica/duplication. The numbers are those of the recorded
// traffic; here there was none.
func (w *world) compareDupHTTP(x exchange) {
	w.t.Helper()
	request := x.request.recordedText()
	want := parseReply(w.t, w.here(x.response.recordedText()))
	got := parseReply(w.t, ask(w.t, w.srv(x.request.Server).addr, w.here(request)))
	numbers := regexp.MustCompile(`_num":\d+`)
	running := regexp.MustCompile(`"duplicating":(true|false)`)
	for _, r := range []*httpReply{&want, &got} {
		r.body = numbers.ReplaceAllString(r.body, `_num":0`)
		if nearTransition(x.request.T) || x.request.T > logSeen {
			r.body = running.ReplaceAllString(r.body, `"duplicating":?`)
		}
	}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(httpReply{})); diff != "" {
		w.t.Errorf("dup line %d: (-recorded +sandbox)\n%s", x.request.line, diff)
	}
}

// compareDupCounters replays perf-counters-by-substr: names and types. Counters of
// shipping exist from the moment when a server began with it.
func (w *world) compareDupCounters(x exchange) {
	w.t.Helper()
	q, err := idl.DecodeRequest(x.request.frame)
	if err != nil {
		w.t.Fatal(err)
	}
	var d idl.Decoder
	var cmd idl.RemoteCommandRequest
	if err := q.DecodeArgs(&d, &cmd); err != nil {
		w.t.Fatal(err)
	}
	var resp idl.RemoteCommandResponse
	w.conn(x.request).call(idl.RequestHeader{}, idl.NameRemoteCommand, &cmd, &resp)
	names := func(text string) (list []string) {
		var out counterOutput
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range out.Counters {
			if !strings.Contains(c.Name, "dup_shipped_ops") {
				list = append(list, c.Name+" "+c.Type)
			}
		}
		slices.Sort(list)
		return list
	}
	got, want := names(resp.Output), names(remoteOutput(w.t, x.response))
	if !slices.Equal(got, want) {
		w.t.Errorf("dup line %d: %q, recorded %q", x.request.line, got, want)
	}
}

// TestGoldenDeny replays a fence that goes up and comes down. Most requests of the
// waiting were not recorded; what was is compared once the fence is up, and down again.
func TestGoldenDeny(t *testing.T) {
	w := newWorld(t)
	w.at(dupAt - 100)
	w.fillLater()
	w.at(dupAt)
	var probes []recordedLine // one for each partition
	changes := 0
	for _, r := range recordedLines(t, "deny") {
		switch {
		case r.Dir == "request" && r.RPC == idl.NameRemove && len(probes) < 4:
			probes = append(probes, r)
			w.compareProbe(r, idl.ErrOK)
		case r.Dir == "request" && r.RPC == idl.NameUpdateAppEnv:
			w.changeDeny(r)
			changes++
			w.clock.Advance(w.c.timing.ConfigSync)
			want := idl.ErrInvalidState
			if changes == 2 {
				want = idl.ErrOK
			}
			for _, p := range probes {
				w.compareProbe(p, want)
			}
		case r.Dir == "response" && r.Error == "ERR_INVALID_STATE":
			w.compareRefusal(r)
		}
	}
	if changes != 2 || len(probes) != 4 {
		t.Errorf("%d changes of the fence, %d partitions", changes, len(probes))
	}
}

// compareProbe sends a recorded delete and looks at the code of its answer.
func (w *world) compareProbe(r recordedLine, want idl.ErrorCode) {
	w.t.Helper()
	cl := dial(w.t, w.srv(r.Server).addr)
	if _, err := cl.conn.Write(r.frame); err != nil {
		w.t.Fatal(err)
	}
	head, err := cl.receive(testTimeout)
	if err != nil || head.Code != want {
		w.t.Errorf("deny line %d: %+v, %v, want %s", r.line, head, err, string(want))
	}
	if head.Code == idl.ErrOK {
		resp, _ := decodeResult(w.t, head).(*idl.UpdateResponse)
		if resp.Error != idl.StatusOK || resp.AppID != 13 || resp.Decree == 0 || resp.Server != w.srv(r.Server).addr {
			w.t.Errorf("deny line %d: %+v", r.line, resp)
		}
	}
}

// changeDeny sends a recorded change of the env; the answer is what was recorded.
func (w *world) changeDeny(r recordedLine) {
	w.t.Helper()
	for _, x := range recordedLines(w.t, "deny") {
		if x.Dir != "response" || x.Conn != r.Conn || x.Seq != r.Seq {
			continue
		}
		cl := dial(w.t, w.srv(r.Server).addr)
		if _, err := cl.conn.Write(r.frame); err != nil {
			w.t.Fatal(err)
		}
		head, err := cl.receive(testTimeout)
		if err != nil {
			w.t.Fatal(err)
		}
		_, want := recordedResponse(w.t, x)
		if diff := gocmp.Diff(want, decodeResult(w.t, head)); diff != "" {
			w.t.Errorf("deny line %d: (-recorded +sandbox)\n%s", r.line, diff)
		}
		return
	}
	w.t.Errorf("deny line %d has no answer", r.line)
}

// compareRefusal compares a recorded refusal with how this package writes one, byte for
// byte.
func (w *world) compareRefusal(r recordedLine) {
	w.t.Helper()
	if got := idl.AppendResponse(nil, r.Seq, idl.NameRemove, idl.ErrInvalidState, nil); !slices.Equal(got, r.frame) {
		w.t.Errorf("deny line %d: %x, recorded %x", r.line, got, r.frame)
	}
}
