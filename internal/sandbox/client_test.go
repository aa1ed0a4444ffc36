package sandbox

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// testTimeout bounds every wait of a test.
const testTimeout = 20 * time.Second

// client is a minimal client for one server; it has one request under way at a time.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	seq  int32
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.DialTimeout("tcp4", addr, testTimeout)
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// send writes one request.
func (c *client) send(h idl.RequestHeader, name string, req idl.Message) {
	c.t.Helper()
	c.seq++
	h.ThreadHash = h.Gpid.ThreadHash()
	if _, err := c.conn.Write(idl.AppendRequest(nil, h, name, c.seq, req)); err != nil {
		c.t.Fatalf("send %s: %v", name, err)
	}
}

// receive reads one response frame, or the error that ended the connection.
func (c *client) receive(wait time.Duration) (idl.ResponseHead, error) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return idl.ResponseHead{}, err
	}
	prefix, err := c.r.Peek(idl.ResponsePrefix)
	if err != nil {
		return idl.ResponseHead{}, err
	}
	n, err := idl.ResponseLength(prefix)
	if err != nil {
		c.t.Fatal(err)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(c.r, frame); err != nil {
		return idl.ResponseHead{}, err
	}
	head, err := idl.DecodeResponseHead(frame)
	if err != nil {
		c.t.Fatal(err)
	}
	return head, nil
}

// try sends a request and reads its response; the code is that of the header.
func (c *client) try(h idl.RequestHeader, name string, req, resp idl.Message) idl.ErrorCode {
	c.t.Helper()
	c.send(h, name, req)
	head, err := c.receive(testTimeout)
	if err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	if head.Seq != c.seq || head.Name != name {
		c.t.Fatalf("answer to %s %d, want %s %d", head.Name, head.Seq, name, c.seq)
	}
	if head.Code != idl.ErrOK {
		if len(head.Result) != 0 {
			c.t.Fatalf("%s: error %s with a body", name, string(head.Code))
		}
		return head.Code
	}
	var d idl.Decoder
	if err := head.DecodeResult(&d, resp); err != nil {
		c.t.Fatalf("%s: %v", name, err)
	}
	return idl.ErrOK
}

// call is try for requests that must be executed.
func (c *client) call(h idl.RequestHeader, name string, req, resp idl.Message) {
	c.t.Helper()
	if code := c.try(h, name, req, resp); code != idl.ErrOK {
		c.t.Fatalf("%s: %s", name, string(code))
	}
}

// start runs a cluster for a test.
func start(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// fast is a configuration in which the cluster's times do not slow down a test.
func fast() Config { return Config{Name: "alpha", TimeFactor: 1000, Seed: 1} }

// newTable creates a table and waits until it serves.
func newTable(t testing.TB, c *Cluster, spec TableSpec) int32 {
	t.Helper()
	id, err := c.CreateTable(spec)
	if err != nil {
		t.Fatal(err)
	}
	healthy(t, c, spec.Name)
	return id
}

func healthy(t testing.TB, c *Cluster, table string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := c.WaitHealthy(ctx, table); err != nil {
		t.Fatal(err)
	}
}

// until polls until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(testTimeout)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		<-tick.C
	}
}

// tableClient sends data requests to the primaries of a table.
type tableClient struct {
	t     testing.TB
	c     *Cluster
	name  string
	id    int32
	count int32
	conns map[string]*client
}

func open(t testing.TB, c *Cluster, spec TableSpec) *tableClient {
	t.Helper()
	id := newTable(t, c, spec)
	return &tableClient{t: t, c: c, name: spec.Name, id: id, count: orDefault(spec.Partitions, 4), conns: map[string]*client{}}
}

// at is a connection to the primary of a partition.
func (tc *tableClient) at(partition int32) *client {
	tc.t.Helper()
	addr := tc.c.Primary(tc.name, int(partition))
	if tc.conns[addr] == nil {
		tc.conns[addr] = dial(tc.t, addr)
	}
	return tc.conns[addr]
}

func (tc *tableClient) header(partition int32, hash uint64) idl.RequestHeader {
	return idl.RequestHeader{Gpid: idl.Gpid{AppID: tc.id, Partition: partition}, TimeoutMs: 4000, PartitionHash: hash}
}

// try sends a request to the partition of a raw key.
func (tc *tableClient) try(raw []byte, name string, req, resp idl.Message) idl.ErrorCode {
	tc.t.Helper()
	hash := pegkey.HashRaw(raw)
	p := pegkey.Partition(hash, tc.count)
	return tc.at(p).try(tc.header(p, hash), name, req, resp)
}

// call is try for requests that must be executed.
func (tc *tableClient) call(raw []byte, name string, req, resp idl.Message) {
	tc.t.Helper()
	if code := tc.try(raw, name, req, resp); code != idl.ErrOK {
		tc.t.Fatalf("%s: %s", name, string(code))
	}
}

func key(hashKey, sortKey string) []byte {
	return pegkey.Encode(nil, []byte(hashKey), []byte(sortKey))
}

func (tc *tableClient) put(hashKey, sortKey, value string, expire int32) *idl.UpdateResponse {
	tc.t.Helper()
	resp := &idl.UpdateResponse{}
	raw := key(hashKey, sortKey)
	tc.call(raw, idl.NamePut, &idl.UpdateRequest{Key: raw, Value: []byte(value), ExpireTsSeconds: expire}, resp)
	return resp
}

func (tc *tableClient) get(hashKey, sortKey string) (string, idl.Status) {
	tc.t.Helper()
	resp := &idl.GetResponse{}
	raw := key(hashKey, sortKey)
	tc.call(raw, idl.NameGet, &idl.BlobRequest{Key: raw}, resp)
	return string(resp.Value), resp.Error
}
