package pegasus

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// cluster is a scripted Pegasus: metas of which one leads, replica servers, and one
// table. Tests change its fields under mu and set hook to answer requests themselves.
type cluster struct {
	t     testing.TB
	metas []*server
	nodes []*server

	mu       sync.Mutex
	leader   int                   // index into metas, -1 for none
	tell     bool                  // followers know the leader's address
	hook     func(r *request) bool // true: answered, or not to be answered
	appID    int32
	count    int32
	primary  []int // index into nodes per partition, -1 for none
	ballot   []int64
	rows     []map[string]Row // per partition by raw key
	writes   []Row            // in order of arrival
	contexts map[int64]*fakeContext
	nextID   int64
	cleared  []int64
	opened   []*idl.GetScannerRequest
}

// fakeContext is an open scan.
type fakeContext struct {
	partition, node int
	rows            []Row
	batch           int
}

func newCluster(t testing.TB, metas, nodes, partitions int) *cluster {
	k := &cluster{t: t, tell: true, appID: 7, count: int32(partitions), contexts: make(map[int64]*fakeContext), nextID: -1 << 40}
	for range metas {
		k.metas = append(k.metas, newServer(t, k.handle))
	}
	for range nodes {
		k.nodes = append(k.nodes, newServer(t, k.handle))
	}
	for p := range partitions {
		k.primary = append(k.primary, p%max(nodes, 1))
		k.ballot = append(k.ballot, 3)
		k.rows = append(k.rows, make(map[string]Row))
	}
	return k
}

func (k *cluster) metaAddrs() []string {
	var out []string
	for _, m := range k.metas {
		out = append(out, m.addr)
	}
	return out
}

