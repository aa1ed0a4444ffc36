package traffic

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegmigrate/pegmigrate/internal/idl"
	"github.com/pegmigrate/pegmigrate/internal/pegkey"
)

// metaTries is how often a query is sent before it is given up (TableHandler, asyncExecute(…, 5)).
const metaTries = 5

// Java behaves as the table handler of the Java client 2.5 (rpc/async/TableHandler.java).
type Java struct {
	table   string
	proxies []string
	timeout time.Duration
	queries atomic.Int64
	stop    chan struct{}
	wg      sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	sessions map[string]*javaSession
	lead     int // of proxies
	config   javaConfig
	querying bool
	queried  time.Time
}

// javaConfig is what a query told.
type javaConfig struct {
	version   int
	appID     int32
	primaries []string // "" for none
}

// OpenJava opens a table through proxies. timeout is that of every operation, at least 3 ms.
func OpenJava(ctx context.Context, proxies []string, table string, timeout time.Duration) (*Java, error) {
	j := &Java{table: table, proxies: proxies, timeout: timeout, stop: make(chan struct{}), sessions: map[string]*javaSession{}}
	resp, code := j.query(ctx.Done())
	if code != idl.ErrOK {
		_ = j.Close()
		return nil, &OperationError{Op: "open table " + table, Code: code, Attempts: metaTries, Cause: ctx.Err()}
	}
	j.learn(resp)
	return j, nil
}

// Close implements Client.
func (j *Java) Close() error {
	j.mu.Lock()
	if !j.closed {
		j.closed = true
		close(j.stop)
	}
	for _, s := range j.sessions {
		s.close()
	}
	j.mu.Unlock()
	j.wg.Wait()
	return nil
}

// Stats implements Client.
func (j *Java) Stats() ClientStats { return ClientStats{Queries: j.queries.Load()} }

// session is the one connection to a server. Metas and replica servers share the map.
func (j *Java) session(addr string) *javaSession {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.sessions[addr]
	if s == nil {
		s = &javaSession{addr: addr, dial: j.timeout, wg: &j.wg, pending: map[int32]*javaCall{}, closed: j.closed}
		j.sessions[addr] = s
	}
	return s
}

// pause is the wait between two attempts and between two queries (ClusterManager.getRetryDelay).
func (j *Java) pause() time.Duration { return max(time.Millisecond, j.timeout/3) }

// query asks the proxies for the configuration, one after the other.
func (j *Java) query(stop <-chan struct{}) (*idl.QueryConfigResponse, idl.ErrorCode) {
	code := idl.ErrUnknown
	for range metaTries {
		j.mu.Lock()
		lead := j.lead
		j.mu.Unlock()
		j.queries.Add(1)
		header := idl.RequestHeader{Gpid: idl.Gpid{AppID: -1, Partition: -1}, TimeoutMs: uint32(j.timeout / time.Millisecond)}
		reply := j.session(j.proxies[lead]).call(j.timeout, stop, func(seq int32) []byte {
			return frameV1(header, idl.NameQueryConfig, seq, &idl.QueryConfigRequest{AppName: j.table})
		})
		code = reply.code
		if code == idl.ErrOK {
			resp := &idl.QueryConfigResponse{}
			var d idl.Decoder
			if err := reply.head.DecodeResult(&d, resp); err != nil {
				return nil, idl.ErrInvalidData
			}
			if resp.Err != idl.ErrForwardToOthers && resp.Err != idl.ErrServiceNotActive {
				return resp, resp.Err
			}
			if code = resp.Err; code == idl.ErrServiceNotActive && !wait(time.Second, stop) {
				return nil, code
			}
		} else if code != codeSessionReset && code != idl.ErrTimeout {
			return nil, code
		}
		select {
		case <-stop:
			return nil, code
		default:
		}
		if code != idl.ErrServiceNotActive {
			j.mu.Lock()
			j.lead = (lead + 1) % len(j.proxies)
			j.mu.Unlock()
		}
	}
	return nil, code
}

