package metaproxy

import (
	"context"
	"net"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/wire"
)

const (
	// defaultSession is how long one server may take to give a session: two round trips and a
	// write to the quorum, milliseconds on a healthy one.
	defaultSession = 2 * time.Second
	// defaultAnswer is how long a server may take for one request.
	defaultAnswer = 3 * time.Second
	// defaultProxy is how long a proxy may take. It asks a meta server itself, and answers from its
	// cache otherwise.
	defaultProxy = 3 * time.Second
	// rounds is how often all servers are tried when each fails at once.
	rounds = 3
	// betweenRounds is the pause between two rounds; a new ZooKeeper leader takes a few ticks, which
	// the caller's own repetition bridges.
	betweenRounds = 200 * time.Millisecond
)

// Options say how to reach ZooKeeper and the proxies.
type Options struct {
	// Servers are ZooKeeper servers, host:port, tried in turn; see ParseServers.
	Servers []string
	// Identity is who we are to ZooKeeper.
	Identity Identity
	// Session and Answer bound the wait for one server's session (default 2 s) and for its answer to
	// one request (default 3 s).
	Session, Answer time.Duration
	// Wire tunes the connections to proxies; its Dial is used for ZooKeeper as well, and its Observe
	// is told before a Set leaves and after it was answered, as request SetRequest.
	Wire wire.Options
}

// SetRequest is the name under which a Set is shown to Options.Wire.Observe.
const SetRequest = "ZOOKEEPER_SET_DATA"

func (o Options) withDefaults() Options {
	if o.Session <= 0 {
		o.Session = defaultSession
	}
	if o.Answer <= 0 {
		o.Answer = defaultAnswer
	}
	return o
}

func (o Options) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if o.Wire.Dial != nil {
		return o.Wire.Dial(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func (o Options) observe(addr string, phase wire.Phase) {
	if o.Wire.Observe != nil {
		o.Wire.Observe(wire.Point{RPC: SetRequest, Addr: addr, Phase: phase, Control: true})
	}
}
