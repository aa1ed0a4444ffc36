package metaproxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegasus"
	"github.com/pegmigrate/pegmigrate/internal/wire"
)

// Where a proxy leads, in the words of plan.ProxyFacts.
const (
	LeadsToSource  = "source"
	LeadsToTarget  = "target"
	LeadsElsewhere = "elsewhere"
)

// Tables is what a cluster itself is asked for.
type Tables interface {
	PartitionConfigs(ctx context.Context, table string) (*pegasus.TableConfig, error)
}

// End is one end of a migration: a table on an open cluster. Cluster may be nil: then no proxy is
// found to lead there.
type End struct {
	Cluster Tables
	Table   string
}

// ProxyAnswer is what one proxy said.
type ProxyAnswer struct {
	Proxy string
	AppID int32
	// LeadsTo is LeadsToSource, LeadsToTarget or LeadsElsewhere, "" with an Err.
	LeadsTo string
	// Err says why there is no answer: *RefusedError, or that it could not be had.
	Err error
	At  time.Time
}

// RefusedError is a proxy's answer without a route.
type RefusedError struct {
	Proxy string
	Code  idl.ErrorCode
}

// Error says what the code means when a MetaProxy gives it (meta/client.go, meta/init.go). A code of
// the meta server behind the proxy comes through unchanged.
func (e *RefusedError) Error() string {
	text := "the meta server behind it refused"
	switch e.Code {
	case idl.ErrObjectNotFound:
		text = "there is no route record of the table, or the cluster that it names has no such table"
	case idl.ErrZookeeperOperation:
		text = "the proxy cannot read its ZooKeeper"
	case idl.ErrInvalidData:
		text = "the route record is invalid for it: no JSON, or fewer than two meta servers"
	case idl.ErrUnknown:
		text = "the proxy could not ask the cluster that the record names"
	case idl.ErrBusyCreating:
		text = "the table is being created on the cluster that it leads to"
	case idl.ErrBusyDropping:
		text = "the table is being dropped on the cluster that it leads to"
	}
	return fmt.Sprintf("%s (%s)", text, e.Code)
}

// Unwrap gives the code.
func (e *RefusedError) Unwrap() error { return e.Code }

// errNoPrimary is an answer that says nothing about the cluster.
var errNoPrimary = errors.New("it names no primary of any partition, so that its cluster cannot be told")

// AskProxies asks every proxy where it leads clients of table, all at once, and compares with what
// the ends say of themselves. The one request sent is QUERY_PARTITION_CONFIG_BY_INDEX: proxies leave
// every other unanswered. An answer per proxy, in the order given; the error is for an end that could
// not be asked, which makes every comparison worthless.
func AskProxies(ctx context.Context, o Options, table string, proxies []string, source, target End) ([]ProxyAnswer, error) {
	out := make([]ProxyAnswer, len(proxies))
	// A primary that moves between the two questions makes a proxy look strange: ask again.
	for attempt := range 2 {
		src, err := source.shape(ctx)
		if err != nil {
			return nil, err
		}
		dst, err := target.shape(ctx)
		if err != nil {
			return nil, err
		}
		done := make(chan struct{})
		asked := 0
		for i, p := range proxies {
			if attempt > 0 && out[i].LeadsTo != LeadsElsewhere {
				continue
			}
			asked++
			go func() {
				out[i] = askProxy(ctx, o, p, table, src, dst)
				done <- struct{}{}
			}()
		}
		for range asked {
			<-done
		}
	}
	return out, nil
}

// askProxy gives one proxy a few seconds.
func askProxy(ctx context.Context, o Options, proxy, table string, source, target *shape) ProxyAnswer {
	answer := ProxyAnswer{Proxy: proxy}
	resp, err := queryProxy(ctx, o, proxy, table)
	answer.At = time.Now()
	if err != nil {
		answer.Err = err
		return answer
	}
	answer.AppID = resp.AppID
	switch {
	case !anyPrimary(resp):
		answer.Err = errNoPrimary
	case source.is(resp):
		answer.LeadsTo = LeadsToSource
	case target.is(resp):
		answer.LeadsTo = LeadsToTarget
	default:
		answer.LeadsTo = LeadsElsewhere
	}
	return answer
}

func queryProxy(ctx context.Context, o Options, proxy, table string) (*idl.QueryConfigResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, defaultProxy)
	defer cancel()
	conn := wire.NewMetaConn(proxy, o.Wire)
	defer conn.Close()
	var resp idl.QueryConfigResponse
	header := idl.RequestHeader{TimeoutMs: uint32(defaultProxy / time.Millisecond)}
	err := conn.Call(ctx, header, idl.NameQueryConfig, &idl.QueryConfigRequest{AppName: table}, &resp)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && wire.MaybeSent(err):
		return nil, fmt.Errorf("no answer within %v; proxies leave unanswered what they do not know: is this a MetaProxy?", defaultProxy)
	case err != nil:
		return nil, err
	case !resp.Err.OK():
		return nil, &RefusedError{Proxy: proxy, Code: resp.Err}
	}
	return &resp, nil
}

// shape is by what a table of a cluster is recognised: app ids alone repeat from cluster to cluster.
type shape struct {
	id         int32
	partitions int
	replicas   map[string]bool // addresses of its primaries and secondaries
}

// shape asks the cluster; nil for a table that is not there.
func (e End) shape(ctx context.Context) (*shape, error) {
	if e.Cluster == nil {
		return nil, nil
	}
	config, err := e.Cluster.PartitionConfigs(ctx, e.Table)
	switch {
	case errors.Is(err, idl.ErrObjectNotFound), errors.Is(err, idl.ErrBusyCreating), errors.Is(err, idl.ErrBusyDropping):
		return nil, nil
	case err != nil:
		return nil, err
	}
	s := &shape{id: config.AppID, partitions: len(config.Partitions), replicas: map[string]bool{}}
	for _, p := range config.Partitions {
		s.replicas[p.Primary] = true
		for _, addr := range p.Secondaries {
			s.replicas[addr] = true
		}
	}
	delete(s.replicas, "")
	return s, nil
}

// is tells whether a proxy's answer describes this table.
func (s *shape) is(resp *idl.QueryConfigResponse) bool {
	if s == nil || resp.AppID != s.id || int(resp.PartitionCount) != s.partitions {
		return false
	}
	for i := range resp.Partitions {
		if p := resp.Partitions[i].Primary; !p.IsZero() && !s.replicas[p.String()] {
			return false
		}
	}
	return true
}

func anyPrimary(resp *idl.QueryConfigResponse) bool {
	for i := range resp.Partitions {
		if !resp.Partitions[i].Primary.IsZero() {
			return true
		}
	}
	return false
}
