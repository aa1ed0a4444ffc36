package metaproxy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

// table is a record that the process has.
type table struct {
	cluster, metas string
	stop           chan struct{} // closed to end the watch
}

// answer handles one query. When no meta answers, nobody does: the client's timeout ends it.
func (x *process) answer(ctx context.Context, q *query, out *answers) {
	m, code := x.find(q.table)
	if code != idl.ErrOK {
		x.logf("[%s] %s", q.table, string(code))
		out.send(idl.AppendResponse(nil, q.seq, idl.NameQueryConfig, idl.ErrOK, &idl.QueryConfigResponse{Err: code}))
		return
	}
	if frame := m.query(ctx, q); frame != nil {
		out.send(frame)
	}
}

// find gives the metas of a table.
func (x *process) find(name string) (*metas, idl.ErrorCode) {
	t := x.cached(name)
	if t == nil {
		x.loading.Lock()
		defer x.loading.Unlock()
		if t = x.cached(name); t == nil {
			var code idl.ErrorCode
			if t, code = x.load(name); code != idl.ErrOK {
				return nil, code
			}
			x.store(name, t)
		}
	}
	list := strings.Split(t.metas, ",")
	if len(list) < 2 {
		return nil, idl.ErrInvalidData
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	m := x.metas[t.metas]
	if m == nil {
		m = &metas{addrs: list}
		x.metas[t.metas] = m
	}
	return m, idl.ErrOK
}

func (x *process) cached(name string) *table {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tables[name]
}

func (x *process) store(name string, t *table) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tables[name] = t
}

// load reads a record and watches it (meta/client.go, newTableInfo).
func (x *process) load(name string) (*table, idl.ErrorCode) {
	path := x.cfg.Root + "/" + name
	raw, _, changed, err := x.zk.GetW(path)
	if err != nil {
		x.logf("[%s] %s: %v", name, path, err)
		if errors.Is(err, zk.ErrNoNode) {
			return nil, idl.ErrObjectNotFound
		}
		return nil, idl.ErrZookeeperOperation
	}
	var record struct {
		Cluster string `json:"cluster_name"`
		Metas   string `json:"meta_addrs"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		x.logf("[%s] %s: %v", name, path, err)
		return nil, idl.ErrInvalidData
	}
	t := &table{cluster: record.Cluster, metas: record.Metas, stop: make(chan struct{})}
	x.wg.Go(func() { x.watch(name, t, changed) })
	return t, idl.ErrOK
}

// watch waits for one event of a record (meta/client.go, watchTableInfoChanged).
func (x *process) watch(name string, t *table, changed <-chan zk.Event) {
	var e zk.Event
	select {
	case e = <-changed:
	case <-t.stop:
		return
	case <-x.done:
		return
	}
	switch e.Type {
	case zk.EventNodeDataChanged:
		next, code := x.load(name)
		if code != idl.ErrOK {
			x.kill("[" + name + "] failed to get cluster info when trigger watcher: " + string(code))
			return
		}
		x.store(name, next)
		x.logf("[%s] leads to %s(%s) now", name, next.cluster, next.metas)
	case zk.EventNodeDeleted:
		x.mu.Lock()
		delete(x.tables, name)
		x.mu.Unlock()
		x.logf("[%s] the record was removed", name)
	default:
		x.logf("[%s] unexpected zk event %v: the record is not watched any more", name, e.Type)
	}
}

// loseWatches ends all watches.
func (x *process) loseWatches() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, t := range x.tables {
		select {
		case <-t.stop: // lost before
		default:
			close(t.stop)
			n++
			x.logf("[%s] unexpected zk event: the record is not watched any more", name)
		}
	}
	return n
}
