package metaproxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/go-zookeeper/zk"
)

// process is a proxy from its start to its death.
type process struct {
	cfg        Config
	zk         *zk.Conn
	ln         net.Listener
	wg         *sync.WaitGroup
	done       chan struct{}
	unanswered atomic.Int64

	// loading is held while a record is read that the process does not have, as in the real one: a
	// ZooKeeper that does not answer blocks all tables that are new.
	loading sync.Mutex

	mu     sync.Mutex
	dead   bool
	reason string // why it died by itself
	conns  map[net.Conn]struct{}
	tables map[string]*table
	metas  map[string]*metas // by the list in the record; never forgotten
}

// quiet is the library's log.
type quiet struct{}

// Printf implements zk.Logger.
func (quiet) Printf(string, ...any) {}

func newProcess(cfg Config, ln net.Listener, wg *sync.WaitGroup) (*process, error) {
	conn, events, err := zk.Connect(cfg.ZooKeeper, cfg.Session, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		return nil, fmt.Errorf("metaproxy: ZooKeeper: %w", err)
	}
	x := &process{cfg: cfg, zk: conn, ln: ln, wg: wg, done: make(chan struct{}), conns: map[net.Conn]struct{}{},
		tables: map[string]*table{}, metas: map[string]*metas{}}
	wg.Go(func() {
		for range events {
			// The channel ends with the library's goroutines.
		}
	})
	wg.Go(x.accept)
	return x, nil
}

func (x *process) logf(format string, args ...any) { x.cfg.Log(fmt.Sprintf(format, args...)) }

func (x *process) isDead() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.dead
}

func (x *process) cause() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.reason
}

func (x *process) connections() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.conns)
}

// kill ends the process; reason is "" when somebody else does it.
func (x *process) kill(reason string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dead {
		return
	}
	x.dead, x.reason = true, reason
	if reason != "" {
		x.logf("panic: %s", reason)
	}
	close(x.done)
	_ = x.ln.Close() // only fails when closed already
	for c := range x.conns {
		_ = c.Close()
	}
	x.wg.Go(x.zk.Close) // says goodbye, which may take a second
}

func (x *process) accept() {
	for {
		c, err := x.ln.Accept()
		if err != nil {
			return
		}
		x.mu.Lock()
		if x.dead {
			_ = c.Close()
		} else {
			x.conns[c] = struct{}{}
			x.wg.Go(func() { x.serve(c) })
		}
		x.mu.Unlock()
	}
}

// serve reads requests until the connection ends, and handles each on its own.
func (x *process) serve(c net.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	var inflight sync.WaitGroup
	defer func() {
		cancel()
		inflight.Wait()
		_ = c.Close()
		x.mu.Lock()
		delete(x.conns, c)
		x.mu.Unlock()
	}()
	out := &answers{c: c}
	for {
		req, err := readRequest(c)
		if err != nil {
			return
		}
		if req == nil {
			x.unanswered.Add(1)
			x.logf("%s: a request that is not served", c.RemoteAddr())
			continue
		}
		inflight.Go(func() { x.answer(ctx, req, out) })
	}
}

// answers writes whole frames one at a time.
type answers struct {
	mu sync.Mutex
	c  net.Conn
}

func (a *answers) send(frame []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.c.Write(frame); err != nil {
		_ = a.c.Close()
	}
}
