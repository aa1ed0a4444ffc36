package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/incubator-pegasus/go-client/pegalog"
	"github.com/apache/incubator-pegasus/go-client/pegasus"
	"github.com/apache/incubator-pegasus/go-client/session"

	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

const (
	// maxGoTimeout is below what the Go client can put into a header (2^32 ns).
	maxGoTimeout = 4200 * time.Millisecond
	// betweenOpens is the least time between two attempts to open a table.
	betweenOpens = time.Second
)

// Go is Apache's Go client with a table open through proxies.
type Go struct {
	proxies []string
	name    string
	timeout time.Duration
	queries atomic.Int64
	reopens atomic.Int64
	lost    chan struct{} // holds one: a connection was lost
	stop    chan struct{}
	wg      sync.WaitGroup

	mu     sync.RWMutex
	table  *goTable
	closed bool
}

// goTable is one opening of the table, with connections of its own. The reader count lets it be
// closed when its last operation has ended.
type goTable struct {
	pegasus.TableConnector
	meta    *session.MetaManager
	replica *session.ReplicaManager
	users   sync.WaitGroup
}

// silent is the Go client's log. Fatal would end the process in the original; nothing that is used
// here calls it.
type silent struct{}

// Fatal implements pegalog.Logger.
func (silent) Fatal(...any) {}

// Fatalf implements pegalog.Logger.
func (silent) Fatalf(string, ...any) {}

// Print implements pegalog.Logger.
func (silent) Print(...any) {}

// Printf implements pegalog.Logger.
func (silent) Printf(string, ...any) {}

// OpenGo opens a table through proxies, again and again until ctx ends. timeout is that of every
// operation, at most 4.2 s. It silences the Go client's log for the whole process.
func OpenGo(ctx context.Context, proxies []string, table string, timeout time.Duration) (*Go, error) {
	if timeout <= 0 || timeout > maxGoTimeout {
		return nil, fmt.Errorf("a timeout of %v; the Go client takes up to %v", timeout, maxGoTimeout)
	}
	addrs, err := session.ResolveMetaAddr(proxies)
	if err != nil {
		return nil, err
	}
	pegalog.SetLogger(silent{})
	g := &Go{proxies: addrs, name: table, timeout: timeout, lost: make(chan struct{}, 1), stop: make(chan struct{})}
	for {
		if g.table, err = g.open(ctx); err == nil {
			g.wg.Go(g.keepOpen)
			return g, nil
		}
		if !wait(betweenOpens, ctx.Done()) {
			return nil, fmt.Errorf("open table %s: %w", table, errors.Join(context.Cause(ctx), err))
		}
	}
}

// open makes new connections and opens the table with them.
func (g *Go) open(ctx context.Context) (*goTable, error) {
	create := func(addr string, kind session.NodeType) session.NodeSession {
		return &goSession{NodeSession: session.NewNodeSession(addr, kind), addr: addr, kind: kind,
			lost: g.reportLoss, queried: func() { g.queries.Add(1) }}
	}
	t := &goTable{meta: session.NewMetaManager(g.proxies, create), replica: session.NewReplicaManager(create)}
	ctx, cancel := context.WithTimeout(ctx, maxGoTimeout)
	defer cancel()
	var err error
	if t.TableConnector, err = pegasus.ConnectTable(ctx, g.name, t.meta, t.replica); err != nil {
		return nil, errors.Join(err, t.meta.Close(), t.replica.Close())
	}
	return t, nil
}

func (t *goTable) end() {
	t.users.Wait()
	_ = t.TableConnector.Close()
	_ = t.meta.Close()
	_ = t.replica.Close()
}

// reportLoss asks for the table to be opened anew.
func (g *Go) reportLoss() {
	select {
	case g.lost <- struct{}{}:
	default:
	}
}

// keepOpen opens the table anew when a connection was lost.
func (g *Go) keepOpen() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g.wg.Go(func() {
		<-g.stop
		cancel()
	})
	for {
		select {
		case <-g.lost:
		case <-g.stop:
			return
		}
		if next, err := g.open(ctx); err == nil {
			g.reopens.Add(1)
			g.mu.Lock()
			old := g.table
			g.table = next
			g.mu.Unlock()
			g.wg.Go(old.end)
		} else {
			g.reportLoss()
		}
		if !wait(betweenOpens, g.stop) {
			return
		}
	}
}

// use gives the open table; the caller owes users.Done.
func (g *Go) use() (*goTable, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return nil, errClosed
	}
	g.table.users.Add(1)
	return g.table, nil
}

// operate runs one operation on the open table.
func (g *Go) operate(ctx context.Context, op string, f func(context.Context, pegasus.TableConnector) error) Result {
	t, err := g.use()
	if err != nil {
		return Result{Err: err}
	}
	defer t.users.Done()
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	ctx, trace := traced(ctx)
	return trace.result(op, f(ctx, t))
}

// Put implements Client.
func (g *Go) Put(ctx context.Context, k Key, value []byte, ttl time.Duration) Result {
	earliest := pegkey.ExpireTs(time.Now().Add(ttl))
	r := g.operate(ctx, "set", func(ctx context.Context, t pegasus.TableConnector) error {
		if ttl == 0 {
			return t.Set(ctx, []byte(k.Hash), []byte(k.Sort), value)
		}
		return t.SetTTL(ctx, []byte(k.Hash), []byte(k.Sort), value, ttl)
	})
	if ttl > 0 {
		// The client computes it from its clock, at a moment in between that it does not tell.
		r.Expire = earliest
		r.Later = pegkey.ExpireTs(time.Now().Add(ttl)) - earliest
	}
	return r
}

// Delete implements Client.
func (g *Go) Delete(ctx context.Context, k Key) Result {
	return g.operate(ctx, "del", func(ctx context.Context, t pegasus.TableConnector) error {
		return t.Del(ctx, []byte(k.Hash), []byte(k.Sort))
	})
}

// Get implements Client.
func (g *Go) Get(ctx context.Context, k Key) (value []byte, r Result) {
	r = g.operate(ctx, "get", func(ctx context.Context, t pegasus.TableConnector) (err error) {
		value, err = t.Get(ctx, []byte(k.Hash), []byte(k.Sort))
		return err
	})
	return value, r
}

// Incr implements Client.
func (g *Go) Incr(ctx context.Context, k Key, by int64) Result {
	return g.operate(ctx, "incr", func(ctx context.Context, t pegasus.TableConnector) error {
		_, err := t.Incr(ctx, []byte(k.Hash), []byte(k.Sort), by)
		return err
	})
}

// Stats implements Client.
func (g *Go) Stats() ClientStats {
	return ClientStats{Queries: g.queries.Load(), Reopened: g.reopens.Load()}
}

// Close implements Client.
func (g *Go) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if !again {
		close(g.stop)
	}
	g.wg.Wait()
	if !again {
		g.table.end()
	}
	return nil
}
