package sandbox

import (
	"net"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// sink is a connection whose other side reads everything and says nothing.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }
func (sink) Close() error                     { return nil }

// FuzzRequests sends mutated request frames to a meta and a replica server. Nothing
// may panic, whatever the answer is.
func FuzzRequests(f *testing.F) {
	for _, rpc := range idl.All() {
		h := idl.RequestHeader{Gpid: idl.Gpid{AppID: 1, Partition: 0}, TimeoutMs: 1000}
		f.Add(idl.AppendRequest(nil, h, rpc.Name, 1, rpc.NewRequest()))
	}
	raw := key("hash", "sort")
	h := idl.RequestHeader{Gpid: idl.Gpid{AppID: 1}}
	f.Add(idl.AppendRequest(nil, h, idl.NamePut, 2, &idl.UpdateRequest{Key: raw, Value: []byte("v"), ExpireTsSeconds: 7}))
	f.Add(idl.AppendRequest(nil, h, idl.NameGetScanner, 3, fullScan(3)))
	f.Add(idl.AppendRequest(nil, h, idl.NameMultiGet, 4, &idl.MultiGetRequest{HashKey: []byte("hash"), StartInclusive: true, Reverse: true}))
	f.Add(idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameCreateApp, 5, createRequest("u", nil)))
	set := setEnv(envWriteQPS, "1*delay*1")
	set.AppName = "t"
	f.Add(idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameUpdateAppEnv, 6, &set))
	f.Fuzz(func(t *testing.T, frame []byte) {
		clock := NewManualClock(clockStart)
		c := start(t, Config{Clock: clock, Metas: 1, Replicas: 1})
		if _, err := c.CreateTable(TableSpec{Name: "t", Partitions: 1, Replicas: 1}); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		for _, s := range []*server{c.nodes[0].srv, c.metas[0].srv} {
			cn := newConn(s, sink{})
			q := &request{srv: s, conn: cn}
			cn.handleAll(q, append(frame[:len(frame):len(frame)], frame...), nil)
		}
		clock.Advance(time.Second)
	})
}
