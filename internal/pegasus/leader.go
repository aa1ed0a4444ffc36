package pegasus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// openRounds is how often Open asks addresses that give final answers: a server that
// is just being restarted refuses connections for a moment.
const openRounds = 3

// leaderProbe is a table name that nobody has. Asking for its partitions is the one
// request whose refusal by a follower names the leader (src/meta/meta_service.cpp).
const leaderProbe = "pegmigrate.leader.probe"

// answer is what one meta said to the leader probe.
type answer struct {
	conn    *wire.MetaConn
	leads   bool
	forward string // address of the leader, as far as a follower knows
	final   bool   // asking again soon gives the same
	text    string
	err     error
}

// ask sends the leader probe to one meta.
func (c *Cluster) ask(ctx context.Context, m *wire.MetaConn) answer {
	var resp idl.QueryConfigResponse
	err := m.Call(ctx, c.metaHeader(ctx), idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: leaderProbe}, &resp)
	a := answer{conn: m, err: err}
	var he *wire.HeaderError
	var de *net.DNSError
	switch {
	case errors.As(err, &he) && he.Code == idl.ErrHandlerNotFound:
		// A meta that starts serves its port before it has reached ZooKeeper and knows its
		// requests (meta_service.cpp, start): this may pass.
		a.text = "is not a meta server, or has only begun to start (it answers " + string(he.Code) + ")"
	case errors.As(err, &he):
		a.text = "answers " + string(he.Code)
	case errors.Is(err, context.DeadlineExceeded):
		a.text = "does not answer"
	case errors.Is(err, wire.ErrProtocol):
		a.final, a.text = true, "does not speak the Pegasus protocol: "+err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		a.final, a.text = true, "refuses connections"
	case errors.As(err, &de):
		a.final, a.text = true, err.Error()
	case err != nil:
		a.text = err.Error()
	case resp.Err == idl.ErrForwardToOthers:
		a.text = "forwards, but the leader is unknown"
		if len(resp.Partitions) > 0 && !resp.Partitions[0].Primary.IsZero() {
			a.forward = resp.Partitions[0].Primary.String()
			a.text = "forwards to " + a.forward
		}
	case notReady(resp.Err):
		a.text = "leads, but is not ready (" + string(resp.Err) + ")"
	default:
		a.leads = true
	}
	return a
}

// askAll asks all metas except one at once, and those that they forward to. It
// returns at the first that leads, or with all answers when none does.
func (c *Cluster) askAll(ctx context.Context, except string) (leader *wire.MetaConn, answers []answer) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	asked := map[string]bool{except: true}
	replies := make(chan answer)
	waiting := 0
	start := func(m *wire.MetaConn) {
		if m == nil || asked[m.Addr()] {
			return
		}
		asked[m.Addr()] = true
		waiting++
		go func() {
			a := c.ask(ctx, m)
			select {
			case replies <- a:
			case <-c.done:
			}
		}()
	}
	for _, m := range c.candidates(except) {
		start(m)
	}
	for ; waiting > 0; waiting-- {
		var a answer
		select {
		case a = <-replies:
		case <-c.done:
			return nil, answers
		}
		switch {
		case a.leads && leader == nil:
			leader = a.conn
			cancel() // the others' answers do not matter any more
		case a.forward != "" && a.forward != except && leader == nil:
			start(c.addMeta(a.forward))
		}
		answers = append(answers, a)
	}
	return leader, answers
}

// findLeader asks until a meta leads, ctx ends, or, with rounds above 0, all answers
// were final in that many rounds in a row. Only one caller at a time asks.
func (c *Cluster) findLeader(ctx context.Context, rounds int) (*wire.MetaConn, error) {
	select {
	case c.seek <- struct{}{}:
		defer func() { <-c.seek }()
	case <-ctx.Done():
		return nil, fmt.Errorf("look for the meta leader of cluster %q: %w", c.cfg.Name, context.Cause(ctx))
	}
	if m := c.currentLeader(); m != nil {
		return m, nil // somebody else has just found it
	}
	final := 0
	said := make(map[string]answer) // the last that each meta said, by address
	for n := 0; ; n++ {
		leader, answers := c.askAll(ctx, "")
		if leader != nil {
			c.setLeader(leader.Addr())
			return leader, nil
		}
		final++
		for _, a := range answers {
			if !a.final {
				final = 0
			}
			// The last round is cut short: that it brought no answer says nothing.
			if _, before := said[a.conn.Addr()]; !before || ctx.Err() == nil {
				said[a.conn.Addr()] = a
			}
		}
		if rounds > 0 && final >= rounds {
			return nil, c.noLeader(said)
		}
		if !c.rest(ctx, pause(n)) {
			err := c.noLeader(said)
			if errors.Is(ctx.Err(), context.Canceled) {
				err = errors.Join(context.Cause(ctx), err)
			}
			return nil, err
		}
	}
}

// noLeader turns answers into the error that shows them, in the order of addresses.
func (c *Cluster) noLeader(said map[string]answer) error {
	e := &NoLeaderError{Cluster: c.cfg.Name}
	for addr, why := range c.broken {
		e.Answers = append(e.Answers, MetaAnswer{Addr: addr, Answer: why})
	}
	for addr, a := range said {
		e.Answers = append(e.Answers, MetaAnswer{Addr: addr, Answer: a.text, Err: a.err})
	}
	slices.SortFunc(e.Answers, func(a, b MetaAnswer) int { return strings.Compare(a.Addr, b.Addr) })
	return e
}

// rest waits; false when ctx or the Cluster ended first.
func (c *Cluster) rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	case <-c.done:
		return false
	}
}