// learn takes a new configuration over, whatever it says.
func (j *Java) learn(resp *idl.QueryConfigResponse) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := javaConfig{version: j.config.version + 1, appID: resp.AppID, primaries: make([]string, resp.PartitionCount)}
	for i := range resp.Partitions {
		if p := &resp.Partitions[i]; int(p.Pid.Partition) < len(c.primaries) && p.Pid.Partition >= 0 {
			c.primaries[p.Pid.Partition] = p.Primary.String()
		}
	}
	j.config = c
}

// queryLater asks the proxies in the background, unless somebody does, did so a moment ago, or there
// is a newer configuration than the one that failed.
func (j *Java) queryLater(failed int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || j.querying || time.Since(j.queried) < j.pause() || j.config.version > failed {
		return
	}
	j.querying, j.queried = true, time.Now()
	j.wg.Go(func() {
		resp, code := j.query(j.stop)
		if code == idl.ErrOK {
			j.learn(resp)
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.querying = false
	})
}

func (j *Java) current() javaConfig {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.config
}

// operate runs one operation to its end. The partition, and with it the id of the table, is the one
// of its first attempt: the Java client does not look them up again when it repeats, so that an
// operation that began on one cluster goes to the other with the id that the table had on the first.
func (j *Java) operate(ctx context.Context, name string, hash uint64, req, resp idl.Message) Result {
	deadline := time.Now().Add(j.timeout)
	config := j.current()
	if len(config.primaries) == 0 {
		return Result{Err: fmt.Errorf("table %s has no partitions", j.table), Code: idl.ErrUnknown}
	}
	gpid := idl.Gpid{AppID: config.appID, Partition: pegkey.Partition(hash, int32(len(config.primaries)))}
	header := idl.RequestHeader{Gpid: gpid, TimeoutMs: uint32(j.timeout / time.Millisecond), PartitionHash: hash}
	r := Result{Code: idl.ErrTimeout}
	for {
		config = j.current()
		if int(gpid.Partition) < len(config.primaries) && config.primaries[gpid.Partition] != "" {
			r.Server = config.primaries[gpid.Partition]
			r.Attempts++
			reply := j.session(r.Server).call(time.Until(deadline), ctx.Done(), func(seq int32) []byte { return frameV1(header, name, seq, req) })
			if r.Code = reply.code; r.Code == idl.ErrOK {
				return j.answered(r, name, reply, resp)
			}
			r.Unsure = r.Unsure || !refuses(r.Code)
			if !j.repeats(r.Code, config.version) {
				break
			}
		} else {
			j.queryLater(config.version)
		}
		if time.Until(deadline) <= j.pause() || !wait(j.pause(), ctx.Done()) {
			break
		}
	}
	r.Server = ""
	r.Err = &OperationError{Op: name, Code: r.Code, Attempts: r.Attempts, Cause: context.Cause(ctx)}
	return r
}

// repeats tells whether an operation is tried again, and asks the proxies where that helps
// (TableHandler.onRpcReply).
func (j *Java) repeats(code idl.ErrorCode, version int) bool {
	switch code {
	case codeSessionReset, idl.ErrObjectNotFound, idl.ErrInvalidState, idl.ErrParentPartitionMisused:
		j.queryLater(version)
		return true
	case idl.ErrTimeout, idl.ErrNotEnoughMember, idl.ErrCapacityExceeded:
		return true
	}
	return false
}

func (j *Java) answered(r Result, name string, reply javaReply, resp idl.Message) Result {
	var d idl.Decoder
	if err := reply.head.DecodeResult(&d, resp); err != nil {
		r.Err, r.Unsure, r.Server = &OperationError{Op: name, Code: idl.ErrInvalidData, Attempts: r.Attempts, Cause: err}, true, ""
		return r
	}
	return r
}

// wait rests unless stop ends it.
func wait(d time.Duration, stop <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}