// set changes the script.
func (k *cluster) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// open opens a client that is closed at the end of the test.
func (k *cluster) open(mod ...func(*Config)) *Cluster {
	k.t.Helper()
	cfg := Config{Name: "east", MetaServers: k.metaAddrs(), RPCTimeout: 2 * time.Second,
		Wire: wire.Options{MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}}
	for _, f := range mod {
		f(&cfg)
	}
	c, err := Open(context.Background(), cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(c.Close)
	return c
}

// table opens a client and the table.
func (k *cluster) table(mod ...func(*Config)) *Table {
	k.t.Helper()
	tab, err := k.open(mod...).OpenTable(context.Background(), "orders")
	if err != nil {
		k.t.Fatal(err)
	}
	return tab
}

// fill puts rows into a partition, whatever their hash.
func (k *cluster) fill(partition int, rows ...Row) {
	k.set(func() {
		for _, r := range rows {
			k.rows[partition][string(r.Key)] = r
		}
	})
}

func (k *cluster) handle(r *request) {
	k.mu.Lock()
	hook := k.hook
	k.mu.Unlock()
	if hook != nil && hook(r) {
		return
	}
	if i := slices.Index(k.metas, r.server); i >= 0 {
		k.meta(i, r)
		return
	}
	k.data(slices.Index(k.nodes, r.server), r)
}

func (k *cluster) meta(i int, r *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leader != i {
		k.forward(r)
		return
	}
	switch r.Name {
	case idl.NameQueryConfig:
		k.queryConfig(r, args[idl.QueryConfigRequest](r).AppName)
	case idl.NameClusterInfo:
		r.reply(&idl.ClusterInfoResponse{Err: idl.ErrOK, Keys: []string{"cluster_name", "meta_servers"}, Values: []string{"real", "a:1,b:2"}})
	case idl.NameCreateApp:
		r.reply(&idl.CreateAppResponse{Err: idl.ErrOK, AppID: 42})
	case idl.NameListNodes:
		r.reply(&idl.ListNodesResponse{Err: idl.ErrOK})
	default:
		r.fail(idl.ErrHandlerNotFound)
	}
}

// forward is the answer of a meta that does not lead.
func (k *cluster) forward(r *request) {
	switch r.Name {
	case idl.NameQueryConfig:
		resp := &idl.QueryConfigResponse{Err: idl.ErrForwardToOthers}
		if k.tell && k.leader >= 0 {
			addr, _ := idl.ParseAddr(k.metas[k.leader].addr)
			resp.Partitions = []idl.PartitionConfig{{Primary: addr}}
		}
		r.reply(resp)
	case idl.NameCreateApp:
		r.reply(&idl.CreateAppResponse{Err: idl.ErrForwardToOthers})
	default:
		r.reply(&idl.ClusterInfoResponse{Err: idl.ErrForwardToOthers})
	}
}

func (k *cluster) queryConfig(r *request, name string) {
	if name != "orders" {
		r.reply(&idl.QueryConfigResponse{Err: idl.ErrObjectNotFound})
		return
	}
	resp := &idl.QueryConfigResponse{Err: idl.ErrOK, AppID: k.appID, PartitionCount: k.count, IsStateful: true}
	for p := range int(k.count) {
		pc := idl.PartitionConfig{Pid: idl.Gpid{AppID: k.appID, Partition: int32(p)}, Ballot: 1, MaxReplicaCount: 3}
		if p < len(k.primary) {
			pc.Ballot = k.ballot[p]
			if n := k.primary[p]; n >= 0 {
				pc.Primary, _ = idl.ParseAddr(k.nodes[n].addr)
			}
		}
		resp.Partitions = append(resp.Partitions, pc)
	}
	r.reply(resp)
}

// data answers as a replica server does.
func (k *cluster) data(node int, r *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := int(r.Gpid.Partition)
	if r.RPC == nil || r.RPC.Kind != idl.KindReplica {
		r.fail(idl.ErrHandlerNotFound)
		return
	}
	if r.Gpid.AppID != k.appID || p < 0 || p >= len(k.primary) {
		r.fail(idl.ErrObjectNotFound)
		return
	}
	if r.ThreadHash != r.Gpid.ThreadHash() {
		k.t.Errorf("%s: thread hash %d", r.Name, r.ThreadHash)
	}
	if k.primary[p] != node {
		r.fail(idl.ErrInvalidState)
		return
	}
	k.serveData(node, p, r)
}

func (k *cluster) serveData(node, p int, r *request) {
	switch r.Name {
	case idl.NamePut:
		a := args[idl.UpdateRequest](r)
		k.store(p, Row{Key: a.Key, Value: a.Value, Expire: uint32(a.ExpireTsSeconds)})
		r.reply(&idl.UpdateResponse{})
	case idl.NameMultiPut:
		a := args[idl.MultiPutRequest](r)
		for _, kv := range a.Kvs {
			key := append([]byte{byte(len(a.HashKey) >> 8), byte(len(a.HashKey))}, a.HashKey...)
			k.store(p, Row{Key: append(key, kv.Key...), Value: kv.Value, Expire: uint32(a.ExpireTsSeconds)})
		}
		r.reply(&idl.UpdateResponse{})
	case idl.NameRemove:
		delete(k.rows[p], string(args[idl.BlobRequest](r).Key))
		r.reply(&idl.UpdateResponse{})
	case idl.NameGet:
		row, ok := k.rows[p][string(args[idl.BlobRequest](r).Key)]
		resp := &idl.GetResponse{Value: row.Value}
		if !ok {
			resp.Error = idl.StatusNotFound
		}
		r.reply(resp)
	case idl.NameTTL:
		resp := &idl.TTLResponse{TTLSeconds: -1}
		if row, ok := k.rows[p][string(args[idl.BlobRequest](r).Key)]; !ok {
			resp.Error = idl.StatusNotFound
		} else if row.Expire > 0 {
			resp.TTLSeconds = 100
		}
		r.reply(resp)
	case idl.NameGetScanner:
		k.getScanner(node, p, r)
	case idl.NameScan:
		id := args[idl.ScanRequest](r).ContextID
		ctx := k.contexts[id]
		delete(k.contexts, id)
		if ctx == nil || ctx.partition != p || ctx.node != node {
			r.reply(&idl.ScanResponse{Error: idl.StatusNotFound})
			return
		}
		k.batch(ctx, r)
	case idl.NameClearScanner:
		k.cleared = append(k.cleared, args[idl.ClearScannerRequest](r).ContextID)
		delete(k.contexts, k.cleared[len(k.cleared)-1])
	default:
		r.fail(idl.ErrHandlerNotFound)
	}
}

func (k *cluster) store(p int, row Row) {
	k.rows[p][string(row.Key)] = row
	k.writes = append(k.writes, row)
}

// getScanner opens a scan over what the partition holds now.
func (k *cluster) getScanner(node, p int, r *request) {
	a := args[idl.GetScannerRequest](r)
	k.opened = append(k.opened, a)
	if a.FullScan != nil && r.PartitionHash != uint64(p) {
		k.t.Errorf("get_scanner with partition hash %d for partition %d", r.PartitionHash, p)
	}
	ctx := &fakeContext{partition: p, node: node, batch: int(a.BatchSize)}
	for _, key := range slices.Sorted(maps.Keys(k.rows[p])) {
		c, end := bytes.Compare([]byte(key), a.StartKey), bytes.Compare([]byte(key), a.StopKey)
		if (c > 0 || c == 0 && a.StartInclusive) && (end < 0 || end == 0 && a.StopInclusive) {
			row := k.rows[p][key]
			if a.NoValue {
				row.Value = nil
			}
			ctx.rows = append(ctx.rows, row)
		}
	}
	if a.OnlyReturnCount != nil && *a.OnlyReturnCount {
		r.reply(&idl.ScanResponse{ContextID: idl.ScanDone, KvCount: new(int32(len(ctx.rows)))})
		return
	}
	k.batch(ctx, r)
}

// batch answers with the next rows and keeps the rest under a new id.
func (k *cluster) batch(ctx *fakeContext, r *request) {
	n := min(ctx.batch, len(ctx.rows))
	resp := &idl.ScanResponse{ContextID: idl.ScanDone}
	for _, row := range ctx.rows[:n] {
		resp.Kvs = append(resp.Kvs, idl.KeyValue{Key: row.Key, Value: row.Value, ExpireTs: int32(row.Expire), HasExpireTs: true})
	}
	ctx.rows = ctx.rows[n:]
	if len(ctx.rows) > 0 {
		k.nextID += 3
		k.contexts[k.nextID] = ctx
		resp.ContextID = k.nextID
	}
	r.reply(resp)
}
