package sandbox

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// write sends bytes as they are and reads until the server closes the connection.
func write(t *testing.T, addr string, b []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if isTimeout(err) {
		t.Fatal("the server keeps the connection")
	}
	return answer
}

func TestGarbageEndsTheConnection(t *testing.T) {
	c := start(t, fast())
	good := idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameQueryReplicaInfo, 1, &idl.QueryReplicaInfoRequest{})
	badLength := bytes.Clone(good)
	binary.BigEndian.PutUint32(badLength[8:], 47)
	huge := bytes.Clone(good)
	binary.BigEndian.PutUint32(huge[16:], maxRequest+1)
	badBody := bytes.Clone(good)
	badBody[48] = 0
	badArgs := idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameQueryReplicaInfo, 1, &idl.IncrRequest{})
	for name, b := range map[string][]byte{
		"no frame": bytes.Repeat([]byte("x"), 64), "header length": badLength, "too long": huge, "no message": badBody, "other argument": badArgs,
	} {
		t.Run(name, func(t *testing.T) {
			if answer := write(t, c.ReplicaServers()[0], b); len(answer) != 0 {
				t.Errorf("answer %q", answer)
			}
		})
	}
	t.Run("good, then bad", func(t *testing.T) {
		if answer := write(t, c.ReplicaServers()[0], append(bytes.Clone(good), badLength...)); len(answer) == 0 {
			t.Error("the good request was not answered")
		}
	})
}

func TestFramesInPieces(t *testing.T) {
	tc := open(t, start(t, fast()), TableSpec{Name: "t", Partitions: 1})
	cl := tc.at(0)
	value := bytes.Repeat([]byte("v"), 700<<10) // larger than the read buffer
	frame := idl.AppendRequest(nil, tc.header(0, 0), idl.NamePut, 1, &idl.UpdateRequest{Key: key("k", "s"), Value: value})
	frame = idl.AppendRequest(frame, tc.header(0, 0), idl.NameGet, 2, &idl.BlobRequest{Key: key("k", "s")})
	for i := 0; i < len(frame); i += 100_001 {
		if _, err := cl.conn.Write(frame[i:min(i+100_001, len(frame))]); err != nil {
			t.Fatal(err)
		}
	}
	if head, err := cl.receive(testTimeout); err != nil || head.Seq != 1 || head.Code != idl.ErrOK {
		t.Fatalf("%+v, %v", head, err)
	}
	head, err := cl.receive(testTimeout)
	if err != nil || head.Seq != 2 {
		t.Fatalf("%+v, %v", head, err)
	}
	var d idl.Decoder
	var resp idl.GetResponse
	if err := head.DecodeResult(&d, &resp); err != nil || !bytes.Equal(resp.Value, value) {
		t.Errorf("%d bytes, %v", len(resp.Value), err)
	}
}

func TestPutAckIsWhatTheCodecMakes(t *testing.T) {
	gpid := idl.Gpid{AppID: 12, Partition: 34}
	ack := newPutAck(gpid, "127.0.0.1:34801")
	want := idl.AppendResponse([]byte("before"), -7, idl.NamePut, idl.ErrOK, &idl.UpdateResponse{
		AppID: 12, PartitionIndex: 34, Decree: 1 << 40, Server: "127.0.0.1:34801",
	})
	if got := ack.append([]byte("before"), -7, 1<<40); !bytes.Equal(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
}

func TestScanFrameIsWhatTheCodecMakes(t *testing.T) {
	for _, expire := range []bool{false, true} {
		q := &request{Request: idl.Request{Name: idl.NameScan, Seq: 5}}
		w := newScanWriter([]byte("before"), q)
		s := newStore()
		s.set(key("a", "b"), []byte("value"), 77)
		s.set(key("c", ""), nil, 0)
		resp := &idl.ScanResponse{Error: idl.StatusIncomplete, ContextID: -3, AppID: 1, PartitionIndex: 2, Server: "s", KvCount: new(int32(9))}
		full := *resp
		s.tree.Scan(func(r row) bool {
			w.add(r, false, expire)
			kv := idl.KeyValue{Key: r.key(), Value: r.value(), HasExpireTs: expire}
			if expire {
				kv.ExpireTs = int32(r.expire())
			}
			full.Kvs = append(full.Kvs, kv)
			return true
		})
		want := idl.AppendResponse([]byte("before"), 5, idl.NameScan, idl.ErrOK, &full)
		if got := w.finish(resp); !bytes.Equal(got, want) {
			t.Errorf("%x\nwant %x", got, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]Config{
		"version": {Version: "2.3.0"}, "metas": {Metas: -1}, "replicas": {Replicas: 65}, "factor": {TimeFactor: 0.5},
		"name": {Name: " a"}, "host": {Listen: "::1"},
	} {
		if c, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
			c.Close()
		}
	}
}
