package sandbox

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// unknownRPC is the name by which the recording client asked for something that no
// server knows. Its argument is a struct with one i32.
const unknownRPC = "RPC_NO_SUCH_THING"

func TestGoldenMeta(t *testing.T) {
	w := newWorld(t)
	w.at(metaAt)
	w.fillMeta()
	w.replay("meta", metaAt)
}

// TestGoldenLater replays, in the order of recording and against one cluster, what
// was done to a new table "golden".
func TestGoldenLater(t *testing.T) {
	w := newWorld(t)
	w.at(dataAt - 20)
	w.fillLater()
	for _, step := range []struct {
		name string
		run  func()
	}{
		{"data", func() { w.replay("data", dataAt) }},
		{"scan", func() { w.replay("scan", scanAt) }},
		{"remote", w.replayRemote},
		{"admin", func() { w.replay("admin", adminAt) }},
		{"http", w.replayHTTP},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			step.run()
		})
		if !ok {
			break // each step builds on those before
		}
	}
}

// replay sends every recorded request of a scenario that began at a time, and
// compares the answers.
func (w *world) replay(scenario string, began float64) {
	w.t.Helper()
	for _, x := range recordedExchanges(w.t, scenario) {
		w.at(began + x.request.T)
		q := w.request(x.request)
		cl := w.conn(x.request)
		if _, err := cl.conn.Write(q); err != nil {
			w.t.Fatalf("%s line %d: %v", scenario, x.request.line, err)
		}
		head, err := w.receive(cl, x.request.RPC)
		if err != nil {
			w.t.Fatalf("%s line %d: %s gets no answer: %v", scenario, x.request.line, x.request.RPC, err)
		}
		if head.Seq != x.response.Seq || head.Name+"_ACK" != x.response.RPC {
			w.t.Fatalf("%s line %d: answer to %s %d, want %s %d", scenario, x.request.line, head.Name, head.Seq, x.response.RPC, x.response.Seq)
		}
		w.compare(scenario, x, head)
	}
}

// receive reads an answer. One to a request that changes the state of a table may
// wait for the clock.
func (w *world) receive(cl *client, rpc string) (idl.ResponseHead, error) {
	if rpc != idl.NameCreateApp && rpc != idl.NameDropApp {
		return cl.receive(testTimeout)
	}
	until(w.t, "the answer or a table that changes", func() bool {
		head, err := cl.receive(quiet)
		if err == nil {
			w.answer = head
			return true
		}
		w.clock.Advance(w.c.timing.TableState)
		return false
	})
	return w.answer, nil
}

// request is a recorded request as it has to be sent here: byte for byte, except for
// addresses and scan contexts.
func (w *world) request(r recordedLine) []byte {
	w.t.Helper()
	if len(r.frame) == 0 || r.line == cutLine && r.RPC == idl.NamePut {
		return w.lostRequest(r)
	}
	q, err := idl.DecodeRequest(r.frame)
	if err != nil {
		w.t.Fatalf("line %d: %v", r.line, err)
	}
	if q.Name == unknownRPC {
		return r.frame
	}
	m := q.RPC.NewRequest()
	var d idl.Decoder
	if err := q.DecodeArgs(&d, m); err != nil {
		w.t.Fatalf("line %d: %v", r.line, err)
	}
	if !w.localise(m) {
		return r.frame
	}
	return idl.AppendRequest(nil, q.RequestHeader, q.Name, q.Seq, m)
}

// cutLine is the line of scenario data with a put of 1 MiB of which the recorder kept
// only the first part. Of the client's next three puts only the responses were kept:
// two repeat this one, the third put a row that scenario scan shows.
const (
	cutLine   = 431
	lostLine  = 441
	putOfMiBs = "\x00\x03bigk"
)

// lostRequest is a request that was not recorded, or not whole.
func (w *world) lostRequest(r recordedLine) []byte {
	h := idl.RequestHeader{Gpid: idl.Gpid{AppID: 13, Partition: 1}, TimeoutMs: 3999}
	req := &idl.UpdateRequest{Key: []byte(putOfMiBs), Value: make([]byte, 1<<20)}
	if r.line == lostLine {
		req = &idl.UpdateRequest{Key: []byte("\x00\x03\xff\x00\x80\x80\xfe"), Value: []byte{0, 1, 2, 255}}
	}
	h.ThreadHash, h.PartitionHash = h.Gpid.ThreadHash(), pegkey.HashRaw(req.Key)
	whole := idl.AppendRequest(nil, h, r.RPC, r.Seq, req)
	if r.line == cutLine && !bytes.HasPrefix(whole, r.frame) {
		w.t.Fatalf("line %d is not the put that it was taken for", r.line)
	}
	return whole
}

