package metaproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
)

const (
	// backupAfter is how long the meta that led last may take before all others are asked as well
	// (go-client session/meta_call.go).
	backupAfter = time.Second
	// dialTimeout is the Go client's (rpc/rpc_conn.go).
	dialTimeout = 3 * time.Second
	// maxAnswer bounds an answer in bytes: some 200 for each of 16384 partitions.
	maxAnswer = 64 << 20
)

// metas are the meta servers of a record, of which one leads.
type metas struct {
	addrs []string
	mu    sync.Mutex
	lead  int
}

// query asks the meta that led last, and all others when it fails, sends the query on or takes too
// long. It returns the whole frame of the first that answers, nil when ctx ends before.
func (m *metas) query(ctx context.Context, q *query) []byte {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	m.mu.Lock()
	lead := m.lead
	m.mu.Unlock()
	type reply struct {
		from  int
		frame []byte
		err   error
	}
	replies := make(chan reply, len(m.addrs))
	ask := func(i int) {
		asked.Go(func() {
			frame, err := askMeta(ctx, m.addrs[i], q)
			replies <- reply{i, frame, err}
		})
	}
	ask(lead)
	slow := time.NewTimer(backupAfter)
	defer slow.Stop()
	others := false
	for {
		select {
		case r := <-replies:
			if r.err == nil {
				m.mu.Lock()
				m.lead = r.from
				m.mu.Unlock()
				return r.frame
			}
		case <-slow.C:
		case <-ctx.Done():
			return nil
		}
		if others {
			continue
		}
		others = true
		for i := range m.addrs {
			if i != lead {
				ask(i)
			}
		}
	}
}

// errForward says that another meta leads.
var errForward = errors.New("metaproxy: the meta does not lead")

// askMeta asks one meta. The query has the client's own number, so that the answer fits it.
func askMeta(ctx context.Context, addr string, q *query) ([]byte, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	frame := idl.AppendRequest(nil, idl.RequestHeader{}, idl.NameQueryConfig, q.seq, &idl.QueryConfigRequest{AppName: q.table})
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	return readAnswer(c)
}

// readAnswer gives a frame whose head says ERR_OK and whose body does not name another meta.
func readAnswer(in io.Reader) ([]byte, error) {
	prefix := make([]byte, idl.ResponsePrefix)
	if _, err := io.ReadFull(in, prefix); err != nil {
		return nil, err
	}
	n, err := idl.ResponseLength(prefix)
	if err != nil || n > maxAnswer {
		return nil, fmt.Errorf("metaproxy: an answer of %d bytes: %w", n, idl.ErrMalformed)
	}
	frame := make([]byte, n)
	copy(frame, prefix)
	if _, err := io.ReadFull(in, frame[len(prefix):]); err != nil {
		return nil, err
	}
	head, err := idl.DecodeResponseHead(frame)
	if err != nil {
		return nil, err
	}
	var d idl.Decoder
	var resp idl.QueryConfigResponse
	if err := head.DecodeResult(&d, &resp); err != nil {
		return nil, err
	}
	if resp.Err == idl.ErrForwardToOthers {
		return nil, errForward
	}
	return frame, nil
}
