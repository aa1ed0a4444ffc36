package metaproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// defaultSession is the session timeout asked of ZooKeeper (zookeeper.timeout).
	defaultSession = 10 * time.Second
	// Ports below those that systems give to outgoing connections. A real proxy listens on 34601.
	firstPort = 20000
	lastPort  = 32000
	portTries = 2000
)

// Config says what a proxy serves. The zero value of a field means its default, if it has one.
type Config struct {
	// Listen is the host to listen on. Default 127.0.0.1; the port is a free one.
	Listen string
	// ZooKeeper are the servers, host:port. Required.
	ZooKeeper []string
	// Root is the node above the records, such as /pegasus-cluster. Required.
	Root string
	// Session is the timeout of the session that is asked for. Default 10 s.
	Session time.Duration
	// Log gets a line for what a real proxy logs as an error. It may be called by several goroutines
	// at once. Default: none.
	Log func(line string)
}

// Proxy is one proxy: an address with a process that runs or is dead. All methods are safe for
// concurrent use.
type Proxy struct {
	cfg  Config
	addr string
	wg   sync.WaitGroup

	mu     sync.Mutex
	now    *process // the last one, dead or alive
	closed bool
}

// Start runs a proxy until Close. It does not wait for ZooKeeper, which may be down.
func Start(cfg Config) (*Proxy, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1"
	}
	if cfg.Session <= 0 {
		cfg.Session = defaultSession
	}
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	if len(cfg.ZooKeeper) == 0 || cfg.Root == "" {
		return nil, errors.New("metaproxy: no ZooKeeper or no root is given")
	}
	p := &Proxy{cfg: cfg}
	var last error
	for range portTries {
		p.addr = net.JoinHostPort(cfg.Listen, strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		if last = p.Resume(); last == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("metaproxy: no free port on %s: %w", cfg.Listen, last)
}

// Addr is "host:port"; it stays the same for ever.
func (p *Proxy) Addr() string { return p.addr }

// Up tells whether the process runs.
func (p *Proxy) Up() bool { return !p.process().isDead() }

// Died tells what the process died of by itself, "" when it runs or was stopped.
func (p *Proxy) Died() string { return p.process().cause() }

// Unanswered is how many requests and pieces of nonsense the process has left without an answer.
func (p *Proxy) Unanswered() int64 { return p.process().unanswered.Load() }

// Sessions is how many client connections the process has.
func (p *Proxy) Sessions() int { return p.process().connections() }

func (p *Proxy) process() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// Stop kills the process: the port refuses connections, those that exist are cut.
func (p *Proxy) Stop() { p.process().kill("") }

// Resume starts a new process when the last one is dead. It knows no table yet.
func (p *Proxy) Resume() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errors.New("metaproxy: the proxy was closed")
	case p.now != nil && !p.now.isDead():
		return nil
	}
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("metaproxy: listen: %w", err)
	}
	x, err := newProcess(p.cfg, ln, &p.wg)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	p.now = x
	return nil
}

// LoseWatches lets every watch end as a lost session does: the records that the proxy has stay, and
// changes of them are never seen. It tells how many there were. Tables that are asked for later are
// watched again.
func (p *Proxy) LoseWatches() int { return p.process().loseWatches() }

// Close ends the proxy and returns when nothing of it runs any more. It may be called again.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Stop()
	p.wg.Wait()
	return nil
}