// compare compares an answer field by field with the recorded one.
func (w *world) compare(scenario string, x exchange, head idl.ResponseHead) {
	w.t.Helper()
	code, want := recordedResponse(w.t, x.response)
	if head.Code != code {
		w.t.Errorf("%s line %d: %s is answered %s, recorded %s", scenario, x.request.line, x.request.RPC, string(head.Code), string(code))
		return
	}
	got := decodeResult(w.t, head)
	if want == nil || got == nil {
		return
	}
	if whole := idl.AppendResponse(nil, head.Seq, head.Name, head.Code, got); !bytes.HasSuffix(whole, head.Result) {
		w.t.Errorf("%s line %d: the answer to %s is not encoded as the codec does: %x", scenario, x.request.line, x.request.RPC, head.Result)
	}
	w.localise(want)
	w.exclude(got, want)
	if diff := gocmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s line %d: %s (-recorded +sandbox)\n%s", scenario, x.request.line, x.request.RPC, diff)
	}
}

// exclude makes equal what cannot be compared; GAPS.md lists it with the reasons.
// What has to hold nevertheless is checked.
func (w *world) exclude(got, want idl.Message) {
	w.t.Helper()
	switch g := got.(type) {
	case *idl.QueryConfigResponse:
		r, _ := want.(*idl.QueryConfigResponse)
		for i := range min(len(g.Partitions), len(r.Partitions)) {
			g.Partitions[i].LastCommittedDecree = r.Partitions[i].LastCommittedDecree
		}
	case *idl.ScanResponse:
		r, _ := want.(*idl.ScanResponse)
		if r.ContextID != scanDone && r.ContextID != 0 && g.ContextID != scanDone && g.ContextID != 0 {
			w.contexts[r.ContextID] = g.ContextID
			g.ContextID = r.ContextID
		}
	case *idl.QueryReplicaInfoResponse:
		r, _ := want.(*idl.QueryReplicaInfoResponse)
		w.excludeDecrees(g.Replicas)
		w.excludeDecrees(r.Replicas)
	case *idl.QueryDiskInfoResponse:
		r, _ := want.(*idl.QueryDiskInfoResponse)
		g.TotalCapacityMb, g.TotalAvailableMb = r.TotalCapacityMb, r.TotalAvailableMb
		for i := range min(len(g.DiskInfos), len(r.DiskInfos)) {
			d, of := &g.DiskInfos[i], &r.DiskInfos[i]
			d.FullDir, d.DiskCapacityMb, d.DiskAvailableMb = of.FullDir, of.DiskCapacityMb, of.DiskAvailableMb
			d.HoldingPrimaryReplicas, d.HoldingSecondaryReplicas = of.HoldingPrimaryReplicas, of.HoldingSecondaryReplicas
		}
	case *idl.QueryAppInfoResponse:
		r, _ := want.(*idl.QueryAppInfoResponse)
		slices.SortFunc(r.Apps, func(a, b idl.AppInfo) int { return cmp.Compare(a.AppID, b.AppID) })
	}
}

// excludeDecrees sorts replicas and forgets their decrees, after it has seen that
// the decrees of one replica fit together: a primary knows what is committed, a
// secondary learns it with the next mutation or group check.
func (w *world) excludeDecrees(list []idl.ReplicaInfo) {
	w.t.Helper()
	slices.SortFunc(list, func(a, b idl.ReplicaInfo) int {
		return cmp.Or(cmp.Compare(a.Pid.AppID, b.Pid.AppID), cmp.Compare(a.Pid.Partition, b.Pid.Partition))
	})
	for i := range list {
		r := &list[i]
		lag := r.LastPreparedDecree - r.LastCommittedDecree
		if lag < 0 || lag > 1 || (lag == 1 && r.Status == idl.ReplicaPrimary) || r.LastDurableDecree > r.LastCommittedDecree {
			w.t.Errorf("decrees of %s do not fit together: %+v", gpidText(r.Pid), *r)
		}
		r.LastCommittedDecree, r.LastPreparedDecree, r.LastDurableDecree = 0, 0, 0
	}
}
